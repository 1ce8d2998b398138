use std::hint::black_box;

use opentelemetry::{
    Context,
    propagation::TextMapPropagator,
    trace::{SpanKind, TraceContextExt},
};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{IdGenerator as _, RandomIdGenerator as SdkIds, Sampler as SdkSampler, ShouldSample},
};
use traceparent::{
    IdGenerator as _, Percent, RandomIdGenerator, TraceParent, TraceState,
    sampler::{Parent, ProbabilitySampler, Sampler, SamplingInput},
};

use crate::{FASTRACE, LEVEL3, OTEL, OURS, Operation, VALID, headers::headers, list};

pub(crate) fn operations() -> Vec<Operation> {
    const IDS: &str = "new trace-id and span-id";
    // That ids differ is seen to before, because comparing costs more than they do.
    assert_ne!(RandomIdGenerator.new_trace_id(), RandomIdGenerator.new_trace_id());
    assert_ne!(SdkIds::default().new_trace_id(), SdkIds::default().new_trace_id());
    vec![
        Operation::new(IDS, OURS, || {
            black_box(RandomIdGenerator.new_trace_id());
            black_box(RandomIdGenerator.new_span_id());
        }),
        Operation::new(IDS, OTEL, || {
            black_box(SdkIds::default().new_trace_id());
            black_box(SdkIds::default().new_span_id());
        }),
        Operation::new(IDS, FASTRACE, || {
            black_box(fastrace::prelude::TraceId::random());
            black_box(fastrace::prelude::SpanId::random());
        }),
        Operation::new(IDS, LEVEL3, || {
            black_box(trace_context_level3::TraceId::random());
            black_box(trace_context_level3::ParentId::random());
        }),
        ours_without_parent(),
        sdk_without_parent(),
        ours_with_parent(),
        sdk_with_parent(),
    ]
}

const ROOT: &str = "decide, 10 %";
const CHILD: &str = "decide, 10 %, parent with 3 members";

fn tenth() -> ProbabilitySampler {
    ProbabilitySampler::from_percent(Percent::from_static("10"))
}

fn ours_without_parent() -> Operation {
    let (sampler, id) = (tenth(), TraceParent::from_static(VALID).trace_id());
    Operation::new(ROOT, OURS, move || {
        let result = sampler.should_sample(&SamplingInput::root(black_box(id)));
        assert!(!black_box(result).decision.is_sampled());
    })
}

fn ours_with_parent() -> Operation {
    let (sampler, list) = (tenth(), TraceState::parse(list(3).as_bytes()).unwrap().into_owned());
    let context = traceparent::TraceContext::new(TraceParent::from_static(VALID), list);
    Operation::new(CHILD, OURS, move || {
        let result = sampler.should_sample(&SamplingInput::child_of(Parent::Remote(black_box(&context))));
        assert!(!black_box(result).decision.is_sampled());
    })
}

/// Samples by another part of the trace-id than ours does, so its answer is its own.
fn sdk(name: &str, parent: Option<Context>) -> Operation {
    let context = TraceContextPropagator::new().extract(&HeaderExtractor(&headers(0)));
    let id = context.span().span_context().trace_id();
    let decide = move || {
        SdkSampler::TraceIdRatioBased(0.1).should_sample(
            black_box(parent.as_ref()),
            black_box(id),
            "GET",
            &SpanKind::Server,
            &[],
            &[],
        )
    };
    let expected = decide().decision;
    Operation::new(name, OTEL, move || assert_eq!(black_box(decide()).decision, expected))
}

fn sdk_without_parent() -> Operation {
    sdk(ROOT, None)
}

fn sdk_with_parent() -> Operation {
    sdk(CHILD, Some(TraceContextPropagator::new().extract(&HeaderExtractor(&headers(3)))))
}
