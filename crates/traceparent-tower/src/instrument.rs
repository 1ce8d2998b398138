use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;
use tracing::{
    Span,
    field::{Empty, display},
    instrument::{Instrument, Instrumented},
};

use crate::{RequestSpan, SpanContext};

#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
impl SpanContext {
    /// Makes a span of `tracing` with the fields `trace_id`, `span_id`, `parent_id` (where there is one) and
    /// `sampled`: at level info, named `request`.
    ///
    /// ```
    /// # use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::AlwaysOn};
    /// # use traceparent_tower::SpanContext;
    /// let job = SpanContext::from(Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator));
    /// job.tracing_span().in_scope(|| tracing::info!("this line can be found by its trace"));
    /// ```
    pub fn tracing_span(&self) -> Span {
        let span = tracing::info_span!(
            "request",
            trace_id = %self.traceparent().trace_id(),
            span_id = %self.span_id(),
            parent_id = Empty,
            sampled = self.traceparent().flags().is_sampled(),
        );
        if let Some(parent_id) = self.parent_id() {
            span.record("parent_id", display(parent_id));
        }
        span
    }
}

/// Runs each request within a span of `tracing` that has the ids of its [`SpanContext`], so that log lines can be
/// found by their trace without any SDK: see [`SpanContext::tracing_span`].
///
/// It goes inside of [`ExtractTraceContextLayer`](crate::ExtractTraceContextLayer) in a server, inside of
/// [`InjectTraceContextLayer`](crate::InjectTraceContextLayer) in a client. Requests without a context get no span.
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
///     tracing::info!("correlated");
///     Ok::<_, std::convert::Infallible>(Response::new(()))
/// }));
/// ExtractTraceContextLayer::new(AlwaysOn).layer(service).oneshot(Request::new(())).await?;
/// # Ok(())
/// # }
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
#[derive(Clone, Copy, Debug, Default)]
pub struct InstrumentRequestLayer(());

impl InstrumentRequestLayer {
    /// Makes the layer.
    ///
    /// ```
    /// use traceparent_tower::InstrumentRequestLayer;
    ///
    /// const INSTRUMENT: InstrumentRequestLayer = InstrumentRequestLayer::new();
    /// ```
    pub const fn new() -> Self {
        Self(())
    }
}

impl<Inner> Layer<Inner> for InstrumentRequestLayer {
    type Service = InstrumentRequest<Inner>;

    fn layer(&self, inner: Inner) -> Self::Service {
        InstrumentRequest { inner }
    }
}

/// The service that [`InstrumentRequestLayer`] makes. Its future is the inner service's, in a span.
///
/// ```
/// use tower::Layer;
/// use traceparent_tower::{InstrumentRequest, InstrumentRequestLayer};
///
/// fn instrument<S>(service: S) -> InstrumentRequest<S> {
///     InstrumentRequestLayer::new().layer(service)
/// }
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
#[derive(Clone, Copy, Debug)]
pub struct InstrumentRequest<Inner> {
    inner: Inner,
}

impl<Inner: Service<Request<Body>>, Body> Service<Request<Body>> for InstrumentRequest<Inner> {
    type Response = Inner::Response;
    type Error = Inner::Error;
    type Future = Instrumented<Inner::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let span = request.span_context().map_or_else(Span::none, SpanContext::tracing_span);
        span.in_scope(|| self.inner.call(request)).instrument(span)
    }
}
