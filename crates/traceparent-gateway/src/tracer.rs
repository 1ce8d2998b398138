use std::{
    borrow::Cow,
    fmt, mem,
    sync::Arc,
    time::{Instant, SystemTime},
};

use hyper::{HeaderMap, Method, Request, Response, Uri};
use opentelemetry::KeyValue;
use traceparent::{
    AttributeValue, Attributes, Incoming, Outgoing, ParseError, PercentageSampler, Policy, RandomIdGenerator,
    SpanDetails, SpanKind, TraceContext,
};

use crate::{
    config::{Forwarded, Sampling, Tracing},
    http::{failure::Failure, server::Client},
    span::{
        Span,
        semconv::{self, Circumstances, Custom},
    },
    telemetry::recorder::Recorder,
};

/// Opens the spans of one service: the one place where contexts are read and written.
#[derive(Clone)]
pub(crate) struct Tracer(Arc<Shared>);

struct Shared {
    service: Arc<str>,
    policy: Policy<Sampling>,
    recorder: Recorder,
    forwarded: Forwarded,
    custom: Custom,
}

impl Tracer {
    pub(crate) fn new(tracing: &Tracing, policy: Policy<Sampling>, recorder: Recorder, forwarded: Forwarded) -> Self {
        let (service, custom) = (tracing.service_name.as_str().into(), Custom::new(&tracing.span_attributes));
        Self(Arc::new(Shared { service, policy, recorder, forwarded, custom }))
    }

    /// Opens the span of serving a request, in the trace that policy says. It is named by the method, and by the
    /// route where requests are routed.
    ///
    /// [OpenTelemetry: HTTP server span](https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span)
    pub(crate) fn serve<B>(&self, request: &Request<B>, route: Option<&str>) -> OpenSpan {
        let incoming = traceparent_http::extract(request.headers());
        let refused = incoming.error();
        let method = semconv::known(request.method()).unwrap_or("HTTP");
        let name = route.map_or(Cow::Borrowed(method), |route| format!("{method} {route}").into());
        let asked = ClientTraceId(request.headers());
        let details = SpanDetails::new(&name).with_kind(SpanKind::Server).with_attributes(&asked);
        let context = self.0.policy.apply_to(details, incoming, &RandomIdGenerator).into_owned();
        let sampled = context.decision().is_sampled();
        self.0.recorder.metrics().started(context.origin(), sampled, refused.map(ParseError::kind));
        let describe = || {
            let peer = request.extensions().get::<Client>().map(|client| client.address);
            let known = Circumstances { peer, forwarded: self.0.forwarded, route };
            semconv::of_server(request, known, &self.0.custom)
        };
        OpenSpan::new(self.clone(), SpanKind::Server, name, context, refused, describe)
    }

    /// Opens the span of making a request that nothing led to.
    pub(crate) fn start(&self, method: &Method, target: &Uri) -> OpenSpan {
        let name = semconv::known(method).unwrap_or("HTTP");
        let details = SpanDetails::new(name).with_kind(SpanKind::Client);
        let context = self.0.policy.apply_to(details, Incoming::Absent, &RandomIdGenerator).into_owned();
        let describe = || semconv::of_client(method, target, &self.0.custom);
        OpenSpan::new(self.clone(), SpanKind::Client, name.into(), context, None, describe)
    }
}

/// Shows a sampler whether the client asks for a trace.
struct ClientTraceId<'a>(&'a HeaderMap);

impl Attributes for ClientTraceId<'_> {
    fn attribute(&self, key: &str) -> Option<AttributeValue<'_>> {
        let asked = key == PercentageSampler::CLIENT_TRACE_ID && self.0.contains_key("x-client-trace-id");
        asked.then_some(AttributeValue::Bool(true))
    }
}

/// A span that goes on; it ends when this is dropped, which without an answer means that nobody waits
/// for one any more.
pub(crate) struct OpenSpan {
    tracer: Tracer,
    kind: SpanKind,
    name: Cow<'static, str>,
    context: Outgoing<'static>,
    refused: Option<ParseError>,
    start: SystemTime,
    started: Instant,
    status: Option<u16>,
    failure: Option<Failure>,
    /// `None` where nobody wants this span.
    attributes: Option<Vec<KeyValue>>,
    /// The call whose answer is this span's own.
    call: Option<Box<OpenSpan>>,
}

impl OpenSpan {
    fn new(
        tracer: Tracer,
        kind: SpanKind,
        name: Cow<'static, str>,
        context: Outgoing<'static>,
        refused: Option<ParseError>,
        describe: impl FnOnce() -> Vec<KeyValue>,
    ) -> Self {
        let attributes = tracer.0.recorder.wants(context.decision().is_sampled()).then(describe);
        Self {
            tracer,
            kind,
            name,
            context,
            refused,
            start: SystemTime::now(),
            started: Instant::now(),
            status: None,
            failure: None,
            attributes,
            call: None,
        }
    }

    /// Opens the span of a call that is made to serve this one.
    ///
    /// [OpenTelemetry: HTTP client span](https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span)
    pub(crate) fn call(&self, method: &Method, target: &Uri) -> OpenSpan {
        let name = semconv::known(method).unwrap_or("HTTP");
        let context = self.context.child(&RandomIdGenerator);
        let describe = || semconv::of_client(method, target, &self.tracer.0.custom);
        OpenSpan::new(self.tracer.clone(), SpanKind::Client, name.into(), context, None, describe)
    }

    pub(crate) fn rename(&mut self, name: &'static str) {
        self.name = name.into();
    }

    /// Notes the head of the response.
    pub(crate) fn answered<B>(&mut self, response: &Response<B>) {
        self.status = Some(response.status().as_u16());
        if self.kind == SpanKind::Client {
            self.tracer.0.recorder.metrics().upstream_answered(self.started.elapsed());
            if let Some(attributes) = &mut self.attributes {
                semconv::push_version(attributes, response.version());
            }
        }
    }

    /// Says what went wrong; what was said first stays.
    pub(crate) fn failed(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
        if let Some(call) = &mut self.call {
            call.failed(failure);
        }
    }

    /// Makes the answer to a call this span's own: from now on, both fail and end together.
    pub(crate) fn follow(&mut self, call: OpenSpan) {
        self.call = Some(Box::new(call));
    }

    /// Makes this span the parent of a call, by the call's headers.
    pub(crate) fn inject(&self, headers: &mut HeaderMap) {
        traceparent_http::inject(&self.context, headers);
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("service", &self.0.service).finish_non_exhaustive()
    }
}

impl fmt::Debug for OpenSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSpan").field("name", &self.name).field("context", &self.context).finish_non_exhaustive()
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        self.call = None;
        if self.status.is_none() {
            self.failed(Failure::ClientLeft);
        }
        let recorder = &self.tracer.0.recorder;
        if self.kind == SpanKind::Server {
            recorder.metrics().ended(self.status, self.failure);
        }
        let Some(attributes) = self.attributes.take() else { return };
        recorder.record(Span {
            service: Arc::clone(&self.tracer.0.service),
            kind: self.kind,
            name: mem::take(&mut self.name),
            start: self.start,
            duration: self.started.elapsed(),
            context: TraceContext::new(self.context.traceparent(), self.context.tracestate().clone().into_owned()),
            parent_id: self.context.parent_id(),
            origin: self.context.origin(),
            link: self.context.link(),
            refused: self.refused,
            status: self.status,
            failure: self.failure,
            attributes,
        });
    }
}
