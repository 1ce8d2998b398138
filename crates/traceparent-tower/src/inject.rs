use std::task::{Context, Poll};

use http::{HeaderMap, Request};
use tower_layer::Layer;
use tower_service::Service;
use traceparent::{IdGenerator, RandomIdGenerator};

#[cfg(feature = "reqwest")]
use crate::egress::normal;
use crate::{
    Egress, SpanContext,
    egress::{EgressPolicy, host},
};

/// Gives each call that a client makes the context of a span of its own, and writes that into its headers.
///
/// The parent is the [`SpanContext`] in the extensions of the call or, with the feature `tokio`, that of the
/// request which the current task works on. A call without either starts no trace: its headers stay as they are, as
/// far as the [egress policy](Self::egress) lets them pass.
///
/// The context of the call's own span takes the parent's place in the extensions, so that what is further in (such
/// as `InstrumentRequestLayer`, of the feature `tracing`) sees it. Put retries outside of this layer: each attempt is then a
/// span.
///
/// ```
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
/// use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::AlwaysOn};
/// use traceparent_tower::{InjectTraceContextLayer, SpanContext};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = InjectTraceContextLayer::new().layer(service_fn(async |call: Request<()>| {
///     Ok::<_, std::convert::Infallible>(Response::new(call.headers()["traceparent"].clone()))
/// }));
///
/// let job = SpanContext::from(Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator));
/// let call = Request::builder().uri("http://orders.internal/").extension(job.clone()).body(())?;
/// let sent = client.oneshot(call).await?.into_body();
/// assert_eq!(sent.to_str()?[3..35], job.traceparent().trace_id().to_string());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct InjectTraceContextLayer<E = Egress<'static>, G = RandomIdGenerator> {
    egress: E,
    ids: G,
}

impl InjectTraceContextLayer {
    /// Makes a layer that sends the context to everybody, with random span-ids.
    ///
    /// ```
    /// use traceparent_tower::InjectTraceContextLayer;
    ///
    /// const INJECT: InjectTraceContextLayer = InjectTraceContextLayer::new();
    /// ```
    pub const fn new() -> Self {
        Self { egress: Egress::Inject, ids: RandomIdGenerator }
    }
}

impl<E, G> InjectTraceContextLayer<E, G> {
    /// Says who gets what of the context: see [`EgressPolicy`].
    ///
    /// ```
    /// use traceparent_tower::{Egress, InjectTraceContextLayer};
    ///
    /// let layer = InjectTraceContextLayer::new().egress(|host: &str| match host {
    ///     "localhost" => Egress::Inject,
    ///     "api.partner.example" => Egress::only(&["partner"]),
    ///     host if host.ends_with(".internal") => Egress::Inject,
    ///     _ => Egress::Strip,
    /// });
    /// ```
    pub fn egress<P: EgressPolicy>(self, egress: P) -> InjectTraceContextLayer<P, G> {
        InjectTraceContextLayer { egress, ids: self.ids }
    }

    /// Takes span-ids from another generator.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use traceparent::IdsFrom;
    /// use traceparent_tower::InjectTraceContextLayer;
    ///
    /// static NEXT: AtomicU64 = AtomicU64::new(1);
    /// let layer = InjectTraceContextLayer::new().ids(IdsFrom::new(|| NEXT.fetch_add(1, Ordering::Relaxed)));
    /// ```
    pub fn ids<H: IdGenerator>(self, ids: H) -> InjectTraceContextLayer<E, H> {
        InjectTraceContextLayer { egress: self.egress, ids }
    }
}

impl<E, G: IdGenerator> InjectTraceContextLayer<E, G> {
    /// Writes the context of a child of this span, as far as it may go, and returns it.
    fn inject(&self, parent: Option<SpanContext>, egress: Egress<'_>, headers: &mut HeaderMap) -> Option<SpanContext> {
        let span = parent.map(|parent| parent.child(&self.ids));
        if let Some(span) = &span {
            traceparent_http::inject(span, headers);
        }
        egress.apply(headers);
        span
    }
}

impl<Inner, E: Clone, G: Clone> Layer<Inner> for InjectTraceContextLayer<E, G> {
    type Service = InjectTraceContext<Inner, E, G>;

    fn layer(&self, inner: Inner) -> Self::Service {
        InjectTraceContext { inner, layer: self.clone() }
    }
}

/// The service that [`InjectTraceContextLayer`] makes. Its future is the inner service's.
///
/// ```
/// use tower::Layer;
/// use traceparent_tower::{InjectTraceContext, InjectTraceContextLayer};
///
/// struct Orders<C> {
///     client: InjectTraceContext<C>,
/// }
///
/// fn orders<C>(client: C) -> Orders<C> {
///     Orders { client: InjectTraceContextLayer::new().layer(client) }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct InjectTraceContext<Inner, E = Egress<'static>, G = RandomIdGenerator> {
    inner: Inner,
    layer: InjectTraceContextLayer<E, G>,
}

impl<Inner, E, G, Body> Service<Request<Body>> for InjectTraceContext<Inner, E, G>
where
    Inner: Service<Request<Body>>,
    E: EgressPolicy,
    G: IdGenerator,
{
    type Response = Inner::Response;
    type Error = Inner::Error;
    type Future = Inner::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let parent = request.extensions().get().cloned().or_else(current);
        let egress = self.layer.egress.egress(&host(&request));
        if let Some(span) = self.layer.inject(parent, egress, request.headers_mut()) {
            request.extensions_mut().insert(span);
        }
        self.inner.call(request)
    }
}

/// Calls that are made with `reqwest` take the current task's context: its requests have no extensions.
///
/// Redirects that a `reqwest::Client` follows by itself repeat the headers of the first request, whatever the egress
/// policy says of their host: turn them off (`redirect::Policy::none()`) where that matters.
#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
impl<Inner, E, G> Service<reqwest::Request> for InjectTraceContext<Inner, E, G>
where
    Inner: Service<reqwest::Request>,
    E: EgressPolicy,
    G: IdGenerator,
{
    type Response = Inner::Response;
    type Error = Inner::Error;
    type Future = Inner::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: reqwest::Request) -> Self::Future {
        let egress = self.layer.egress.egress(&normal(request.url().host_str().unwrap_or_default()));
        self.layer.inject(current(), egress, request.headers_mut());
        self.inner.call(request)
    }
}

#[cfg(feature = "tokio")]
fn current() -> Option<SpanContext> {
    SpanContext::current()
}

#[cfg(not(feature = "tokio"))]
fn current() -> Option<SpanContext> {
    None
}
