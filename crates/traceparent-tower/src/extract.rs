use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response, request::Parts};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use traceparent::{
    IdGenerator, Policy, RandomIdGenerator, Trust,
    sampler::{Sampler, SpanDetails, SpanKind},
};

use crate::{
    InTrace, Propagators, RequestSpan, SpanContext,
    attributes::{RequestAttributes, span_name},
    in_trace::Scope,
    server_timing::ServerTiming,
    span::Attribute,
    trailers::BAGGAGE,
};

/// Gives each request that a server receives the context of the span that serves it.
///
/// Continues the caller's trace or starts one, by the specification's processing model ([`Policy`]), and puts a
/// [`SpanContext`] into the extensions of the request. With the feature `tokio` it is also the task's current context
/// while the inner service works on the request and while the body of its response is sent.
///
/// A request that already has the context of a span that serves it keeps that context: a second layer changes nothing.
///
/// No caller's header makes a request fail. [`SpanContext::error`] returns the reason why headers were refused.
///
/// # What samplers see
///
/// Samplers see a span of kind server with these attributes, as far as the request has them:
///
/// | attribute | value |
/// |---|---|
/// | `http.request.method` | the method, or `_OTHER` |
/// | `http.route` | the route that axum's router matched, with the feature `axum` and inside of `Router::layer` |
/// | `url.path`, `url.query` | as in the target of the request |
/// | `url.scheme` | only of targets in absolute form, and over HTTP/2 |
/// | `server.address`, `server.port` | of the target or of the `Host` header; the address in lower case |
/// | `network.protocol.version` | `1.1`, `2` |
/// | `user_agent.original` | the `User-Agent` header |
/// | `http.request.header.<name>` | the first field of that name |
/// | `rpc.system.name`, `rpc.method` | `grpc` and service with method, of gRPC calls |
///
/// The span is named after method and route, such as `GET /orders/{id}`, or after the method alone if the route is not
/// known. A gRPC call is named after service and method, such as `grpc.health.v1.Health/Check`. A rule that decides by
/// path and must hold without axum therefore asks for `url.path`.
///
/// [`SpanContext::attributes`] returns the attributes that a sampler adds to the span in turn.
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
/// let span = service.oneshot(request).await?.into_body().into_inner().unwrap();
/// assert_eq!(span.traceparent().trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_eq!(span.parent_id().unwrap().to_string(), "00f067aa0ba902b7");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct ExtractTraceContextLayer<S, G = RandomIdGenerator> {
    policy: Policy<S>,
    ids: G,
    propagators: Propagators,
    strip_baggage: bool,
    skip: Option<Arc<Predicate>>,
    server_timing: ServerTiming,
}

type Predicate = dyn Fn(&Parts) -> bool + Send + Sync;

impl<S> ExtractTraceContextLayer<S> {
    /// Creates a layer that continues callers' traces, asks the sampler about the traces that start here, and uses
    /// random IDs.
    ///
    /// ```
    /// use traceparent::sampler::AlwaysOff;
    /// use traceparent_tower::ExtractTraceContextLayer;
    ///
    /// const FOLLOW: ExtractTraceContextLayer<AlwaysOff> = ExtractTraceContextLayer::new(AlwaysOff);
    /// ```
    pub const fn new(sampler: S) -> Self {
        Self {
            policy: Policy::new(sampler),
            ids: RandomIdGenerator,
            propagators: Propagators::TRACE_CONTEXT,
            strip_baggage: false,
            skip: None,
            server_timing: ServerTiming::OFF,
        }
    }
}

impl<S, G> ExtractTraceContextLayer<S, G> {
    /// Sets how far to trust callers; see [`Trust`].
    ///
    /// [`Trust::Restart`] and [`Trust::Ignore`] are a boundary: the fields of every format and `baggage` are removed from
    /// the request, so that no handler can forward them. [`StripTrailers`](crate::StripTrailers) does the same for
    /// trailers.
    ///
    /// ```
    /// use traceparent::{Percent, Trust, sampler::ProbabilitySampler};
    /// use traceparent_tower::ExtractTraceContextLayer;
    ///
    /// // The edge of a trust zone: callers' traces are linked to and not continued.
    /// let sampler = ProbabilitySampler::from_percent(Percent::from_static("5"));
    /// let edge = ExtractTraceContextLayer::new(sampler).trust(Trust::Restart);
    /// ```
    pub fn trust(self, trust: Trust) -> Self {
        Self { policy: self.policy.with_trust(trust), ..self }
    }

