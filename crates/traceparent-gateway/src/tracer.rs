//! Spans while they are open: opened, propagated and ended.

use std::{borrow::Cow, fmt, sync::Arc};

use hyper::{HeaderMap, Method, Request, Uri};
use traceparent::{
    Incoming, ParseError, Policy, RandomIdGenerator,
    sampler::{AttributeValue, Attributes, PercentageSampler, SpanDetails, SpanKind},
};

use crate::{
    config::{Forwarded, Keep, Sampling, Tracing},
    http::Peer,
    span::semconv::{Conventions, RequestInfo},
    telemetry::{Metrics, Recorder},
};

mod body;
mod held;
mod open_span;

pub(crate) use self::{body::SpanBody, open_span::OpenSpan};
use self::{held::HeldSpans, open_span::RequestState};

/// Opens the spans of one service: the one place where contexts are read and written.
#[derive(Clone)]
pub(crate) struct Tracer(Arc<Shared>);

struct Shared {
    service: Arc<str>,
    policy: Policy<Sampling>,
    recorder: Recorder,
    forwarded: Forwarded,
    metrics: Arc<Metrics>,
    conventions: Conventions,
    /// The requests that are kept; `None` if none is, or nothing exports them.
    keep: Option<Keep>,
}

impl Tracer {
    pub(crate) fn new(
        tracing: &Tracing,
        policy: Policy<Sampling>,
        recorder: Recorder,
        metrics: Arc<Metrics>,
        forwarded: Forwarded,
    ) -> Self {
        let (service, conventions) = (tracing.service_name.as_str().into(), Conventions::new(tracing));
        let keep = Some(tracing.keep).filter(|keep| keep.is_on() && recorder.wants(true));
        Self(Arc::new(Shared { service, policy, recorder, forwarded, metrics, conventions, keep }))
    }

    /// Opens the span of serving a request, in the trace that the policy decides. Its name is the method, with the route if
    /// there is one.
    ///
    /// [OpenTelemetry: HTTP server span](https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span)
    pub(crate) fn serve<B>(&self, client: &Peer, request: &Request<B>, route: Option<&str>) -> OpenSpan {
        let incoming = traceparent_http::extract(request.headers());
        let refused = incoming.error();
        let method = self.method_name(request.method());
        let name = route.map_or(Cow::Borrowed(method), |route| format!("{method} {route}").into());
        let asked = ClientTraceId(request.headers());
        let details = SpanDetails::new(&name).with_kind(SpanKind::Server).with_attributes(&asked);
        let context = self.0.policy.apply_to(details, incoming, &RandomIdGenerator).into_owned();
        let sampled = context.decision().is_sampled();
        self.0.metrics.started(context.origin(), sampled, refused.map(ParseError::kind));
        let describe = || {
            let info = RequestInfo {
                peer: Some(client.address),
                tls: client.tls.as_ref(),
                forwarded: self.0.forwarded,
                route,
            };
            self.0.conventions.of_server(request, info)
        };
        let departure = Some(client.departure.clone());
        let held = self.0.keep.filter(|_| !sampled).map(|_| HeldSpans::default());
        OpenSpan::new(
            self.clone(),
            SpanKind::Server,
            name,
            context,
            refused,
            RequestState { departure, held },
            describe,
        )
    }

    fn method_name(&self, method: &Method) -> &'static str {
        self.0.conventions.known_method(method).unwrap_or("HTTP")
    }

    /// Opens the span of making a request, as the root of a new trace.
    pub(crate) fn start(&self, method: &Method, target: &Uri) -> OpenSpan {
        let name = self.method_name(method);
        let details = SpanDetails::new(name).with_kind(SpanKind::Client);
        let context = self.0.policy.apply_to(details, Incoming::Absent, &RandomIdGenerator).into_owned();
        let describe = || self.0.conventions.of_client(method, target);
        OpenSpan::new(self.clone(), SpanKind::Client, name.into(), context, None, RequestState::default(), describe)
    }
}

/// The attribute by which a sampler sees that the client asks for a trace.
struct ClientTraceId<'a>(&'a HeaderMap);

impl Attributes for ClientTraceId<'_> {
    fn attribute(&self, key: &str) -> Option<AttributeValue<'_>> {
        let asked = key == PercentageSampler::CLIENT_TRACE_ID && self.0.contains_key("x-client-trace-id");
        asked.then_some(AttributeValue::Bool(true))
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("service", &self.0.service).finish_non_exhaustive()
    }
}
