use std::{
    borrow::Cow,
    fmt, mem,
    net::SocketAddr,
    sync::Arc,
    time::{Instant, SystemTime},
};

use hyper::{HeaderMap, Method, Response, Uri};
use traceparent::{Outgoing, RandomIdGenerator, TraceContext, sampler::SpanKind};

use super::{HeldSpans, Tracer, context::Formats, span_name};
use crate::{
    http::{Departure, Failure},
    span::{
        Attributes, RpcCall, Span,
        semconv::{push_peer, push_version},
    },
    telemetry::TraceRecord,
};

/// The context of a span, and the formats in which it is propagated.
#[derive(Debug)]
pub(super) struct Propagation {
    pub(super) context: Outgoing<'static>,
    pub(super) formats: Formats,
}

/// What the spans of one request share.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestState {
    /// The departure of the client that is served; `None` without one.
    pub(super) departure: Option<Departure>,
    /// The spans that have ended; `None` if they are recorded as they end.
    pub(super) held: Option<HeldSpans>,
}

/// The beginning of a span, by both clocks.
#[derive(Clone, Copy, Debug)]
struct Times {
    start: SystemTime,
    started: Instant,
}

impl Times {
    fn now() -> Self {
        Self { start: SystemTime::now(), started: Instant::now() }
    }
}

/// An open span, which ends when it is dropped. Without an answer, the client has left.
pub(crate) struct OpenSpan {
    tracer: Tracer,
    kind: SpanKind,
    name: Cow<'static, str>,
    /// `None` for a request that is not traced.
    propagation: Option<Propagation>,
    /// The errors of the received context, in words.
    pub(super) refused: Option<Arc<str>>,
    request: RequestState,
    /// The gRPC call of the request; `None` for any other request.
    pub(super) rpc: Option<RpcCall>,
    times: Times,
    status: Option<u16>,
    failure: Option<Failure>,
    /// `None` if no sink takes this span.
    attributes: Option<Attributes>,
}

impl OpenSpan {
    pub(super) fn new(
        tracer: Tracer,
        kind: SpanKind,
        name: Cow<'static, str>,
        propagation: Propagation,
        request: RequestState,
        describe: impl FnOnce() -> Attributes,
    ) -> Self {
        let times = Times::now();
        let is_sampled = propagation.context.decision().is_sampled();
        let is_recorded = request.held.is_some() || tracer.0.recorder.wants(is_sampled);
        let attributes = is_recorded.then(describe);
        Self::open(tracer, kind, request, times, name, Some(propagation), attributes)
    }

    /// Creates a span that counts a request, and is neither recorded nor propagated.
    pub(super) fn untraced(tracer: Tracer, kind: SpanKind, request: RequestState) -> Self {
        Self::open(tracer, kind, request, Times::now(), Cow::Borrowed(""), None, None)
    }

    /// Creates a span in its place: it is large to move.
    #[inline]
    fn open(
        tracer: Tracer,
        kind: SpanKind,
        request: RequestState,
        times: Times,
        name: Cow<'static, str>,
        propagation: Option<Propagation>,
        attributes: Option<Attributes>,
    ) -> Self {
        Self {
            tracer,
            kind,
            name,
            propagation,
            refused: None,
            request,
            rpc: None,
            times,
            status: None,
            failure: None,
            attributes,
        }
    }

    /// Opens the span of a call that is made to serve this one, with the attributes of the upstream.
    ///
    /// [OpenTelemetry: HTTP client span](https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span)
    pub(crate) fn call(&self, method: &Method, target: &Uri, upstream: &Attributes) -> OpenSpan {
        let (tracer, request) = (self.tracer.clone(), self.request.clone());
        let Some(Propagation { context, formats }) = &self.propagation else {
            return Self::untraced(tracer, SpanKind::Client, request);
        };
        let known = self.tracer.0.conventions.known_method(method);
        let propagation = Propagation { context: context.child(&RandomIdGenerator), formats: formats.clone() };
        let describe = || self.tracer.0.conventions.of_client(method, known, target, upstream);
        let mut call = Self::new(tracer, SpanKind::Client, span_name(known).into(), propagation, request, describe);
        call.rpc.clone_from(&self.rpc);
        call
    }