    /// Sets the generator of IDs.
    ///
    /// ```
    /// use traceparent::{RandomIdGenerator, XRayIds, sampler::AlwaysOn};
    /// use traceparent_tower::ExtractTraceContextLayer;
    ///
    /// let layer = ExtractTraceContextLayer::new(AlwaysOn).ids(XRayIds::new(RandomIdGenerator));
    /// ```
    pub fn ids<H: IdGenerator>(self, ids: H) -> ExtractTraceContextLayer<S, H> {
        let Self { policy, propagators, strip_baggage, skip, server_timing, .. } = self;
        ExtractTraceContextLayer { policy, ids, propagators, strip_baggage, skip, server_timing }
    }

    /// Sets the formats that contexts are read in, in order. It is W3C Trace Context alone by default.
    ///
    /// What a caller sent beside its IDs, such as X-Ray's other pairs, travels with the [`SpanContext`] to the calls
    /// that are made on the request's behalf.
    ///
    /// ```
    /// use traceparent::sampler::AlwaysOn;
    /// use traceparent_tower::{ExtractTraceContextLayer, Format, InjectTraceContextLayer, Propagators};
    ///
    /// // Behind a load balancer of AWS, before services on B3.
    /// const PROPAGATORS: Propagators =
    ///     Propagators::new(&[Format::TraceContext, Format::XRay], &[Format::XRay, Format::B3]);
    ///
    /// let server = ExtractTraceContextLayer::new(AlwaysOn).propagators(PROPAGATORS);
    /// let client = InjectTraceContextLayer::new().propagators(PROPAGATORS);
    /// ```
    pub fn propagators(self, propagators: Propagators) -> Self {
        Self { propagators, ..self }
    }

    /// Sets whether `baggage` is removed from requests. It is left alone by default, except where callers are not
    /// [trusted](Self::trust).
    ///
    /// [W3C: baggage](https://www.w3.org/TR/baggage/)
    pub fn strip_baggage(self, strip: bool) -> Self {
        Self { strip_baggage: strip, ..self }
    }

    /// Leaves the requests alone that the predicate is true of: they get no span and no context. A boundary removes
    /// their fields all the same.
    ///
    /// Predicates accumulate: a request is skipped if any of them is true of it.
    ///
    /// ```
    /// use traceparent::sampler::AlwaysOn;
    /// use traceparent_tower::ExtractTraceContextLayer;
    ///
    /// let layer = ExtractTraceContextLayer::new(AlwaysOn)
    ///     .skip(|request| request.uri.path() == "/healthz")
    ///     .skip(|request| request.uri.path().starts_with("/assets/"));
    /// ```
    pub fn skip(self, skip: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        let skip: Arc<Predicate> = match self.skip {
            None => Arc::new(skip),
            Some(earlier) => Arc::new(move |request| earlier(request) || skip(request)),
        };
        Self { skip: Some(skip), ..self }
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
        Self { server_timing: ServerTiming { on }, ..self }
    }
}

impl<S: Sampler, G: IdGenerator> ExtractTraceContextLayer<S, G> {
    /// Returns the context of the span that serves the request, or `None` if the request is to be skipped.
    fn admit(&self, request: &mut Parts) -> Option<SpanContext> {
        let span = self.span(request);
        if matches!(self.policy.trust(), Trust::Restart | Trust::Ignore) {
            traceparent_http::strip_all(&mut request.headers, &[]);
        } else if self.strip_baggage {
            request.headers.remove(BAGGAGE);
        }
        span
    }

    fn span(&self, request: &mut Parts) -> Option<SpanContext> {
        if self.skip.as_ref().is_some_and(|skip| skip(request)) {
            return None;
        }
        if let Some(span) = request.span_context().filter(|span| !span.is_call()) {
            return Some(span.clone());
        }
        let span = self.start(request);
        #[cfg(feature = "tracing")]
        span.fill_log_span(&mut request.extensions);
        request.extensions.insert(span.clone());
        Some(span)
    }

