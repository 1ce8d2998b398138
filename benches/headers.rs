use std::hint::black_box;

use http::{HeaderMap, HeaderName};
use opentelemetry::{
    Context,
    propagation::TextMapPropagator,
    trace::{SpanContext, TraceContextExt},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{IdGenerator as _, RandomIdGenerator as SdkIds},
};
use traceparent::{Policy, RandomIdGenerator, sampler::AlwaysOn};

use crate::{OTEL, OURS, Operation, POSTRUST, VALID, list};

/// Twelve other headers.
pub(crate) fn others() -> HeaderMap {
    let name = |i| HeaderName::try_from(format!("x-header-{i}")).unwrap();
    (0..12).map(|i| (name(i), "some value".parse().unwrap())).collect()
}

pub(crate) fn headers(members: usize) -> HeaderMap {
    let mut headers = others();
    headers.insert("traceparent", VALID.parse().unwrap());
    if members > 0 {
        headers.insert("tracestate", list(members).parse().unwrap());
    }
    headers
}

/// The context of a span of its own, as a service on the SDK's types makes it.
pub(crate) fn child(parent: &Context) -> Context {
    let span = parent.span();
    let span = span.span_context();
    let state = span.trace_state().clone();
    let id = SdkIds::default().new_span_id();
    parent.with_remote_span_context(SpanContext::new(span.trace_id(), id, span.trace_flags(), false, state))
}

pub(crate) fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    for members in [0, 1, 3, 32] {
        let name = format!("HeaderMap, extract {members}");
        let (ours, otel, postrust) = (headers(members), headers(members), headers(members));
        all.push(Operation::new(&name, OURS, move || {
            assert!(black_box(traceparent_http::extract(black_box(&ours))).context().is_some());
        }));
        let sdk = TraceContextPropagator::new();
        all.push(Operation::new(&name, OTEL, move || {
            let context = sdk.extract_with_context(&Context::new(), &HeaderExtractor(black_box(&otel)));
            assert!(black_box(context).span().span_context().is_valid());
        }));
        all.push(Operation::new(format!("{name}, list not read"), POSTRUST, move || {
            assert!(black_box(postrust_core::trace::TraceContext::from_headers(black_box(&postrust))).is_some());
        }));
    }

    // Two spans in turns, whose lists differ, because a value that is there already is not written again.
    let mut other = headers(1);
    other.insert("tracestate", list(1).replace("vendor", "seller").parse().unwrap());
    let received = [headers(1), other];
    let spans = received.each_ref().map(|received| {
        Policy::new(AlwaysOn).apply(traceparent_http::extract(received), &RandomIdGenerator).into_owned()
    });
    let contexts = received.each_ref().map(|received| {
        child(&TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(received)))
    });
    let (mut out, mut turn) = (others(), 0);
    all.push(Operation::new("HeaderMap, inject 1", OURS, move || {
        turn ^= 1;
        traceparent_http::inject(black_box(&spans[turn]), &mut out);
        assert_eq!(black_box(&out).len(), 14);
    }));
    let (mut out, mut turn) = (others(), 0);
    all.push(Operation::new("HeaderMap, inject 1", OTEL, move || {
        turn ^= 1;
        TraceContextPropagator::new().inject_context(black_box(&contexts[turn]), &mut HeaderInjector(&mut out));
        assert_eq!(black_box(&out).len(), 14);
    }));

    for members in [0, 1, 3, 32] {
        let name = format!("hop {members}");
        let (received, mut out, policy) = (headers(members), others(), Policy::new(AlwaysOn));
        all.push(Operation::new(&name, OURS, move || {
            let span = policy.apply(traceparent_http::extract(black_box(&received)), &RandomIdGenerator);
            traceparent_http::inject(&span, &mut out);
            assert_eq!(black_box(&out).len(), 13 + usize::from(members > 0));
        }));
        let (received, mut out, sdk) = (headers(members), others(), TraceContextPropagator::new());
        all.push(Operation::new(&name, OTEL, move || {
            let context = child(&sdk.extract_with_context(&Context::new(), &HeaderExtractor(black_box(&received))));
            sdk.inject_context(&context, &mut HeaderInjector(&mut out));
            assert_eq!(black_box(&out).len(), 14);
        }));
    }
    all
}
