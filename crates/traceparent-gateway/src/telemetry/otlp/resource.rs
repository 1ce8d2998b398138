use std::sync::{Arc, OnceLock};

use opentelemetry::{
    InstrumentationScope, KeyValue, Value,
    trace::{Link, SpanContext, SpanId, SpanKind as OtelKind, Status},
};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanEvents, SpanLinks},
};
use traceparent::{IdGenerator, RandomIdGenerator, SpanKind, TraceContext, TraceState};
use traceparent_opentelemetry::to_span_context;

use crate::{config::Tracing, span::Span};

/// Returns the resource whose spans these are.
///
/// [OpenTelemetry: resource](https://opentelemetry.io/docs/specs/otel/resource/sdk/)
pub(crate) fn resource(tracing: &Tracing) -> Resource {
    let attributes = tracing.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let builder = Resource::builder().with_attribute(instance()).with_attributes(attributes);
    builder.with_service_name(tracing.service_name.clone()).build()
}

/// Returns the same resource for a service of this name; that of another one is another instance.
pub(crate) fn resource_of(service: &Arc<str>, resource: &Resource) -> Resource {
    if resource.get_ref(&"service.name".into()).is_some_and(|name| *name.as_str() == **service) {
        return resource.clone();
    }
    let attributes = resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let builder = Resource::builder_empty().with_attributes(attributes).with_attribute(instance());
    builder.with_service_name(Arc::clone(service)).build()
}

/// Makes the name of an instance: a random UUID, of version 4.
///
/// [OpenTelemetry: `service.instance.id`](https://opentelemetry.io/docs/specs/semconv/registry/attributes/service/)
fn instance() -> KeyValue {
    let random = RandomIdGenerator.new_trace_id().to_u128();
    let digits = format!("{:032x}", random & !(0xf << 76 | 0b11 << 62) | 4 << 76 | 0b10 << 62);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
    KeyValue::new("service.instance.id", parts.join("-"))
}

/// Makes the SDK's form of a span, with the very ids, flags and list that went out.
pub(crate) fn to_span_data(span: Span) -> SpanData {
    let (error_type, is_error) = (span.error_type(), span.is_error());
    let mut attributes = span.attributes;
    if let Some(status) = span.status {
        attributes.push(KeyValue::new("http.response.status_code", i64::from(status)));
    }
    if let Some(error_type) = error_type {
        attributes.push(KeyValue::new("error.type", Value::from(error_type)));
    }
    if let Some(refused) = span.refused {
        attributes.push(KeyValue::new("traceparent.refused", refused.to_string()));
    }
    let mut links = SpanLinks::default();
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
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links,
        status: match span.failure {
            Some(failure) => Status::error(failure.to_string()),
            // The status code says it all.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_random_uuids() {
        let name = instance().value.to_string();
        let parts: Vec<&str> = name.split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{name}");
        assert_ne!(instance(), instance());
    }
}
