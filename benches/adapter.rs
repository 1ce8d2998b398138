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
    let (ours, sdk) = (
        traceparent_opentelemetry::TraceContextPropagator::new,
        opentelemetry_sdk::propagation::TraceContextPropagator::new,
    );
    for members in [0, 1, 3, 32] {
        all.extend(with("OpenTelemetry API", OURS, members, ours()));
        all.extend(with("OpenTelemetry API", OTEL, members, sdk()));
    }
    // Traces that start here do not get the random flag, as with the SDK's.
    for members in [0, 1, 3] {
        all.extend(with("OpenTelemetry API, random flag unchanged", OURS, members, ours().with_random_ids(false)));
        all.extend(with("OpenTelemetry API, random flag unchanged", OTEL, members, sdk()));
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn with<P: TextMapPropagator + Clone + 'static>(
    group: &str,
    library: &'static str,
    members: usize,
    propagator: P,
) -> [Operation; 2] {
    let (received, extractor) = (headers(members), propagator.clone());
    let extract = move || {
        let context = extractor.extract_with_context(&Context::new(), &HeaderExtractor(black_box(&received)));
        assert!(black_box(&context).span().span_context().is_valid());
    };
    let (received, mut out, propagator) = (headers(members), others(), propagator);
    let hop = move || {
        let context = child(&propagator.extract_with_context(&Context::new(), &HeaderExtractor(black_box(&received))));
        propagator.inject_context(&context, &mut HeaderInjector(&mut out));
        assert!(black_box(&out).contains_key("traceparent"));
    };
    [
        Operation::new(format!("{group}, extract {members}"), library, extract),
        Operation::new(format!("{group}, hop {members}"), library, hop),
    ]
}
