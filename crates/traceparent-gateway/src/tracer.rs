use std::{
    mem,
    time::{Duration, Instant, SystemTime},
};

use hyper::{HeaderMap, Method, Request, StatusCode, Uri};
use traceparent::{Incoming, Outgoing, Policy, ProbabilitySampler, RandomIdGenerator, SpanDetails, SpanKind};

use crate::{failure::Failure, recorder::Recorder, span::Span};

/// How much of a path is kept in a span, in bytes.
const PATH_LIMIT: usize = 512;

/// Opens the spans of one service: the one place where contexts are read and written.
#[derive(Clone, Debug)]
pub(crate) struct Tracer {
    service: &'static str,
    policy: Policy<ProbabilitySampler>,
    recorder: Recorder,
}

impl Tracer {
    pub(crate) fn new(service: &'static str, policy: Policy<ProbabilitySampler>, recorder: Recorder) -> Self {
        Self { service, policy, recorder }
    }

    /// Opens the span of serving a request, named by its method, in the trace that policy says.
    ///
    /// [OpenTelemetry: HTTP server span](https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span)
    pub(crate) fn serve<B>(&self, request: &Request<B>) -> OpenSpan {
        let incoming = traceparent_http::extract(request.headers());
        self.open(SpanKind::Server, incoming, request.method(), request.uri())
    }

    /// Opens the span of making a request that nothing led to.
    pub(crate) fn start(&self, method: &Method, target: &Uri) -> OpenSpan {
        self.open(SpanKind::Client, Incoming::Absent, method, target)
    }

    fn open(&self, kind: SpanKind, incoming: Incoming<'_>, method: &Method, target: &Uri) -> OpenSpan {
        let method = known(method);
        let name = method.unwrap_or("HTTP");
        let refused = incoming.error();
        let details = SpanDetails::new(name).with_kind(kind);
        let context = self.policy.apply_to(details, incoming, &RandomIdGenerator).into_owned();
        let span = Span {
            service: self.service,
            name,
            method: method.unwrap_or("_OTHER"),
            path: shortened(target.path()).to_owned(),
            start: SystemTime::now(),
            duration: Duration::ZERO,
            status: None,
            error: None,
            trace_id: context.traceparent().trace_id(),
            span_id: context.span_id(),
            parent_id: context.parent_id(),
            sampled: context.decision().is_sampled(),
            origin: context.origin(),
            link: context.link(),
            refused,
        };
        OpenSpan { span, context, started: Instant::now(), recorder: self.recorder.clone() }
    }
}

/// A span that goes on; it ends when this is dropped, which without an answer means that nobody waits
/// for one any more.
#[derive(Debug)]
pub(crate) struct OpenSpan {
    span: Span,
    context: Outgoing<'static>,
    started: Instant,
    recorder: Recorder,
}

impl OpenSpan {
    pub(crate) fn rename(&mut self, name: &'static str) {
        self.span.name = name;
    }

    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.span.status = Some(status.as_u16());
    }

    /// Says what went wrong; what was said first stays.
    pub(crate) fn failed(&mut self, failure: Failure) {
        self.span.error.get_or_insert(failure);
    }

    /// Makes this span the parent of a call, by the call's headers.
    pub(crate) fn inject(&self, headers: &mut HeaderMap) {
        traceparent_http::inject(&self.context, headers);
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        if self.span.status.is_none() {
            self.failed(Failure::ClientLeft);
        }
        let path = mem::take(&mut self.span.path);
        self.recorder.record(Span { path, duration: self.started.elapsed(), ..self.span });
    }
}

/// The names of methods that span names and fields may hold: never a client's invention.
fn known(method: &Method) -> Option<&'static str> {
    const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    METHODS.into_iter().find(|known| *known == method.as_str())
}

/// The path as far as it is kept.
fn shortened(path: &str) -> &str {
    let end = (0..=PATH_LIMIT.min(path.len())).rev().find(|end| path.is_char_boundary(*end));
    end.map_or("", |end| &path[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_nobody_knows_are_not_told() {
        assert_eq!(known(&Method::PATCH), Some("PATCH"));
        assert_eq!(Method::from_bytes(b"get").ok().as_ref().and_then(known), None);
    }

    #[test]
    fn paths_are_cut_between_characters() {
        assert_eq!(shortened("/a"), "/a");
        assert_eq!(shortened(&"a".repeat(PATH_LIMIT + 1)).len(), PATH_LIMIT);
        assert_eq!(shortened(&"\u{20ac}".repeat(PATH_LIMIT)).len(), PATH_LIMIT - PATH_LIMIT % 3);
    }
}
