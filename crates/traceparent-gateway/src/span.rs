use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use traceparent::{Origin, SpanId, TraceContext, TraceId, TraceParent, sampler::SpanKind};

use crate::http::Failure;

mod address;
mod attributes;
mod forwarded;
mod headers;
mod json;
mod limits;
pub(crate) mod protobuf;
mod rpc;
pub(crate) mod semconv;
mod tree;

use self::attributes::Value;
pub(crate) use self::{
    attributes::Attributes,
    forwarded::client_address,
    json::write_json,
    rpc::RpcCall,
    tree::{Row, rows},
};

/// A finished piece of work of one service.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) service: Arc<str>,
    pub(crate) kind: SpanKind,
    pub(crate) name: Cow<'static, str>,
    pub(crate) start: SystemTime,
    pub(crate) duration: Duration,
    /// The IDs, flags and `tracestate` that were sent.
    pub(crate) context: TraceContext<'static>,
    pub(crate) parent_id: Option<SpanId>,
    pub(crate) origin: Origin,
    pub(crate) link: Option<TraceParent>,
    /// The errors of the received context, in words.
    pub(crate) refused: Option<Arc<str>>,
    /// The status of the response; `None` without a response.
    pub(crate) status: Option<u16>,
    pub(crate) failure: Option<Failure>,
    /// The gRPC call of the request; `None` for any other request.
    pub(crate) rpc: Option<RpcCall>,
    /// Whether the span is exported although it is not sampled.
    pub(crate) kept: bool,
    /// The attributes by OpenTelemetry's conventions.
    pub(crate) attributes: Attributes,
    /// The number of links that the limits have taken.
    pub(crate) dropped_links: u32,
}

impl Span {
    pub(crate) fn trace_id(&self) -> TraceId {
        self.context.traceparent.trace_id()
    }

    pub(crate) fn span_id(&self) -> SpanId {
        self.context.traceparent.parent_id()
    }

    pub(crate) fn is_sampled(&self) -> bool {
        self.context.traceparent.flags().is_sampled()
    }

    /// Returns whether the span is exported: it is sampled, or kept.
    pub(crate) fn is_exported(&self) -> bool {
        self.is_sampled() || self.kept
    }

    /// Returns the approximate memory of the span, in bytes.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>() + self.name.len() + self.context.tracestate.as_str().len() + self.attributes.memory()
    }

    /// Returns the text of an attribute, or `None` if it is absent or no text.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.attributes.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns whether the span is an error: an absent or broken response, 5xx of a server, 4xx or 5xx for a client, or a
    /// status of gRPC that is an error for its side.
    ///
    /// [OpenTelemetry: status of HTTP spans](https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status)
    pub(crate) fn is_error(&self) -> bool {
        self.error_type().is_some()
    }

    /// Returns the class of the error, `error.type`.
    pub(crate) fn error_type(&self) -> Option<Cow<'static, str>> {
        if let Some(failure) = self.failure {
            return Some(failure.as_str().into());
        }
        if let Some(status) = self.rpc.as_ref().and_then(|rpc| rpc.error(self.kind)) {
            return Some(status.as_str().into());
        }
        let least = if self.kind == SpanKind::Client { 400 } else { 500 };
        match self.status {
            Some(status) if status >= least => Some(status.to_string().into()),
            _ if self.is_rpc_status_missing() => Some(RpcCall::STATUS_MISSING.into()),
            _ => None,
        }
    }

    /// Returns whether a gRPC call was answered without a status, and without an error of HTTP.
    pub(crate) fn is_rpc_status_missing(&self) -> bool {
        self.failure.is_none()
            && self.status.is_some_and(|status| status < 400)
            && self.rpc.as_ref().is_some_and(RpcCall::is_status_missing)
    }
}

/// Returns the conventional name of a kind, such as `server`.
pub(crate) const fn kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}
