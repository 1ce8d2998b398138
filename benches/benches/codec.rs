//! The codec alone and on a `HeaderMap`, beside the propagator of the OpenTelemetry SDK. Every bench asserts its answer.

use std::{hint::black_box, str::FromStr};

use criterion::{Criterion, criterion_group, criterion_main};
use http::HeaderMap;
use opentelemetry::{Context, propagation::TextMapPropagator, trace::TraceContextExt};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use traceparent::{AlwaysOn, ErrorKind, IdGenerator, Incoming, Member, Policy, RandomIdGenerator, TraceParent, TraceState};

const VALID: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn list(members: usize) -> String {
    (0..members).map(|i| format!("vendor{i}=00f067aa0ba902b7{i:02}")).collect::<Vec<_>>().join(",")
}

fn headers(members: usize) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for i in 0..12 {
        headers.insert(http::HeaderName::from_str(&format!("x-header-{i}")).unwrap(), "some value".parse().unwrap());
    }
    headers.insert("traceparent", VALID.try_into().unwrap());
    if members > 0 {
        headers.insert("tracestate", list(members).parse().unwrap());
    }
    headers
}

fn traceparent(c: &mut Criterion) {
    let mut group = c.benchmark_group("traceparent");
    group.bench_function("parse valid", |b| b.iter(|| assert!(TraceParent::parse(black_box(VALID)).is_ok())));

    let refused: [(&str, Vec<u8>, ErrorKind); 5] = [
        ("last byte", [&VALID[..54], b"g"].concat(), ErrorKind::InvalidByte),
        ("zero id", b"00-00000000000000000000000000000000-00f067aa0ba902b7-01".to_vec(), ErrorKind::AllZero),
        ("upper case", VALID.to_ascii_uppercase(), ErrorKind::UpperCase),
        ("length", VALID[..54].to_vec(), ErrorKind::TooShort),
        ("4 KiB", [VALID, &[b'-'; 4096]].concat(), ErrorKind::TooLong),
    ];
    for (name, value, kind) in refused {
        group.bench_function(format!("refuse {name}"), |b| {
            b.iter(|| assert_eq!(TraceParent::parse(black_box(&value)).unwrap_err().kind(), kind));
        });
    }

    let parsed = TraceParent::parse(VALID).unwrap();
    group.bench_function("encode", |b| b.iter(|| assert_eq!(&black_box(parsed).encode(), VALID)));
    group.bench_function("new ids", |b| {
        b.iter(|| assert_ne!(RandomIdGenerator.new_trace_id().to_u128(), RandomIdGenerator.new_span_id().to_u64().into()));
    });
}

fn tracestate(c: &mut Criterion) {
    let mut group = c.benchmark_group("tracestate");
    for members in [1, 3, 32] {
        let value = list(members);
        group.bench_function(format!("validate {members}"), |b| {
            b.iter(|| assert_eq!(TraceState::parse(black_box(value.as_bytes())).unwrap().len(), members));
        });
        group.bench_function(format!("validate {members}, opentelemetry"), |b| {
            b.iter(|| assert!(opentelemetry::trace::TraceState::from_str(black_box(&value)).is_ok()));
        });
        group.bench_function(format!("update {members}"), |b| {
            let ours = Member::from_static("ours", "00f067aa0ba902b7");
            let mut buffer = [0; 4096];
            b.iter(|| {
                let list = TraceState::parse(black_box(value.as_bytes())).unwrap();
                assert!(list.with(ours).encode_into(&mut buffer).unwrap().starts_with("ours="));
            });
        });
        group.bench_function(format!("update {members}, opentelemetry"), |b| {
            b.iter(|| {
                let list = opentelemetry::trace::TraceState::from_str(black_box(&value)).unwrap();
                assert!(list.insert("ours", "00f067aa0ba902b7").unwrap().header().starts_with("ours="));
            });
        });
    }
}

fn header_map(c: &mut Criterion) {
    let mut group = c.benchmark_group("http");
    let sdk = TraceContextPropagator::new();
    let policy = Policy::new(AlwaysOn);
    for members in [0, 1, 3, 32] {
        let headers = headers(members);
        group.bench_function(format!("extract {members}"), |b| {
            b.iter(|| assert!(matches!(traceparent_http::extract(black_box(&headers)), Incoming::Valid { .. })));
        });
        group.bench_function(format!("extract {members}, opentelemetry"), |b| {
            b.iter(|| {
                let context = sdk.extract_with_context(&Context::new(), &HeaderExtractor(black_box(&headers)));
                assert!(context.span().span_context().is_valid());
            });
        });
        let mut out = HeaderMap::with_capacity(4);
        group.bench_function(format!("hop {members}"), |b| {
            b.iter(|| {
                let span = policy.apply(traceparent_http::extract(black_box(&headers)), &RandomIdGenerator);
                traceparent_http::inject(&span, &mut out);
                assert_eq!(out.len(), 1 + usize::from(members > 0));
            });
        });
        let mut out = HeaderMap::with_capacity(4);
        group.bench_function(format!("hop {members}, opentelemetry"), |b| {
            b.iter(|| {
                let context = sdk.extract_with_context(&Context::new(), &HeaderExtractor(black_box(&headers)));
                sdk.inject_context(&context, &mut HeaderInjector(&mut out));
                assert_eq!(out.len(), 2);
            });
        });
    }
}

criterion_group!(benches, traceparent, tracestate, header_map);
criterion_main!(benches);