    /// Returns what the access log says about this span, or `None` if the request is not traced.
    pub(crate) fn trace_record(&self) -> Option<TraceRecord> {
        let Propagation { context, .. } = self.propagation.as_ref()?;
        let traceparent = context.traceparent();
        Some(TraceRecord {
            trace_id: traceparent.trace_id(),
            span_id: traceparent.parent_id(),
            sampled: traceparent.flags().is_sampled(),
            origin: context.origin(),
            refused: self.refused.clone(),
        })
    }

    pub(crate) fn rename(&mut self, name: &'static str) {
        self.name = name.into();
    }

    /// Records the head of the response.
    pub(crate) fn answered<B>(&mut self, response: &Response<B>) {
        self.status = Some(response.status().as_u16());
        match (&mut self.rpc, self.failure) {
            // Without an answer of the upstream, it is one of the gateway.
            (Some(rpc), Some(_)) => rpc.refused(response.headers()),
            _ => self.received(response.headers()),
        }
        if self.kind == SpanKind::Client {
            let sampled = self.propagation.as_ref().filter(|propagation| propagation.context.decision().is_sampled());
            let sampled = sampled.map(|propagation| propagation.context.traceparent().trace_id());
            self.tracer.0.metrics.upstream_answered(self.times.started.elapsed(), sampled);
            if let Some(attributes) = &mut self.attributes {
                push_version(attributes, response.version());
            }
        }
    }

    /// Records the address of the connection on which a call is made.
    pub(crate) fn connected(&mut self, peer: SocketAddr) {
        if let Some(attributes) = &mut self.attributes {
            push_peer(attributes, peer);
        }
    }

    /// Records the status of a gRPC call out of the head or the trailers of its answer.
    pub(crate) fn received(&mut self, fields: &HeaderMap) {
        if let Some(rpc) = &mut self.rpc {
            rpc.answered(fields);
        }
    }

    /// Sets the failure, unless there is one.
    pub(crate) fn failed(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    /// Records that the client gets no more of its response.
    pub(crate) fn left(&mut self) {
        self.failed(self.request.departure.as_ref().map_or(Failure::ClientLeft, Departure::failure));
    }

    /// Writes this span into the headers of a call, as its parent, in all formats. Headers of untraced requests stay.
    pub(crate) fn inject(&self, headers: &mut HeaderMap) {
        if let Some(Propagation { context, formats }) = &self.propagation {
            formats.inject(context, headers);
        }
    }

    /// Writes this span into the headers of a call, as its parent, in the format of W3C alone.
    pub(crate) fn inject_trace_context(&self, headers: &mut HeaderMap) {
        if let Some(Propagation { context, .. }) = &self.propagation {
            traceparent_http::inject(context, headers);
        }
    }
}

impl fmt::Debug for OpenSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSpan")
            .field("name", &self.name)
            .field("propagation", &self.propagation)
            .finish_non_exhaustive()
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        if self.status.is_none() {
            self.left();
        }
        let recorder = &self.tracer.0.recorder;
        if self.kind == SpanKind::Server {
            self.tracer.0.metrics.ended(self.status, self.failure);
            if let Some(rpc) = &self.rpc {
                self.tracer.0.metrics.called(rpc.status());
            }
        }
        let (Some(mut attributes), Some(Propagation { context, .. })) = (self.attributes.take(), &self.propagation)
        else {
            return;
        };
        let rpc = self.rpc.take();
        if let Some(rpc) = &rpc {
            rpc.push_to(&mut attributes);
            if let Some(method) = rpc.known_method() {
                self.name = method.to_owned().into();
            }
        }
        let span = Span {
            service: Arc::clone(&self.tracer.0.service),
            kind: self.kind,
            name: mem::take(&mut self.name),
            start: self.times.start,
            duration: self.times.started.elapsed(),
            context: TraceContext::new(context.traceparent(), context.tracestate().clone().into_owned()),
            parent_id: context.parent_id(),
            origin: context.origin(),
            link: context.link(),
            refused: self.refused.take(),
            status: self.status,
            failure: self.failure,
            rpc,
            kept: false,
            attributes,
            dropped_links: 0,
        };
        match (&self.request.held, self.tracer.0.keep) {
            (Some(held), Some(keep)) if self.kind == SpanKind::Server => {
                if let Some(reason) = held.end(span, keep, recorder) {
                    self.tracer.0.metrics.kept(reason);
                }
            }
            (Some(held), _) => held.push(span, recorder),
            _ => recorder.record(span),
        }
    }
}
