use std::sync::Arc;

use hyper::body::Bytes;
use opentelemetry_proto::{
    tonic::{common::v1::InstrumentationScope, resource::v1::Resource as ResourceMessage},
    transform::common::tonic::ResourceAttributesWithSchema,
};
use opentelemetry_sdk::Resource;
use prost::Message;

use super::{
    resource::resource_of,
    run::{Run, ServiceSpans},
};
use crate::span::protobuf::{field_length, push_bytes, push_length, push_some};

/// The URL of the conventions for attributes.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// An encoder of requests to a collector, with each span under the resource of its service.
///
/// Fields have the numbers of OTLP's messages, and are in their order.
///
/// [OTLP: protocol buffers](https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto)
#[derive(Debug)]
pub(super) struct Encoder {
    resource: Resource,
    /// The services that have had spans.
    services: Vec<Service>,
}

/// The `ResourceSpans` of a service.
#[derive(Debug)]
struct Service {
    name: Arc<str>,
    /// The fields before its spans.
    head: Vec<u8>,
    /// The fields after its spans.
    end: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(resource: Resource) -> Self {
        Self { resource, services: Vec::new() }
    }

    /// Returns the request with all spans of a run, an `ExportTraceServiceRequest`.
    pub(super) fn encode(&mut self, run: &Run) -> Bytes {
        let mut request = Vec::new();
        for ServiceSpans { name, spans } in run.services().iter().filter(|service| !service.spans.is_empty()) {
            self.service(name).push_to(&mut request, spans);
        }
        request.into()
    }

    fn service(&mut self, name: &Arc<str>) -> &Service {
        let known = self.services.iter().position(|service| service.name == *name);
        let place = known.unwrap_or_else(|| {
            self.services.push(Service::new(name, &self.resource));
            self.services.len() - 1
        });
        &self.services[place]
    }
}

impl Service {
    fn new(name: &Arc<str>, resource: &Resource) -> Self {
        let resource = ResourceAttributesWithSchema::from(&resource_of(name, resource));
        let attributes = resource.attributes.0;
        let message = ResourceMessage { attributes, ..ResourceMessage::default() };
        let (mut head, mut end) = (Vec::new(), Vec::new());
        push_bytes(&mut head, 1, &message.encode_to_vec());
        push_some(&mut end, 3, resource.schema_url.unwrap_or_default().as_bytes());
        Self { name: Arc::clone(name), head, end }
    }

