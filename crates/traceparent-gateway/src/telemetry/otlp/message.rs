use std::{
    cell::Cell,
    time::{SystemTime, UNIX_EPOCH},
};

use traceparent::{TraceContext, TraceParent, sampler::SpanKind};
use traceparent_http::semconv;

use crate::{
    config::SpanLimits,
    span::{
        Attributes, Span,
        protobuf::{field_length, push_bytes, push_fixed32, push_fixed64, push_length, push_nonzero, push_some},
    },
};

/// The bits of a span's flags that say whether its parent is in another process.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// The code of a `Status` that is an error.
const ERROR: u64 = 2;

/// The number of bytes of a `Link`: its IDs and its flags.
const LINK: usize = field_length(16) + field_length(8) + 1 + size_of::<u32>();

thread_local! {
    /// The buffers of a thread, whose memory serves one span after another.
    static BUFFERS: Cell<Buffers> = Cell::default();
}

struct Buffers {
    /// The fields of the `Span`.
    span: Vec<u8>,
    /// The attributes that are known apart from the others.
    more: Attributes,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { span: Vec::new(), more: Attributes::new(SpanLimits::default()) }
    }
}

/// Encodes a span as OTLP's `Span`, and calls a function with the bytes.
///
/// Fields have the numbers of OTLP's messages, and are in their order.
///
/// [OTLP: protocol buffers](https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto)
pub(super) fn encoded<R>(span: &Span, take: impl FnOnce(&[u8]) -> R) -> R {
    let mut buffers = BUFFERS.try_with(Cell::take).unwrap_or_default();
    let error = span.error_type();
    buffers.more.follow(&span.attributes);
    push_more(&mut buffers.more, span, error.as_deref());
    buffers.span.clear();
    push_span(&mut buffers.span, span, &buffers.more, error.is_some());
    let result = take(&buffers.span);
    // A thread that ends has no buffers to keep.
    let _ = BUFFERS.try_with(|kept| kept.set(buffers));
    result
}

/// Adds the attributes that are known apart from the others.
fn push_more(attributes: &mut Attributes, span: &Span, error: Option<&str>) {
    if let Some(status) = span.status {
        attributes.push_number(semconv::HTTP_RESPONSE_STATUS_CODE, status);
    }
    if let Some(error) = error {
        attributes.push(semconv::ERROR_TYPE, error);
    }
    if let Some(refused) = &span.refused {
        attributes.push(semconv::TRACEPARENT_REFUSED, refused);
    }
}

/// Adds the fields of a `Span`, with the IDs, flags and `tracestate` that were sent.
fn push_span(out: &mut Vec<u8>, span: &Span, more: &Attributes, is_error: bool) {
    let TraceContext { traceparent, tracestate } = &span.context;
    push_ids(out, *traceparent);
    push_some(out, 3, tracestate.as_bytes());
    if let Some(parent) = span.parent_id {
        push_bytes(out, 4, &parent.to_bytes());
    }
    push_some(out, 5, span.name.as_bytes());
    push_nonzero(out, 6, kind(span.kind));
    let start = nanoseconds(span.start);
    push_fixed64(out, 7, start);
    push_fixed64(out, 8, start.saturating_add(span.duration.as_nanos() as u64));
    out.extend_from_slice(span.attributes.as_fields());
    out.extend_from_slice(more.as_fields());
    push_nonzero(out, 10, more.dropped() as u64);
    if let Some(caller) = span.link {
        push_length(out, 13, LINK);
        push_ids(out, caller);
        push_fixed32(out, 6, flags(caller, true));
    }
    push_nonzero(out, 14, span.dropped_links.into());
    if is_error {
        push_error(out, span);
    } else {
        push_bytes(out, 15, &[]);
    }
    push_fixed32(out, 16, flags(*traceparent, span.kind == SpanKind::Server && span.parent_id.is_some()));
}

/// Adds the first two fields of a `Span` or a `Link`.
fn push_ids(out: &mut Vec<u8>, traceparent: TraceParent) {
    push_bytes(out, 1, &traceparent.trace_id().to_bytes());
    push_bytes(out, 2, &traceparent.parent_id().to_bytes());
}

/// Adds the `Status` of an error, which has a message unless the status of HTTP is the reason.
#[cold]
fn push_error(out: &mut Vec<u8>, span: &Span) {
    let message = match span.failure {
        Some(failure) => failure.to_string(),
        None if span.is_rpc_status_missing() => "the answer has no gRPC status".to_owned(),
        None => String::new(),
    };
    let mut status = Vec::new();
    push_some(&mut status, 2, message.as_bytes());
    push_nonzero(&mut status, 3, ERROR);
    push_bytes(out, 15, &status);
}

fn flags(traceparent: TraceParent, is_parent_remote: bool) -> u32 {
    u32::from(traceparent.flags().bits()) | HAS_IS_REMOTE | if is_parent_remote { IS_REMOTE } else { 0 }
}

fn kind(kind: SpanKind) -> u64 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

/// Returns a time in nanoseconds since 1970, or 0 for an earlier one.
fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}
