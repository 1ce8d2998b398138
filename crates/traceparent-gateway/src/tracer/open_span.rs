use std::{
    borrow::Cow,
    fmt, mem,
    net::SocketAddr,
    sync::Arc,
    time::{Instant, SystemTime},
};

use hyper::{HeaderMap, Method, Response, Uri};
use opentelemetry::KeyValue;
use traceparent::{Outgoing, ParseError, RandomIdGenerator, TraceContext, sampler::SpanKind};

use super::{HeldSpans, Tracer};
use crate::{
    http::{Departure, Failure},
    span::{
        Span,
        semconv::{push_peer, push_version},
    },
    telemetry::TraceRecord,
};

/// What the spans of one request share.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestState {
    /// The departure of the client that is served; `None` without one.
    pub(super) departure: Option<Departure>,
    /// The spans that have ended; `None` if they are recorded as they end.
    pub(super) held: Option<HeldSpans>,
}

/// An open span, which ends when it is dropped. Without an answer, the client has left.
pub(crate) struct OpenSpan {
    tracer: Tracer,
    kind: SpanKind,
    name: Cow<'static, str>,
    context: Outgoing<'static>,
    refused: Option<ParseError>,
    request: RequestState,
    start: SystemTime,
    started: Instant,
    status: Option<u16>,
    failure: Option<Failure>,
    /// `None` if no sink takes this span.
    attributes: Option<Vec<KeyValue>>,
}

impl OpenSpan {
    pub(super) fn new(
        tracer: Tracer,
        kind: SpanKind,
        name: Cow<'static, str>,
        context: Outgoing<'static>,
        refused: Option<ParseError>,
        request: RequestState,
        describe: impl FnOnce() -> Vec<KeyValue>,
    ) -> Self {
        let is_recorded = request.held.is_some() || tracer.0.recorder.wants(context.decision().is_sampled());
        let attributes = is_recorded.then(describe);
        Self {
            tracer,
            kind,
            name,
            context,
            refused,
            request,
            start: SystemTime::now(),
            started: Instant::now(),
            status: None,
            failure: None,
            attributes,
        }
    }

    /// Opens the span of a call that is made to serve this one.
    ///
    /// [OpenTelemetry: HTTP client span](https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span)
    pub(crate) fn call(&self, method: &Method, target: &Uri) -> OpenSpan {
        let name = self.tracer.method_name(method);
        let context = self.context.child(&RandomIdGenerator);
        let describe = || self.tracer.0.conventions.of_client(method, target);
        OpenSpan::new(self.tracer.clone(), SpanKind::Client, name.into(), context, None, self.request.clone(), describe)
    }

    /// Returns what the access log says about this span.
    pub(crate) fn trace_record(&self) -> TraceRecord {
        let traceparent = self.context.traceparent();
        TraceRecord {
            trace_id: traceparent.trace_id(),
            span_id: traceparent.parent_id(),
            sampled: traceparent.flags().is_sampled(),
            origin: self.context.origin(),
            refused: self.refused,
        }
    }

    pub(crate) fn rename(&mut self, name: &'static str) {
        self.name = name.into();
    }

    /// Records the head of the response.
    pub(crate) fn answered<B>(&mut self, response: &Response<B>) {
        self.status = Some(response.status().as_u16());
        if self.kind == SpanKind::Client {
            let sampled = self.context.decision().is_sampled().then(|| self.context.traceparent().trace_id());
            self.tracer.0.metrics.upstream_answered(self.started.elapsed(), sampled);
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

    /// Sets the failure, unless there is one.
    pub(crate) fn failed(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    /// Records that the client gets no more of its response.
    pub(crate) fn left(&mut self) {
        self.failed(self.request.departure.as_ref().map_or(Failure::ClientLeft, Departure::failure));
    }

    /// Writes this span into the headers of a call, as its parent.
    pub(crate) fn inject(&self, headers: &mut HeaderMap) {
        traceparent_http::inject(&self.context, headers);
    }
}

impl fmt::Debug for OpenSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSpan").field("name", &self.name).field("context", &self.context).finish_non_exhaustive()
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
        }
        let Some(attributes) = self.attributes.take() else { return };
        let span = Span {
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
            kept: false,
            attributes,
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
