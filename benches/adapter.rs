use std::hint::black_box;

use opentelemetry::{Context, propagation::TextMapPropagator, trace::TraceContextExt};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};

use crate::{
    OTEL, OURS, Operation,
    headers::{child, headers, others},
};

/// The propagators of both inside OpenTelemetry's own types.
pub(crate) fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    for members in [0, 1, 3, 32] {
        all.extend(with(OURS, members, traceparent_opentelemetry::TraceContextPropagator::new));
        all.extend(with(OTEL, members, opentelemetry_sdk::propagation::TraceContextPropagator::new));
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn with<P: TextMapPropagator + 'static>(
    library: &'static str,
    members: usize,
    propagator: fn() -> P,
) -> [Operation; 2] {
    let (received, extractor) = (headers(members), propagator());
    let extract = move || {
        let context = extractor.extract_with_context(&Context::new(), &HeaderExtractor(black_box(&received)));
        assert!(black_box(&context).span().span_context().is_valid());
    };
    let (received, mut out, propagator) = (headers(members), others(), propagator());
    let hop = move || {
        let context = child(&propagator.extract_with_context(&Context::new(), &HeaderExtractor(black_box(&received))));
        propagator.inject_context(&context, &mut HeaderInjector(&mut out));
        assert!(black_box(&out).contains_key("traceparent"));
    };
    [
        Operation::new(format!("OpenTelemetry API, extract {members}"), library, extract),
        Operation::new(format!("OpenTelemetry API, hop {members}"), library, hop),
    ]
}
