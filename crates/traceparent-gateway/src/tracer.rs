//! Spans while they are open: opened, propagated and ended.

use std::{borrow::Cow, fmt, sync::Arc};

use hyper::{HeaderMap, Method, Request, Uri, header::HeaderName, http::uri::Authority};
use traceparent::{
    Incoming, Percent, Policy, RandomIdGenerator, Trust,
    sampler::{AttributeValue, Attributes, PercentageSampler, SpanDetails, SpanKind},
};
use traceparent_formats::Propagators;

use crate::{
    config::{Forwarded, Keep, RequestTracing, Sampling, Tracing},
    http::{Failure, Peer},
    span::{
        self, RpcCall,
        semconv::{Conventions, RequestInfo, push_formats},
    },
    telemetry::{Metrics, Recorder},
};

mod body;
mod context;
mod held;
mod open_span;

pub(crate) use self::{body::SpanBody, open_span::OpenSpan};
use self::{
    context::{Formats, Reception},
    held::HeldSpans,
    open_span::{Propagation, RequestState},
};

/// The field with which a client asks for a trace.
const X_CLIENT_TRACE_ID: HeaderName = HeaderName::from_static("x-client-trace-id");

/// Opens the spans of one service: the one place where contexts are read and written.
#[derive(Clone)]
pub(crate) struct Tracer(Arc<Shared>);

struct Shared {
    service: Arc<str>,
    sampling: Sampling,
    trust: Trust,
    is_disabled: bool,
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
        trust: Trust,
        recorder: Recorder,
        metrics: Arc<Metrics>,
        forwarded: Forwarded,
    ) -> Self {
        let service = tracing.service_name.as_str().into();
        let conventions = Conventions::new(tracing, recorder.limits());
        let Tracing { sampling, is_disabled, .. } = *tracing;
        let keep = Some(tracing.keep).filter(|keep| keep.is_on() && recorder.wants(true));
        Self(Arc::new(Shared {
            service,
            sampling,
            trust,
            is_disabled,
            recorder,
            forwarded,
            metrics,
            conventions,
            keep,
        }))
    }

    /// Returns whether no request has spans.
    pub(crate) fn is_disabled(&self) -> bool {
        self.0.is_disabled
    }

    /// Opens the span of serving a request, in the trace that the policy decides. Its name is the method, with the route if
    /// there is one. Without tracing, requests are counted, and nothing is recorded or propagated.
    ///
    /// [OpenTelemetry: HTTP server span](https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span)
    pub(crate) fn serve<B>(
        &self,
        client: &Peer,
        request: &Request<B>,
        route: Option<&str>,
        tracing: RequestTracing,
    ) -> OpenSpan {
        self.0.metrics.started();
        let departure = Some(client.departure.clone());
        if !tracing.is_traced || self.0.is_disabled {
            return OpenSpan::untraced(self.clone(), SpanKind::Server, RequestState { departure, held: None });
        }
        let extracted = traceparent_http::extract_formats(&tracing.propagators, request.headers());
        let reception = Reception::new(&extracted, &self.0.metrics);
        let known = self.0.conventions.known_method(request.method());
        let method = span_name(known);
        let name = route.map_or(Cow::Borrowed(method), |route| format!("{method} {route}").into());
        let asked = ClientTraceId(request.headers());
        let details = SpanDetails::new(&name).with_kind(SpanKind::Server).with_attributes(&asked);
        let policy = self.policy(tracing.random_sampling);
        let context = policy.apply_to(details, extracted.incoming().clone(), &RandomIdGenerator).into_owned();
        let formats = Formats::new(tracing.propagators).carrying(&extracted, &context);
        self.0.metrics.traced(context.origin(), context.decision().is_sampled());
        let describe = || {
            let info = RequestInfo {
                peer: Some(client.address),
                tls: client.tls.as_ref(),
                forwarded: self.0.forwarded,
                route,
            };
            let mut attributes = self.0.conventions.of_server(request, known, info);
            if tracing.propagators != Propagators::TRACE_CONTEXT {
                push_formats(&mut attributes, reception.format, reception.conflict);
            }
            attributes
        };
        let held = self.0.keep.filter(|_| !context.decision().is_sampled()).map(|_| HeldSpans::default());
        let state = RequestState { departure, held };
        let propagation = Propagation { context, formats };
        let mut span = OpenSpan::new(self.clone(), SpanKind::Server, name, propagation, state, describe);
        span.refused = reception.refused;
        span.rpc = RpcCall::new(request.headers(), request.uri());
        span
    }

    /// Counts a request that was refused before its head had ended.
    pub(crate) fn refused(&self, failure: Failure) {
        self.0.metrics.started();
        self.0.metrics.ended(Some(failure.status().as_u16()), Some(failure));
    }

    /// Returns the policy for requests with a percentage of their own.
    fn policy(&self, random_sampling: Option<Percent>) -> Policy<Sampling> {
        let sampling = self.0.sampling;
        let sampling = random_sampling.map_or(sampling, |percent| sampling.with_random_sampling(percent));
        Policy::new(sampling).with_trust(sampling.trust(self.0.trust))
    }

    /// Returns the attributes that the spans of all requests to an upstream share.
    pub(crate) fn of_upstream(&self, scheme: &str, authority: Option<&Authority>) -> span::Attributes {
        self.0.conventions.of_upstream(scheme, authority)
    }

    /// Opens the span of making a request, as the root of a new trace.
    pub(crate) fn start(&self, method: &Method, target: &Uri) -> OpenSpan {
        let known = self.0.conventions.known_method(method);
        let name = span_name(known);
        let details = SpanDetails::new(name).with_kind(SpanKind::Client);
        let context = self.policy(None).apply_to(details, Incoming::Absent, &RandomIdGenerator).into_owned();
        let describe = || {
            let upstream = self.of_upstream(target.scheme_str().unwrap_or("http"), target.authority());
            self.0.conventions.of_client(method, known, target, &upstream)
        };
        let propagation = Propagation { context, formats: Formats::new(Propagators::TRACE_CONTEXT) };
        OpenSpan::new(self.clone(), SpanKind::Client, name.into(), propagation, RequestState::default(), describe)
    }
}

/// Returns the name of the span of a request whose method has this name, or is not known.
fn span_name(known: Option<&'static str>) -> &'static str {
    known.unwrap_or("HTTP")
}

/// The attribute by which a sampler sees that the client asks for a trace.
struct ClientTraceId<'a>(&'a HeaderMap);

impl Attributes for ClientTraceId<'_> {
    fn attribute(&self, key: &str) -> Option<AttributeValue<'_>> {
        let asked = key == PercentageSampler::CLIENT_TRACE_ID && self.0.contains_key(X_CLIENT_TRACE_ID);
        asked.then_some(AttributeValue::Bool(true))
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("service", &self.0.service).finish_non_exhaustive()
    }
}
