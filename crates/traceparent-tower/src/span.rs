use std::{ops::Deref, sync::Arc};

use http::{Extensions, Request, request::Parts};
use traceparent::{IdGenerator, Outgoing, ParseError};

/// The context of a span of this process, which serves a request or makes a call.
///
/// The server's layer puts it into the extensions of each request, the client's layer into those of each call. It
/// dereferences to an [`Outgoing`], is owned, and is cheap to clone.
///
/// ```
/// use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::AlwaysOn};
/// use traceparent_tower::SpanContext;
///
/// // A job that no request asked for starts a trace of its own.
/// let job = SpanContext::from(Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator));
/// assert!(job.traceparent().flags().is_sampled());
/// assert_eq!(job.parent_id(), None);
/// ```
#[derive(Clone, Debug)]
pub struct SpanContext(Arc<Span>);

#[derive(Debug)]
struct Span {
    outgoing: Outgoing<'static>,
    error: Option<ParseError>,
    is_call: bool,
}

impl SpanContext {
    pub(crate) fn new(outgoing: Outgoing<'_>, error: Option<ParseError>) -> Self {
        Self(Arc::new(Span { outgoing: outgoing.into_owned(), error, is_call: false }))
    }

    /// Creates the context of a call that this span makes.
    pub(crate) fn call<G: IdGenerator + ?Sized>(&self, ids: &G) -> Self {
        Self(Arc::new(Span { outgoing: self.0.outgoing.child(ids), error: None, is_call: true }))
    }

    /// Returns whether the span makes a call: then another one serves it.
    pub(crate) fn is_call(&self) -> bool {
        self.0.is_call
    }

    /// Creates the context of a child span, with the same trace, decision and `tracestate`, and another span ID.
    ///
    /// See [`Outgoing::child`].
    ///
    /// ```
    /// # use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::AlwaysOn};
    /// # use traceparent_tower::SpanContext;
    /// # let job = SpanContext::from(Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator));
    /// let query = job.child(&RandomIdGenerator);
    /// assert_eq!(query.parent_id(), Some(job.span_id()));
    /// ```
    #[must_use]
    pub fn child<G: IdGenerator + ?Sized>(&self, ids: &G) -> Self {
        Self::new(self.0.outgoing.child(ids), None)
    }

    /// Returns the reason why the `traceparent` of the request was refused, or else why its `tracestate` was
    /// discarded.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # use traceparent::{ErrorKind, sampler::AlwaysOn};
    /// # use traceparent_tower::{ExtractTraceContextLayer, RequestSpan};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let service = ExtractTraceContextLayer::new(AlwaysOn).layer(service_fn(async |request: Request<()>| {
    ///     let error = request.span_context().and_then(|span| span.error());
    ///     assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::TooShort));
    ///     Ok::<_, std::convert::Infallible>(http::Response::new(()))
    /// }));
    /// service.oneshot(Request::builder().header("traceparent", "00-abc").body(())?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn error(&self) -> Option<ParseError> {
        self.0.error
    }
}

impl Deref for SpanContext {
    type Target = Outgoing<'static>;

    fn deref(&self) -> &Self::Target {
        &self.0.outgoing
    }
}

impl From<Outgoing<'_>> for SpanContext {
    fn from(outgoing: Outgoing<'_>) -> Self {
        Self::new(outgoing, None)
    }
}

/// A request, or a part of one, that may hold the context of its span.
///
/// ```
/// use http::Request;
/// use traceparent_tower::RequestSpan;
///
/// // No layer has seen this request.
/// assert!(Request::new(()).span_context().is_none());
/// ```
pub trait RequestSpan {
    /// Returns the context that a layer put into the extensions of the request, or `None` if no layer did.
    fn span_context(&self) -> Option<&SpanContext>;
}

impl RequestSpan for Extensions {
    fn span_context(&self) -> Option<&SpanContext> {
        self.get()
    }
}

impl<B> RequestSpan for Request<B> {
    fn span_context(&self) -> Option<&SpanContext> {
        self.extensions().span_context()
    }
}

impl RequestSpan for Parts {
    fn span_context(&self) -> Option<&SpanContext> {
        self.extensions.span_context()
    }
}
