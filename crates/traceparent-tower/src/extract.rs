use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response, request::Parts};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use traceparent::{
    IdGenerator, Origin, Policy, RandomIdGenerator, Trust,
    sampler::{Sampler, SpanDetails, SpanKind},
};

use crate::{
    SpanContext,
    attributes::{RequestAttributes, span_name},
};

/// Gives each request that a server receives the context of a span that serves it.
///
/// Continues the caller's trace or starts one, by the specification's processing model ([`Policy`]), and puts a
/// [`SpanContext`] into the extensions of the request. With the feature `tokio` it is the task's current context,
/// too, while the inner service works on the request.
///
/// Nothing that a caller sends makes a request fail. [`SpanContext::error`] tells what was wrong with its headers.
///
/// Samplers see a span of kind server, named after the method, with the attributes `http.request.method`,
/// `url.path`, `url.query`, `url.scheme`, `server.address`, `server.port`, `network.protocol.version`,
/// `user_agent.original` and `http.request.header.<name>`, as far as the request has them.
///
/// ```
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
/// use traceparent::sampler::AlwaysOn;
/// use traceparent_tower::{ExtractTraceContextLayer, RequestSpan};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = ExtractTraceContextLayer::new(AlwaysOn).layer(service_fn(async |request: Request<()>| {
///     Ok::<_, std::convert::Infallible>(Response::new(request.span_context().cloned()))
/// }));
///
/// let request = Request::builder()
///     .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
///     .body(())?;
/// let span = service.oneshot(request).await?.into_body().unwrap();
/// assert_eq!(span.traceparent().trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_eq!(span.parent_id().unwrap().to_string(), "00f067aa0ba902b7");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ExtractTraceContextLayer<S, G = RandomIdGenerator, K = fn(&Parts) -> bool> {
    policy: Policy<S>,
    ids: G,
    skip: K,
    server_timing: bool,
}

impl<S> ExtractTraceContextLayer<S> {
    /// Makes a layer that continues callers' traces and asks the sampler about those that start here, with random
    /// ids, for all requests.
    ///
    /// ```
    /// use traceparent::sampler::AlwaysOff;
    /// use traceparent_tower::ExtractTraceContextLayer;
    ///
    /// const FOLLOW: ExtractTraceContextLayer<AlwaysOff> = ExtractTraceContextLayer::new(AlwaysOff);
    /// ```
    pub const fn new(sampler: S) -> Self {
        Self { policy: Policy::new(sampler), ids: RandomIdGenerator, skip: |_| false, server_timing: false }
    }
}

impl<S, G, K> ExtractTraceContextLayer<S, G, K> {
    /// Says how far callers are trusted; see [`Trust`].
    ///
    /// ```
    /// use traceparent::{Trust, sampler::ProbabilitySampler};
    /// use traceparent_tower::ExtractTraceContextLayer;
    ///
    /// // The edge of a trust zone: strangers' traces are linked to, not continued.
    /// let edge = ExtractTraceContextLayer::new(ProbabilitySampler::from_percent("5".parse()?)).trust(Trust::Restart);
    /// # Ok::<(), traceparent::ParseError>(())
    /// ```
    pub fn trust(self, trust: Trust) -> Self {
        Self { policy: self.policy.with_trust(trust), ..self }
    }

    /// Takes ids from another generator.
    ///
    /// ```
    /// use traceparent::{RandomIdGenerator, XRayIds, sampler::AlwaysOn};
    /// use traceparent_tower::ExtractTraceContextLayer;
    ///
    /// let layer = ExtractTraceContextLayer::new(AlwaysOn).ids(XRayIds::new(RandomIdGenerator));
    /// ```
    pub fn ids<H: IdGenerator>(self, ids: H) -> ExtractTraceContextLayer<S, H, K> {
        let Self { policy, ids: _, skip, server_timing } = self;
        ExtractTraceContextLayer { policy, ids, skip, server_timing }
    }

    /// Leaves the requests alone that the predicate is true of: they get no span and no context.
    ///
    /// ```
    /// use traceparent::sampler::AlwaysOn;
    /// use traceparent_tower::ExtractTraceContextLayer;
    ///
    /// let layer = ExtractTraceContextLayer::new(AlwaysOn).skip(|request| request.uri.path() == "/healthz");
    /// ```
    pub fn skip<L: Fn(&Parts) -> bool>(self, skip: L) -> ExtractTraceContextLayer<S, G, L> {
        let Self { policy, ids, skip: _, server_timing } = self;
        ExtractTraceContextLayer { policy, ids, skip, server_timing }
    }

