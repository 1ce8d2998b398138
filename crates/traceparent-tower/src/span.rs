use std::{ops::Deref, sync::Arc};

use http::{Extensions, Request, request::Parts};
use traceparent::{IdGenerator, Outgoing, ParseError, sampler::AttributeValue};
use traceparent_formats::{Carried, Extracted, Format, FormatError, OwnedCarried};

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
    carried: OwnedCarried,
    received: Received,
    attributes: Vec<(String, Attribute)>,
    is_call: bool,
}

/// A value that a sampler has added to a span.
#[derive(Clone, Debug)]
pub(crate) enum Attribute {
    Str(String),
    Bool(bool),
    I64(i64),
    F64(f64),
}

impl Attribute {
    pub(crate) fn new(value: AttributeValue<'_>) -> Option<Self> {
        Some(match value {
            AttributeValue::Str(value) => Self::Str(value.to_owned()),
            AttributeValue::Bool(value) => Self::Bool(value),
            AttributeValue::I64(value) => Self::I64(value),
            AttributeValue::F64(value) => Self::F64(value),
            _ => return None,
        })
    }

    fn value(&self) -> AttributeValue<'_> {
        match self {
            Self::Str(value) => value.as_str().into(),
            Self::Bool(value) => (*value).into(),
            Self::I64(value) => (*value).into(),
            Self::F64(value) => (*value).into(),
        }
    }
}

/// What is known of the fields that a request came with.
#[derive(Debug, Default)]
struct Received {
    error: Option<ParseError>,
    format: Option<Format>,
    format_error: Option<FormatError>,
    conflict: Option<Format>,
}

impl SpanContext {
    #[cfg(feature = "axum")]
    pub(crate) fn new(outgoing: Outgoing<'_>, error: Option<ParseError>) -> Self {
        Self::of(outgoing, OwnedCarried::default(), Received { error, ..Received::default() })
    }

    /// Creates the context of the span that serves a request with these fields.
    pub(crate) fn received(
        outgoing: Outgoing<'_>,
        extracted: &Extracted<'_>,
        attributes: Vec<(String, Attribute)>,
    ) -> Self {
        let carried = extracted.carried(&outgoing).into_owned();
        let received = Received {
            error: extracted.incoming().error(),
            format: extracted.format(),
            format_error: extracted.refused().next(),
            conflict: extracted.conflict(),
        };
        let (outgoing, is_call) = (outgoing.into_owned(), false);
        Self(Arc::new(Span { outgoing, carried, received, attributes, is_call }))
    }

    fn of(outgoing: Outgoing<'_>, carried: OwnedCarried, received: Received) -> Self {
        let (outgoing, attributes) = (outgoing.into_owned(), Vec::new());
        Self(Arc::new(Span { outgoing, carried, received, attributes, is_call: false }))
    }

    /// Creates the context of a call that this span makes.
    pub(crate) fn call<G: IdGenerator + ?Sized>(&self, ids: &G) -> Self {
        let (outgoing, carried) = (self.0.outgoing.child(ids), self.0.carried.clone());
        let (received, attributes) = (Received::default(), Vec::new());
        Self(Arc::new(Span { outgoing, carried, received, attributes, is_call: true }))
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
        Self::of(self.0.outgoing.child(ids), self.0.carried.clone(), Received::default())
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
        self.0.received.error
    }

    /// Returns the format of the request's context, or `None` if no format had one.
    ///
    /// ```
    /// # use http::Request;
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # use traceparent::sampler::AlwaysOn;
    /// # use traceparent_tower::{ExtractTraceContextLayer, RequestSpan};
    /// use traceparent_tower::{Format, Propagators};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let layer = ExtractTraceContextLayer::new(AlwaysOn).propagators("tracecontext,b3".parse()?);
    /// let service = layer.layer(service_fn(async |request: Request<()>| {
    ///     assert_eq!(request.span_context().and_then(|span| span.format()), Some(Format::B3));
    ///     Ok::<_, std::convert::Infallible>(http::Response::new(()))
    /// }));
    /// let b3 = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1";
    /// service.oneshot(Request::builder().header("b3", b3).body(())?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn format(&self) -> Option<Format> {
        self.0.received.format
    }

    /// Returns the reason why the first of the formats that were refused was refused.
    ///
    /// The request may still have a context of another format.
    pub fn format_error(&self) -> Option<FormatError> {
        self.0.received.format_error
    }

    /// Returns the first format in which the request had a context of another trace.
    pub fn conflict(&self) -> Option<Format> {
        self.0.received.conflict
    }

    /// Returns an iterator over the attributes that the sampler has added to the span; see [`Sampler::annotate`].
    ///
    /// A sampler adds attributes only to spans about which it was asked and which are recorded.
    ///
    /// [`Sampler::annotate`]: traceparent::sampler::Sampler::annotate
    pub fn attributes(&self) -> impl Iterator<Item = (&str, AttributeValue<'_>)> {
        self.0.attributes.iter().map(|(key, attribute)| (key.as_str(), attribute.value()))
    }

    /// Returns the data that travels beside the IDs, such as X-Ray's other pairs; see [`Carried`].
    ///
    /// It goes out with the calls that this span makes, in the formats that carry it.
    pub fn carried(&self) -> Carried<'_> {
        self.0.carried.borrow()
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
        Self::of(outgoing, OwnedCarried::default(), Received::default())
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
