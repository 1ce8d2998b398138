use std::task::{Context, Poll};

use http::{Extensions, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;
use traceparent::sampler::AttributeValue;
use traceparent_http::semconv;
use tracing::{Level, Span, field::display};

use crate::{RequestSpan, ResponseFuture, SpanContext, attributes::matched_route, in_trace::Scope};

/// The log span of a request whose context is not known yet: a layer further in creates it.
#[derive(Clone, Debug)]
struct Unfilled(Span);

#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
impl SpanContext {
    /// Creates a log span with the fields `trace_id`, `span_id`, `parent_id` (if there is a parent), `sampled` and
    /// `traceparent.refused` (if headers were refused), at level info and with the name `request`.
    ///
    /// ```
    /// # use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::AlwaysOn};
    /// # use traceparent_tower::SpanContext;
    /// let job = SpanContext::from(Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator));
    /// job.tracing_span().in_scope(|| tracing::info!("this line can be found by its trace"));
    /// ```
    pub fn tracing_span(&self) -> Span {
        let span = request_span!(Level::INFO, "request");
        self.fill(&span);
        span
    }

    fn fill(&self, span: &Span) {
        if span.is_disabled() {
            return;
        }
        span.record("trace_id", display(self.traceparent().trace_id()));
        span.record("span_id", display(self.span_id()));
        span.record("sampled", self.traceparent().flags().is_sampled());
        if let Some(parent_id) = self.parent_id() {
            span.record("parent_id", display(parent_id));
        }
        for (key, value) in self.attributes() {
            match value {
                AttributeValue::Str(value) => drop(span.record(key, value)),
                AttributeValue::Bool(value) => drop(span.record(key, value)),
                AttributeValue::I64(value) => drop(span.record(key, value)),
                AttributeValue::F64(value) => drop(span.record(key, value)),
                _ => {}
            }
        }
        match (self.error(), self.format_error()) {
            (Some(error), _) => drop(span.record(semconv::TRACEPARENT_REFUSED, display(error))),
            (None, Some(error)) => drop(span.record(semconv::TRACEPARENT_REFUSED, display(error))),
            (None, None) => {}
        }
    }

    /// Writes the IDs into the log span that a layer further out has created for the request.
    pub(crate) fn fill_log_span(&self, request: &mut Extensions) {
        if let Some(Unfilled(span)) = request.remove() {
            self.fill(&span);
        }
    }
}

impl Scope {
    pub(crate) fn record_status(&self, status: StatusCode) {
        if let Some(span) = self.log_span() {
            span.record(semconv::HTTP_RESPONSE_STATUS_CODE, status.as_u16());
        }
    }
}

/// Handles each request, and sends the body of its response, within a log span of `tracing` that has the IDs of its
/// [`SpanContext`].
///
/// Log lines can be found by their trace then, without any SDK. The span has these fields, as far as they are known:
///
/// | field | value |
/// |---|---|
/// | `trace_id`, `span_id`, `parent_id` | the IDs of the [`SpanContext`] |
/// | `sampled` | whether the trace is sampled |
/// | `traceparent.refused` | the reason why the headers of the request were refused |
/// | `http.request.method` | the method, or `_OTHER` |
/// | `http.route` | the route that axum's router matched, with the feature `axum` |
/// | `http.response.status_code` | the status of the response |
///
/// A field that [`make_span_with`](InstrumentRequestLayer::make_span_with) declares under the name of an attribute that the
/// sampler has added holds that [attribute](SpanContext::attributes).
///
/// The order of the layers does not matter in a server: the span gets its IDs from
/// [`ExtractTraceContextLayer`](crate::ExtractTraceContextLayer) on either side. In a client it goes inside of
/// [`InjectTraceContextLayer`](crate::InjectTraceContextLayer); outside of it, a call whose extensions hold a parent is
/// logged with the parent's IDs. A request without a context is logged without IDs.
///
/// ```
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
/// use traceparent::sampler::AlwaysOn;
/// use traceparent_tower::{ExtractTraceContextLayer, InstrumentRequestLayer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = InstrumentRequestLayer::new().layer(service_fn(async |_: Request<()>| {
///     tracing::info!("this line has the IDs of the request");
///     Ok::<_, std::convert::Infallible>(Response::new(()))
/// }));
/// ExtractTraceContextLayer::new(AlwaysOn).layer(service).oneshot(Request::new(())).await?;
/// # Ok(())
/// # }
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct InstrumentRequestLayer {
    make_span: fn() -> Span,
}

impl InstrumentRequestLayer {
    /// Creates a layer whose spans have level info and the name `request`.
    ///
    /// ```
    /// use traceparent_tower::InstrumentRequestLayer;
    ///
    /// const INSTRUMENT: InstrumentRequestLayer = InstrumentRequestLayer::new();
    /// ```
    pub const fn new() -> Self {
        Self { make_span: || request_span!(Level::INFO, "request") }
    }

    /// Sets the level of the spans, whose name is `request` again.
    ///
    /// ```
    /// use tracing::Level;
    /// use traceparent_tower::InstrumentRequestLayer;
    ///
    /// let layer = InstrumentRequestLayer::new().level(Level::DEBUG);
    /// ```
    pub fn level(self, level: Level) -> Self {
        // A span's level belongs to its call site.
        self.make_span_with(match level {
            Level::ERROR => || request_span!(Level::ERROR, "request"),
            Level::WARN => || request_span!(Level::WARN, "request"),
            Level::INFO => || request_span!(Level::INFO, "request"),
            Level::DEBUG => || request_span!(Level::DEBUG, "request"),
            Level::TRACE => || request_span!(Level::TRACE, "request"),
        })
    }

    /// Sets the function that creates the spans, for a name and fields of your own.
    ///
    /// Use [`request_span!`], or declare the fields that you want as empty: a field that the span does not declare is
    /// left out.
    ///
    /// ```
    /// use tracing::{Level, field::Empty, info_span};
    /// use traceparent_tower::{InstrumentRequestLayer, request_span};
    ///
    /// let named = InstrumentRequestLayer::new().make_span_with(|| request_span!(Level::INFO, "handle"));
    /// let short = InstrumentRequestLayer::new().make_span_with(|| info_span!("request", trace_id = Empty));
    /// ```
    pub fn make_span_with(self, make_span: fn() -> Span) -> Self {
        Self { make_span }
    }
}

impl Default for InstrumentRequestLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<Inner> Layer<Inner> for InstrumentRequestLayer {
    type Service = InstrumentRequest<Inner>;

    fn layer(&self, inner: Inner) -> Self::Service {
        InstrumentRequest::new(inner, *self)
    }
}

/// The middleware of [`InstrumentRequestLayer`].
///
/// ```
/// use traceparent_tower::{InstrumentRequest, InstrumentRequestLayer};
///
/// fn instrument<S>(service: S) -> InstrumentRequest<S> {
///     InstrumentRequest::new(service, InstrumentRequestLayer::new())
/// }
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
#[derive(Clone, Copy, Debug)]
pub struct InstrumentRequest<Inner> {
    inner: Inner,
    layer: InstrumentRequestLayer,
}

impl<Inner> InstrumentRequest<Inner> {
    /// Creates the middleware around a service, with the options of a layer.
    pub const fn new(inner: Inner, layer: InstrumentRequestLayer) -> Self {
        Self { inner, layer }
    }

    /// Returns a layer; the same as [`InstrumentRequestLayer::new`].
    pub const fn layer() -> InstrumentRequestLayer {
        InstrumentRequestLayer::new()
    }
}

impl_inner!(InstrumentRequest<Inner>);

impl<Inner, Body, ResponseBody> Service<Request<Body>> for InstrumentRequest<Inner>
where
    Inner: Service<Request<Body>, Response = Response<ResponseBody>>,
{
    type Response = Response<crate::InTrace<ResponseBody>>;
    type Error = Inner::Error;
    type Future = ResponseFuture<Inner::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let span = (self.layer.make_span)();
        if !span.is_disabled() {
            let method = semconv::known_method(request.method()).unwrap_or(semconv::OTHER_METHOD);
            span.record(semconv::HTTP_REQUEST_METHOD, method);
            if let Some(route) = matched_route(request.extensions()) {
                span.record(semconv::HTTP_ROUTE, route);
            }
            match request.span_context() {
                Some(context) => context.fill(&span),
                None => drop(request.extensions_mut().insert(Unfilled(span.clone()))),
            }
        }
        let scope = Scope::log(span);
        let inner = scope.enter(|| self.inner.call(request));
        ResponseFuture::new(inner, scope)
    }
}
