use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, Request};
use tower_layer::Layer;
use tower_service::Service;
use traceparent::{IdGenerator, RandomIdGenerator};
use traceparent_formats::Carried;

use crate::{Egress, EgressPolicy, Propagators, SpanContext, attributes::host, trailers::BAGGAGE};

/// Gives each call that a client makes the context of a span of its own, and writes that into its headers.
///
/// The parent is the [`SpanContext`] in the extensions of the call or, with the feature `tokio`, that of the
/// request which the current task works on. A call without either starts no trace: its headers stay unchanged, as
/// far as the [egress policy](Self::egress) lets them pass.
///
/// The context of the call's own span takes the parent's place in the extensions, so that inner services see it. Put
/// retries outside of this layer: each attempt is then a span.
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
#[derive(Clone, Default)]
#[must_use]
pub struct InjectTraceContextLayer<G = RandomIdGenerator> {
    egress: Option<Arc<dyn EgressPolicy + Send + Sync>>,
    ids: G,
    propagators: Propagators,
    strip_baggage: bool,
}

impl InjectTraceContextLayer {
    /// Creates a layer that sends the context to every host, with random span IDs.
    ///
    /// ```
    /// use traceparent_tower::InjectTraceContextLayer;
    ///
    /// const INJECT: InjectTraceContextLayer = InjectTraceContextLayer::new();
    /// ```
    pub const fn new() -> Self {
        Self { egress: None, ids: RandomIdGenerator, propagators: Propagators::TRACE_CONTEXT, strip_baggage: false }
    }
}

impl<G> InjectTraceContextLayer<G> {
    /// Sets the policy that decides which hosts get which part of the context; see [`EgressPolicy`].
    ///
    /// The policy is shared by all clones of the layer and is no part of its type.
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
    pub fn egress(self, policy: impl EgressPolicy + Send + Sync + 'static) -> Self {
        Self { egress: Some(Arc::new(policy)), ..self }
    }

    /// Sets the generator of span IDs.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use traceparent::IdsFrom;
    /// use traceparent_tower::InjectTraceContextLayer;
    ///
    /// static NEXT: AtomicU64 = AtomicU64::new(1);
    /// let layer = InjectTraceContextLayer::new().ids(IdsFrom::new(|| NEXT.fetch_add(1, Ordering::Relaxed)));
    /// ```
    pub fn ids<H: IdGenerator>(self, ids: H) -> InjectTraceContextLayer<H> {
        let Self { egress, propagators, strip_baggage, .. } = self;
        InjectTraceContextLayer { egress, ids, propagators, strip_baggage }
    }

    /// Sets the formats that contexts are written in. It is W3C Trace Context alone by default.
    ///
    /// Fields of formats that are read and not written are removed, because their span is no longer the parent; fields
    /// of other formats stay. [`Egress::Only`] lets only IDs and decision pass, and nothing that was
    /// [carried](SpanContext::carried) beside them.
    ///
    /// ```
    /// use traceparent_tower::InjectTraceContextLayer;
    ///
    /// let layer = InjectTraceContextLayer::new().propagators("tracecontext,b3".parse()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn propagators(self, propagators: Propagators) -> Self {
        Self { propagators, ..self }
    }

    /// Sets whether `baggage` is removed from calls. It is left alone by default, except by [`Egress::Strip`].
    ///
    /// [W3C: baggage](https://www.w3.org/TR/baggage/)
    pub fn strip_baggage(self, strip: bool) -> Self {
        Self { strip_baggage: strip, ..self }
    }
}

impl<G> InjectTraceContextLayer<G> {
    /// Returns the part of the context that a host gets.
    pub(crate) fn egress_to(&self, host: &str) -> Egress<'_> {
        self.egress.as_ref().map_or(Egress::Inject, |policy| policy.egress(host))
    }
}

impl<G: IdGenerator> InjectTraceContextLayer<G> {
    /// Writes the context of a child of this span, as far as it may go, and returns it.
    pub(crate) fn inject(
        &self,
        parent: Option<&SpanContext>,
        egress: Egress<'_>,
        headers: &mut HeaderMap,
    ) -> Option<SpanContext> {
        let current = if parent.is_none() { current() } else { None };
        let span = parent.or(current.as_ref()).map(|parent| parent.call(&self.ids));
        if let Some(span) = &span {
            let carried = match egress {
                Egress::Only(_) => Carried::EMPTY.with_debug(span.carried().is_debug()),
                _ => span.carried(),
            };
            traceparent_http::inject_formats(&self.propagators, span, carried, headers);
        }
        egress.apply(headers);
        if self.strip_baggage {
            headers.remove(BAGGAGE);
        }
        span
    }
}

impl<G: fmt::Debug> fmt::Debug for InjectTraceContextLayer<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("InjectTraceContextLayer");
        debug.field("egress", &self.egress.is_some()).field("ids", &self.ids).field("propagators", &self.propagators);
        debug.field("strip_baggage", &self.strip_baggage).finish()
    }
}

impl<Inner, G: Clone> Layer<Inner> for InjectTraceContextLayer<G> {
    type Service = InjectTraceContext<Inner, G>;

    fn layer(&self, inner: Inner) -> Self::Service {
        InjectTraceContext::new(inner, self.clone())
    }
}

/// The middleware of [`InjectTraceContextLayer`]. Its future is the inner service's.
///
/// ```
/// use tower::Layer;
/// use traceparent_tower::{Egress, InjectTraceContext, InjectTraceContextLayer};
///
/// struct Orders<C> {
///     client: InjectTraceContext<C>,
/// }
///
/// fn orders<C>(client: C) -> Orders<C> {
///     let layer = InjectTraceContextLayer::new().egress(|host: &str| match host {
///         "orders.internal" => Egress::Inject,
///         _ => Egress::Strip,
///     });
///     Orders { client: layer.layer(client) }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct InjectTraceContext<Inner, G = RandomIdGenerator> {
    inner: Inner,
    pub(crate) layer: InjectTraceContextLayer<G>,
}

impl<Inner> InjectTraceContext<Inner> {
    /// Returns a layer; the same as [`InjectTraceContextLayer::new`].
    pub const fn layer() -> InjectTraceContextLayer {
        InjectTraceContextLayer::new()
    }
}

impl<Inner, G> InjectTraceContext<Inner, G> {
    /// Creates the middleware around a client, with the options of a layer.
    pub const fn new(inner: Inner, layer: InjectTraceContextLayer<G>) -> Self {
        Self { inner, layer }
    }
}

impl_inner!(InjectTraceContext<Inner, G>);

impl<Inner, G, Body> Service<Request<Body>> for InjectTraceContext<Inner, G>
where
    Inner: Service<Request<Body>>,
    G: IdGenerator,
{
    type Response = Inner::Response;
    type Error = Inner::Error;
    type Future = Inner::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let parent = request.extensions().get::<SpanContext>().cloned();
        let egress = self.layer.egress_to(&host(request.uri(), request.headers()));
        if let Some(span) = self.layer.inject(parent.as_ref(), egress, request.headers_mut()) {
            #[cfg(feature = "tracing")]
            span.fill_log_span(request.extensions_mut());
            request.extensions_mut().insert(span);
        }
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
