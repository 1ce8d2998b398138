use std::{hint::black_box, rc::Rc};

use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::TraceContextExt,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use traceparent::{IdGenerator, RandomIdGenerator, TraceFlags, TraceParent};

use crate::{EMIT, FASTRACE, LEVEL3, OTEL, OURS, Operation, PARENT_ID, POSTRUST, PUBLISHED, VALID};

// Each library's way to the parent-id of a `traceparent`.

#[inline(always)]
fn ours(value: &str) -> Option<u64> {
    black_box(TraceParent::parse(value.as_bytes())).ok().map(|parsed| parsed.parent_id().to_u64())
}

/// A carrier with one field.
struct One<'a>(&'a str);

impl Extractor for One<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

#[inline(always)]
fn otel(value: &str) -> Option<u64> {
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &One(value));
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| u64::from_be_bytes(span.span_id().to_bytes()))
}

#[inline(always)]
fn fastrace(value: &str) -> Option<u64> {
    black_box(fastrace::prelude::SpanContext::decode_w3c_traceparent(value)).map(|parsed| parsed.span_id.0)
}

#[inline(always)]
fn emit(value: &str) -> Option<u64> {
    let parsed = black_box(emit_traceparent::Traceparent::try_from_str(value)).ok()?;
    parsed.span_id().map(|id| id.to_u64())
}

#[inline(always)]
fn level3(value: &str) -> Option<u64> {
    let parsed = black_box(value.parse::<trace_context_level3::TraceParent>()).ok()?;
    Some(u64::from_be_bytes(*parsed.parent_id.as_bytes()))
}

#[inline(always)]
fn published(value: &str) -> Option<u64> {
    black_box(published_traceparent::parse(value)).ok().map(|parsed| parsed.parent_id())
}

#[inline(always)]
fn postrust(value: &str) -> Option<u64> {
    black_box(postrust_core::trace::parse_traceparent(value.as_bytes()))
        .map(|(_, id, _)| u64::from_be_bytes(id.to_bytes()))
}

/// One closure for each library, so that each is compiled for itself.
macro_rules! each_library {
    ($name:expr, $value:expr, $expected:expr, $all:ident) => {
        each_library!(@ $name, $value, $expected, $all, [OURS ours, OTEL otel, FASTRACE fastrace, EMIT emit, LEVEL3 level3, PUBLISHED published, POSTRUST postrust])
    };
    (@ $name:expr, $value:expr, $expected:expr, $all:ident, [$($library:ident $parse:ident),*]) => {$(
        let value: String = $value.into();
        // Not every library refuses what is to be refused.
        if $parse(&value) == $expected {
            $all.push(Operation::new($name, $library, move || assert_eq!($parse(black_box(&value)), $expected)));
        }
    )*};
}

/// One closure for each library over many inputs, the same for all, each time from the first on: what is measured is
/// reading them and not fetching them.
macro_rules! distinct {
    ($values:ident, $all:ident, [$($library:ident $parse:ident),*]) => {$(
        let values = Rc::clone(&$values);
        let run = move |times: u64| {
            values.iter().cycle().take(times as usize).for_each(|value| assert!($parse(black_box(value)).is_some()));
        };
        $all.push(Operation { name: "parse, 10,000 distinct".to_owned(), library: $library, run: Box::new(run) });
    )*};
}

pub(crate) fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    each_library!("parse", VALID, Some(PARENT_ID), all);
    let values: Rc<[String]> = (0..10_000)
        .map(|_| {
            let ids = (RandomIdGenerator.new_trace_id(), RandomIdGenerator.new_span_id());
            TraceParent::new(ids.0, ids.1, TraceFlags::SAMPLED).to_string()
        })
        .collect();
    distinct!(values, all, [OURS ours, OTEL otel, FASTRACE fastrace, EMIT emit, LEVEL3 level3, PUBLISHED published, POSTRUST postrust]);

    let garbage = |length: usize| format!("{VALID}{}", "0".repeat(length - VALID.len()));
    let refused = [
        ("refuse, last byte bad", format!("{}g", &VALID[..54])),
        ("refuse, zero id", VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32))),
        ("refuse, one byte short", VALID[..54].to_owned()),
        ("refuse, upper case", VALID.to_ascii_uppercase()),
        ("refuse, one byte more", garbage(56)),
        ("refuse, 4 KiB", garbage(4096)),
        ("refuse, 100 KB", garbage(100_000)),
    ];
    for (name, value) in refused {
        each_library!(name, value.clone(), None, all);
    }
    all.extend(encode());
    all
}

/// Takes a header and does nothing with it.
struct Sink;

impl Injector for Sink {
    fn set(&mut self, key: &str, value: String) {
        if key == "traceparent" {
            assert_eq!(black_box(value).len(), VALID.len());
        }
    }
}

fn encode() -> Vec<Operation> {
    const NAME: &str = "encode";
    let ours = TraceParent::from_static(VALID);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &One(VALID));
    let fastrace = fastrace::prelude::SpanContext::decode_w3c_traceparent(VALID).unwrap();
    let level3: trace_context_level3::TraceParent = VALID.parse().unwrap();
    let published = published_traceparent::parse(VALID).unwrap();
    vec![
        Operation::new(NAME, OURS, move || assert_eq!(black_box(black_box(ours).encode()).len(), VALID.len())),
        Operation::new(NAME, OTEL, move || {
            TraceContextPropagator::new().inject_context(black_box(&context), &mut Sink)
        }),
        Operation::new(NAME, FASTRACE, move || {
            assert_eq!(black_box(black_box(&fastrace).encode_w3c_traceparent()).len(), VALID.len());
        }),
        Operation::new(NAME, LEVEL3, move || assert_eq!(black_box(black_box(&level3).to_string()).len(), VALID.len())),
        Operation::new(NAME, PUBLISHED, move || {
            assert_eq!(black_box(black_box(&published).to_string()).len(), VALID.len());
        }),
    ]
}