    /// Sets whether the response names the span that served the request, in the header `Server-Timing`, to callers
    /// that sent a `traceparent`. It is off by default; see [`traceparent_http::inject_response`].
    ///
    /// **Unstable**: the format is from the editor's draft of Trace Context Level 3 and may change in any release.
    ///
    /// ```
    /// use traceparent::sampler::AlwaysOn;
    /// use traceparent_tower::ExtractTraceContextLayer;
    ///
    /// let layer = ExtractTraceContextLayer::new(AlwaysOn).server_timing(true);
    /// ```
    #[cfg(feature = "unstable-response")]
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable-response")))]
    pub fn server_timing(self, on: bool) -> Self {
        Self { server_timing: on, ..self }
    }
}

impl<S: Sampler, G: IdGenerator, K> ExtractTraceContextLayer<S, G, K> {
    fn span(&self, request: &Parts) -> SpanContext {
        let incoming = traceparent_http::extract(&request.headers);
        let error = incoming.error();
        let attributes = RequestAttributes(request);
        let span = SpanDetails::new(span_name(request)).with_kind(SpanKind::Server).with_attributes(&attributes);
        SpanContext::new(self.policy.apply_to(span, incoming, &self.ids), error)
    }
}

impl<Inner, S: Clone, G: Clone, K: Clone> Layer<Inner> for ExtractTraceContextLayer<S, G, K> {
    type Service = ExtractTraceContext<Inner, S, G, K>;

    fn layer(&self, inner: Inner) -> Self::Service {
        ExtractTraceContext { inner, layer: self.clone() }
    }
}

/// The service that [`ExtractTraceContextLayer`] makes.
///
/// ```
/// use tower::Layer;
/// use traceparent::sampler::AlwaysOn;
/// use traceparent_tower::{ExtractTraceContext, ExtractTraceContextLayer};
///
/// struct Server<S> {
///     service: ExtractTraceContext<S, AlwaysOn>,
/// }
///
/// fn serve<S>(service: S) -> Server<S> {
///     Server { service: ExtractTraceContextLayer::new(AlwaysOn).layer(service) }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ExtractTraceContext<Inner, S, G = RandomIdGenerator, K = fn(&Parts) -> bool> {
    inner: Inner,
    layer: ExtractTraceContextLayer<S, G, K>,
}

impl<Inner, S, G, K, Body, ResponseBody> Service<Request<Body>> for ExtractTraceContext<Inner, S, G, K>
where
    Inner: Service<Request<Body>, Response = Response<ResponseBody>>,
    S: Sampler,
    G: IdGenerator,
    K: Fn(&Parts) -> bool,
{
    type Response = Inner::Response;
    type Error = Inner::Error;
    type Future = ResponseFuture<Inner::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (mut request, body) = request.into_parts();
        let span = (!(self.layer.skip)(&request)).then(|| self.layer.span(&request));
        if let Some(span) = &span {
            request.extensions.insert(span.clone());
        }
        let inner = within(span.as_ref(), || self.inner.call(Request::from_parts(request, body)));
        ResponseFuture { inner, span, server_timing: self.layer.server_timing }
    }
}

/// Makes the span the current one while the function runs.
fn within<T>(span: Option<&SpanContext>, function: impl FnOnce() -> T) -> T {
    #[cfg(feature = "tokio")]
    if let Some(span) = span {
        return span.clone().sync_scope(function);
    }
    let _ = span;
    function()
}

pin_project! {
    /// The response of [`ExtractTraceContext`], on its way: the inner service's, polled within the request's context.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use tower::Service;
    /// use traceparent::sampler::AlwaysOn;
    /// use traceparent_tower::{ExtractTraceContext, ResponseFuture};
    ///
    /// fn call<S, B>(service: &mut ExtractTraceContext<S, AlwaysOn>, request: Request<()>) -> ResponseFuture<S::Future>
    /// where
    ///     S: Service<Request<()>, Response = Response<B>>,
    /// {
    ///     service.call(request)
    /// }
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        span: Option<SpanContext>,
        server_timing: bool,
    }
}

impl<F, Body, Error> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Error>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        #[cfg_attr(not(feature = "unstable-response"), expect(unused_mut))]
        let mut response = ready!(within(this.span.as_ref(), || this.inner.poll(cx)))?;
        #[cfg(feature = "unstable-response")]
        if let Some(span) = this.span.as_ref().filter(|span| *this.server_timing && span.origin() != Origin::Started) {
            traceparent_http::inject_response(span, response.headers_mut());
        }
        Poll::Ready(Ok(response))
    }
}
