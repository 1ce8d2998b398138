use std::sync::OnceLock;

use opentelemetry::{
    InstrumentationScope, KeyValue, Value,
    trace::{Link, SpanContext, SpanId, SpanKind as OtelKind, Status},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use traceparent::{TraceContext, TraceState, sampler::SpanKind};
use traceparent_http::semconv;
use traceparent_opentelemetry::to_span_context;

use crate::{
    config::SpanLimits,
    span::{Span, limit_attributes},
};

/// Converts a span to that of the SDK, with the IDs, flags and `tracestate` that were sent.
pub(super) fn to_span_data(span: Span, limits: SpanLimits) -> SpanData {
    let (error_type, is_error) = (span.error_type(), span.is_error());
    let is_rpc_status_missing = span.is_rpc_status_missing();
    let mut attributes = span.attributes;
    if let Some(status) = span.status {
        attributes.push(KeyValue::new(semconv::HTTP_RESPONSE_STATUS_CODE, i64::from(status)));
    }
    if let Some(error_type) = error_type {
        attributes.push(KeyValue::new(semconv::ERROR_TYPE, Value::from(error_type)));
    }
    if let Some(refused) = span.refused {
        attributes.push(KeyValue::new(semconv::TRACEPARENT_REFUSED, refused));
    }
    // Those above count, too.
    let dropped_attributes_count = span.dropped.attributes + limit_attributes(&mut attributes, limits);
    let mut links = SpanLinks::default();
    links.dropped_count = span.dropped.links;
    if let Some(caller) = span.link {
        let caller = to_span_context(&TraceContext::new(caller, TraceState::EMPTY));
        links.links.push(Link::new(caller, Vec::new(), 0));
    }
    let sent = to_span_context(&span.context);
    SpanData {
        span_context: SpanContext::new(
            sent.trace_id(),
            sent.span_id(),
            sent.trace_flags(),
            false,
            sent.trace_state().clone(),
        ),
        parent_span_id: span.parent_id.map_or(SpanId::INVALID, |id| id.to_u64().into()),
        parent_span_is_remote: span.kind == SpanKind::Server && span.parent_id.is_some(),
        span_kind: match span.kind {
            SpanKind::Internal => OtelKind::Internal,
            SpanKind::Server => OtelKind::Server,
            SpanKind::Client => OtelKind::Client,
            SpanKind::Producer => OtelKind::Producer,
            SpanKind::Consumer => OtelKind::Consumer,
        },
        name: span.name,
        start_time: span.start,
        end_time: span.start + span.duration,
        attributes,
        dropped_attributes_count,
        events: SpanEvents::default(),
        links,
        status: match span.failure {
            Some(failure) => Status::error(failure.to_string()),
            None if is_rpc_status_missing => Status::error("the answer has no gRPC status"),
            // The status code is the description.
            None if is_error => Status::error(""),
            None => Status::Unset,
        },
        instrumentation_scope: scope().clone(),
    }
}

fn scope() -> &'static InstrumentationScope {
    static SCOPE: OnceLock<InstrumentationScope> = OnceLock::new();
    SCOPE.get_or_init(|| {
        InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url("https://opentelemetry.io/schemas/1.37.0")
            .build()
    })
}
