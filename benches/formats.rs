use std::hint::black_box;

use older_opentelemetry as older;
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::TraceContextExt,
};
use opentelemetry_propagator_b3::B3Encoding;
use traceparent::{SpanId, TraceId};
use traceparent_formats::{Format, LocalContext};

use crate::{OURS, Operation};

const TRACE_ID: &str = "0000000000000000a3ce929d0e0e4736";
const SPAN_ID: &str = "00f067aa0ba902b7";

/// The fields of a request: one context in every format, of a trace-id that all of them hold.
#[inline(always)]
fn field(name: &str) -> Option<&'static str> {
    // What is hidden is the place of the text: to hide an address and a length puts both on the stack, where reading them
    // at once waits for the writing of each.
    let value: &'static &'static str = match name {
        "b3" => &"0000000000000000a3ce929d0e0e4736-00f067aa0ba902b7-1",
        "x-b3-traceid" => &TRACE_ID,
        "x-b3-spanid" => &SPAN_ID,
        "x-b3-sampled" => &"1",
        "x-amzn-trace-id" => &"Root=1-00000000-00000000a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1",
        "x-datadog-trace-id" => &"11803532876627986230",
        "x-datadog-parent-id" => &"67667974448284343",
        "x-datadog-sampling-priority" => &"1",
        "uber-trace-id" => &"0000000000000000a3ce929d0e0e4736:00f067aa0ba902b7:0:1",
        _ => return None,
    };
    Some(*black_box(value))
}

/// A carrier with these fields, which costs every library the same.
struct Fields;

impl Extractor for Fields {
    fn get(&self, key: &str) -> Option<&str> {
        field(key)
    }

    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
}

impl older::propagation::Extractor for Fields {
    fn get(&self, key: &str) -> Option<&str> {
        field(key)
    }

    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// Takes fields and does nothing with them.
struct Sink;

impl Injector for Sink {
    fn set(&mut self, _: &str, value: String) {
        assert!(!black_box(value).is_empty());
    }
}

impl older::propagation::Injector for Sink {
    fn set(&mut self, _: &str, value: String) {
        assert!(!black_box(value).is_empty());
    }
}

/// Ours for one format, as a program names it.
macro_rules! ours {
    ($format:expr) => {{
        let span_id = SpanId::from_static(SPAN_ID);
        let context = LocalContext::new(TraceId::from_static(TRACE_ID), span_id, true);
        let read = move || {
            let read = $format.read(|name| field(name).map(str::as_bytes));
            assert_eq!(black_box(read).unwrap().unwrap().span_id(), Some(span_id));
        };
        let write = move || {
            $format.write(black_box(&context), |_, value| {
                assert!(black_box(value).is_none_or(|value| !value.is_empty()));
            });
        };
        [
            Operation::new(format!("{}, read", $format), OURS, read),
            Operation::new(format!("{}, write", $format), OURS, write),
        ]
    }};
}

/// Datadog's fields with both halves of the trace-id, one of them in a tag. No other library here reads or writes tags.
fn datadog_tags() -> [Operation; 2] {
    let (trace_id, span_id) = (TraceId::from_static("4bf92f3577b34da6a3ce929d0e0e4736"), SpanId::from_static(SPAN_ID));
    let fields = |name: &str| match name {
        "x-datadog-tags" => Some(*black_box(&"_dd.p.dm=-1,_dd.p.tid=4bf92f3577b34da6")),
        _ => field(name),
    };
    let read = move || {
        let read = Format::Datadog.read(|name| fields(name).map(str::as_bytes));
        assert_eq!(black_box(read).unwrap().unwrap().trace_id(), Some(trace_id));
    };
    let context = LocalContext::new(trace_id, span_id, true);
    let write = move || {
        Format::Datadog.write(black_box(&context), |_, value| {
            assert!(black_box(value).is_none_or(|value| !value.is_empty()));
        });
    };
    [
        Operation::new("datadog with 128 bits, read", OURS, read),
        Operation::new("datadog with 128 bits, write", OURS, write),
    ]
}

fn theirs(format: Format, library: &'static str, propagator: impl TextMapPropagator + 'static) -> [Operation; 2] {
    let context = propagator.extract_with_context(&Context::new(), &Fields);
    let propagator = std::rc::Rc::new(propagator);
    let reader = std::rc::Rc::clone(&propagator);
    let read = move || {
        let context = reader.extract_with_context(&Context::new(), &Fields);
        assert!(black_box(context).span().span_context().is_valid());
    };
    let write = move || propagator.inject_context(black_box(&context), &mut Sink);
    [
        Operation::new(format!("{format}, read"), library, read),
        Operation::new(format!("{format}, write"), library, write),
    ]
}

fn older(
    format: Format,
    library: &'static str,
    propagator: impl older::propagation::TextMapPropagator + 'static,
) -> [Operation; 2] {
    use older::trace::TraceContextExt;

    let context = propagator.extract_with_context(&older::Context::new(), &Fields);
    let propagator = std::rc::Rc::new(propagator);
    let reader = std::rc::Rc::clone(&propagator);
    let read = move || {
        let context = reader.extract_with_context(&older::Context::new(), &Fields);
        assert!(black_box(context).span().span_context().is_valid());
    };
    let write = move || propagator.inject_context(black_box(&context), &mut Sink);
    [
        Operation::new(format!("{format}, read"), library, read),
        Operation::new(format!("{format}, write"), library, write),
    ]
}

/// Every format that another crate has: from fields to IDs, and from IDs to fields.
#[allow(deprecated, reason = "people still run what their authors have given up")]
pub(crate) fn operations() -> Vec<Operation> {
    let b3 = opentelemetry_propagator_b3::Propagator::with_encoding;
    let library = "opentelemetry-propagator-b3";
    let mut all = Vec::new();
    all.extend(ours!(Format::B3));
    all.extend(theirs(Format::B3, library, b3(B3Encoding::SingleHeader)));
    all.extend(ours!(Format::B3Multi));
    all.extend(theirs(Format::B3Multi, library, b3(B3Encoding::MultipleHeader)));
    all.extend(ours!(Format::XRay));
    all.extend(theirs(Format::XRay, "opentelemetry-aws", opentelemetry_aws::trace::XrayPropagator::new()));
    all.extend(ours!(Format::Datadog));
    let datadog = opentelemetry_datadog::DatadogPropagator::new();
    all.extend(older(Format::Datadog, "opentelemetry-datadog", datadog));
    all.extend(datadog_tags());
    all.extend(ours!(Format::Jaeger));
    let jaeger = opentelemetry_jaeger_propagator::Propagator::new();
    all.extend(older(Format::Jaeger, "opentelemetry-jaeger-propagator", jaeger));
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}