    fn push_to(&self, request: &mut Vec<u8>, spans: &[u8]) {
        let scope = InstrumentationScope {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let scope = scope.encode_to_vec();
        let scope_spans = field_length(scope.len()) + spans.len() + field_length(SCHEMA.len());
        let resource_spans = self.head.len() + field_length(scope_spans) + self.end.len();
        request.reserve(field_length(resource_spans));
        push_length(request, 1, resource_spans);
        request.extend_from_slice(&self.head);
        push_length(request, 2, scope_spans);
        push_bytes(request, 1, &scope);
        request.extend_from_slice(spans);
        push_bytes(request, 3, SCHEMA.as_bytes());
        request.extend_from_slice(&self.end);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{
        io, slice,
        time::{Duration, UNIX_EPOCH},
    };

    use hyper::{
        HeaderMap,
        header::{CONTENT_TYPE, HeaderValue},
    };
    use opentelemetry::{
        InstrumentationScope, KeyValue,
        trace::{Link, SpanContext, SpanId, SpanKind as OtelKind, Status},
    };
    use opentelemetry_proto::{
        tonic::collector::trace::v1::ExportTraceServiceRequest,
        transform::trace::tonic::group_spans_by_resource_and_scope,
    };
    use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
    use traceparent::{TraceContext, TraceState, sampler::SpanKind};
    use traceparent_opentelemetry::to_span_context;

    use super::*;
    use crate::{
        config::SpanLimits,
        http::Failure,
        span::{Attributes, RpcCall, Span},
        telemetry::{
            example,
            otlp::{message::encoded, run::RunSize},
        },
    };

    fn run(spans: &[Span]) -> Run {
        let mut run = Run::default();
        for span in spans {
            encoded(span, |message| run.push(&span.service, message));
        }
        run
    }

    /// The attributes of the SDK's span.
    fn attributes(span: &Span) -> Vec<KeyValue> {
        let own = span.attributes.iter().map(|(key, value)| KeyValue::new(key.to_owned(), value.to_string()));
        let status = span.status.map(|status| KeyValue::new("http.response.status_code", i64::from(status)));
        let error = span.error_type().map(|error| KeyValue::new("error.type", error));
        let refused = span.refused.clone().map(|refused| KeyValue::new("traceparent.refused", refused));
        own.chain(status).chain(error).chain(refused).collect()
    }

    /// The span as the SDK has it.
    fn to_span_data(span: &Span) -> SpanData {
        let sent = to_span_context(&span.context);
        let (flags, list) = (sent.trace_flags(), sent.trace_state().clone());
        let link = span.link.map(|link| to_span_context(&TraceContext::new(link, TraceState::EMPTY)));
        let mut links = SpanLinks::default();
        links.dropped_count = span.dropped_links;
        links.links = link.map(|link| Link::new(link, Vec::new(), 0)).into_iter().collect();
        SpanData {
            span_context: SpanContext::new(sent.trace_id(), sent.span_id(), flags, false, list),
            parent_span_id: span.parent_id.map_or(SpanId::INVALID, |id| id.to_u64().into()),
            parent_span_is_remote: span.kind == SpanKind::Server && span.parent_id.is_some(),
            span_kind: if span.kind == SpanKind::Client { OtelKind::Client } else { OtelKind::Server },
            name: span.name.clone(),
            start_time: span.start,
            end_time: span.start + span.duration,
            attributes: attributes(span),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status: match span.failure {
                Some(failure) => Status::error(failure.to_string()),
                None if span.is_rpc_status_missing() => Status::error("the answer has no gRPC status"),
                None if span.is_error() => Status::error(""),
                None => Status::Unset,
            },
            instrumentation_scope: InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
                .with_version(env!("CARGO_PKG_VERSION"))
                .with_schema_url(SCHEMA)
                .build(),
        }
    }

    fn examples() -> Vec<Span> {
        let list = TraceState::from_static("rojo=1,congo=t61rcWkgMzE");
        let mut attributes = Attributes::new(SpanLimits::default());
        attributes.push("url.path", &"/long".repeat(60));
        let plain = example::span(1, 2);
        let parent_id = Some(plain.span_id());
        let context = TraceContext::new(plain.context.traceparent, list);
        let start = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        let call = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))]);
        let unreachable = Some(Failure::Unreachable(io::ErrorKind::ConnectionRefused));
        vec![
            Span { name: "".into(), status: None, duration: Duration::from_nanos(1), ..plain.clone() },
            Span { context, parent_id, start, attributes: attributes.clone(), ..plain.clone() },
            Span { kind: SpanKind::Client, parent_id, status: Some(404), ..plain.clone() },
            Span { failure: unreachable, status: Some(502), attributes, ..plain.clone() },
            Span { link: Some(plain.context.traceparent), refused: Some("too short".into()), ..plain.clone() },
            Span { dropped_links: 1, ..plain.clone() },
            Span { rpc: RpcCall::new(&call, &"/shop.Orders/Place".parse().unwrap()), ..plain.clone() },
            Span { start: UNIX_EPOCH - Duration::from_secs(1), ..plain },
        ]
    }

    #[test]
    fn requests_are_those_of_the_sdk() {
        let resource = Resource::builder_empty()
            .with_schema_url([KeyValue::new("team", "shop")], "https://schema.example/1")
            .with_service_name("s")
            .build();
        let mut encoder = Encoder::new(resource.clone());
        let by_sdk = |spans: Vec<SpanData>| {
            let resource_spans = group_spans_by_resource_and_scope(spans, &(&resource).into());
            ExportTraceServiceRequest { resource_spans }
        };
        let decoded = |request: Bytes| ExportTraceServiceRequest::decode(request).unwrap();
        for span in examples() {
            let request = encoder.encode(&run(slice::from_ref(&span)));
            assert_eq!(decoded(request), by_sdk(vec![to_span_data(&span)]), "{span:?}");
        }
        let mut all = run(&examples());
        assert_eq!(all.size().spans, examples().len());
        assert!((1000..2000).contains(&all.size().bytes), "{:?}", all.size());
        assert_eq!(decoded(encoder.encode(&all)), by_sdk(examples().iter().map(to_span_data).collect()));
        all.clear(0);
        assert!(all.is_empty() && encoder.encode(&all).is_empty());
        assert_eq!(all.size(), RunSize::default());
    }

    #[test]
    fn every_service_has_its_resource() {
        let mut encoder = Encoder::new(Resource::builder_empty().build());
        let spans = [("a", 1), ("b", 2), ("a", 3)]
            .map(|(service, id)| Span { service: service.into(), ..example::span(1, id) });
        let request = ExportTraceServiceRequest::decode(encoder.encode(&run(&spans))).unwrap();
        let spans = request.resource_spans.iter().map(|found| {
            let resource = found.resource.as_ref().unwrap();
            let name = resource.attributes.iter().find(|attribute| attribute.key == "service.name").unwrap();
            let ids = found.scope_spans[0].spans.iter().map(|span| span.span_id[7]);
            (format!("{:?}", name.value.as_ref().unwrap().value), ids.collect::<Vec<_>>())
        });
        let expected = [("a", vec![1, 3]), ("b", vec![2])];
        assert_eq!(
            spans.collect::<Vec<_>>(),
            expected.map(|(name, ids)| (format!("Some(StringValue(\"{name}\"))"), ids))
        );
    }
}