    fn start(&self, request: &Parts) -> SpanContext {
        let extracted = traceparent_http::extract_formats(&self.propagators, &request.headers);
        let (name, attributes) = (span_name(request), RequestAttributes::new(request));
        let span = SpanDetails::new(&name).with_kind(SpanKind::Server).with_attributes(&attributes);
        let mut added = Vec::new();
        let outgoing = self.policy.apply_annotated(span, extracted.incoming().clone(), &self.ids, |key, value| {
            added.extend(Attribute::new(value).map(|value| (key.to_owned(), value)));
        });
        SpanContext::received(outgoing, &extracted, added)
    }
}

impl<S: fmt::Debug, G: fmt::Debug> fmt::Debug for ExtractTraceContextLayer<S, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ExtractTraceContextLayer");
        debug.field("policy", &self.policy).field("ids", &self.ids).field("propagators", &self.propagators);
        debug.field("strip_baggage", &self.strip_baggage).field("skips", &self.skip.is_some());
        debug.field("server_timing", &self.server_timing).finish()
    }
}

impl<Inner, S: Clone, G: Clone> Layer<Inner> for ExtractTraceContextLayer<S, G> {
    type Service = ExtractTraceContext<Inner, S, G>;

    fn layer(&self, inner: Inner) -> Self::Service {
        ExtractTraceContext::new(inner, self.clone())
    }
}

/// The middleware of [`ExtractTraceContextLayer`].
///
/// ```
/// use traceparent::sampler::AlwaysOn;
/// use traceparent_tower::{ExtractTraceContext, ExtractTraceContextLayer};
///
/// struct Server<S> {
///     service: ExtractTraceContext<S, AlwaysOn>,
/// }
///
/// fn serve<S>(service: S) -> Server<S> {
///     Server { service: ExtractTraceContext::new(service, ExtractTraceContextLayer::new(AlwaysOn)) }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ExtractTraceContext<Inner, S, G = RandomIdGenerator> {
    inner: Inner,
    layer: ExtractTraceContextLayer<S, G>,
}

impl<Inner, S> ExtractTraceContext<Inner, S> {
    /// Returns a layer; the same as [`ExtractTraceContextLayer::new`].
    pub const fn layer(sampler: S) -> ExtractTraceContextLayer<S> {
        ExtractTraceContextLayer::new(sampler)
    }
}

impl<Inner, S, G> ExtractTraceContext<Inner, S, G> {
    /// Creates the middleware around a service, with the options of a layer.
    pub const fn new(inner: Inner, layer: ExtractTraceContextLayer<S, G>) -> Self {
        Self { inner, layer }
    }
}

impl_inner!(ExtractTraceContext<Inner, S, G>);

impl<Inner, S, G, Body, ResponseBody> Service<Request<Body>> for ExtractTraceContext<Inner, S, G>
where
    Inner: Service<Request<Body>, Response = Response<ResponseBody>>,
    S: Sampler,
    G: IdGenerator,
{
    type Response = Response<InTrace<ResponseBody>>;
    type Error = Inner::Error;
    type Future = ResponseFuture<Inner::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (mut request, body) = request.into_parts();
        let scope = Scope::of(self.layer.admit(&mut request));
        let inner = scope.enter(|| self.inner.call(Request::from_parts(request, body)));
        ResponseFuture { inner, scope, server_timing: self.layer.server_timing }
    }
}

pin_project! {
    /// The response future of the middleware: the inner service's, polled within the context and the log span.
    ///
    /// The body of the response is polled within them, too.
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
        scope: Scope,
        server_timing: ServerTiming,
    }
}

impl<F> ResponseFuture<F> {
    #[cfg(feature = "tracing")]
    pub(crate) fn new(inner: F, scope: Scope) -> Self {
        Self { inner, scope, server_timing: ServerTiming::OFF }
    }
}

impl<F, Body, Error> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Error>>,
{
    type Output = Result<Response<InTrace<Body>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.scope.enter(|| this.inner.poll(cx)))?;
        #[cfg(feature = "tracing")]
        this.scope.record_status(response.status());
        this.server_timing.answer(this.scope, response.headers_mut());
        Poll::Ready(Ok(response.map(|body| InTrace::new(body, std::mem::take(this.scope)))))
    }
}
