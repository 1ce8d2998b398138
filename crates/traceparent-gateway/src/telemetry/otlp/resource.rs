use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry_sdk::{Resource, resource::TelemetryResourceDetector};
use traceparent::{IdGenerator, RandomIdGenerator};

use crate::config::Tracing;

/// Returns the resource of the configured service.
///
/// [OpenTelemetry: resource](https://opentelemetry.io/docs/specs/otel/resource/sdk/)
pub(in crate::telemetry) fn resource(tracing: &Tracing) -> Resource {
    let attributes = tracing.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    // Without the SDK's own reader of the environment.
    let builder = Resource::builder_empty().with_detector(Box::new(TelemetryResourceDetector));
    let builder = builder.with_attribute(instance()).with_attributes(attributes);
    builder.with_service_name(tracing.service_name.clone()).build()
}

/// Returns the resource for a service of this name: another service is another instance.
pub(super) fn resource_of(service: &Arc<str>, resource: &Resource) -> Resource {
    if resource.get_ref(&"service.name".into()).is_some_and(|name| *name.as_str() == **service) {
        return resource.clone();
    }
    let attributes = resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let builder = Resource::builder_empty().with_attributes(attributes).with_attribute(instance());
    builder.with_service_name(Arc::clone(service)).build()
}

/// Creates the ID of an instance: a random UUID of version 4.
///
/// [OpenTelemetry: `service.instance.id`](https://opentelemetry.io/docs/specs/semconv/registry/attributes/service/)
fn instance() -> KeyValue {
    let random = RandomIdGenerator.new_trace_id().to_u128();
    let digits = format!("{:032x}", random & !(0xf << 76 | 0b11 << 62) | 4 << 76 | 0b10 << 62);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
    KeyValue::new("service.instance.id", parts.join("-"))
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
