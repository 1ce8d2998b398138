//! Contexts of other formats through a service on the SDK.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    baggage::BaggageExt,
    propagation::{TextMapCompositePropagator, TextMapPropagator},
    trace::{SpanContext, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_sdk::{
    propagation::BaggagePropagator,
    trace::{SdkTracerProvider, ShouldSample},
};
use traceparent::{
    RandomIdGenerator,
    sampler::{AlwaysOff, AlwaysOn, ParentBased},
};
use traceparent_formats::{Format, Propagators, PropagatorsError};
use traceparent_opentelemetry::{
    FormatsPropagator, SdkIdGenerator, SdkSampler, TraceContextPropagator, propagator_from_names,
};

use crate::common::{TRACE_ID, extract, inject};

#[allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "the tests of the formats use all of it")]
#[path = "../../traceparent-formats/tests/common/vectors.rs"]
mod vectors;

const ALL: Propagators = Propagators::new(&Format::ALL, &Format::ALL);
const SPAN_ID: &str = "00f067aa0ba902b7";

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&str, &str)| (name.parse().unwrap(), value.parse().unwrap());
    fields.iter().map(field).collect::<Vec<(HeaderName, HeaderValue)>>().into_iter().collect()
}

fn provider(sampler: impl ShouldSample + 'static) -> SdkTracerProvider {
    let ids = SdkIdGenerator::new(RandomIdGenerator);
    SdkTracerProvider::builder().with_sampler(sampler).with_id_generator(ids).build()
}

/// Serves a request as services on the SDK do. Returns the context with the span that serves it.
fn serve(propagator: &dyn TextMapPropagator, provider: &SdkTracerProvider, request: &HeaderMap) -> Context {
    let _attached = extract(propagator, request).attach();
    let span = provider.tracer("test").start("serve");
    Context::current_with_span(span)
}

fn ours(root: bool) -> SdkTracerProvider {
    if root {
        provider(SdkSampler::new(ParentBased::new(AlwaysOn)))
    } else {
        provider(SdkSampler::new(ParentBased::new(AlwaysOff)))
    }
}

#[test]
fn every_vector_has_its_verdict_in_a_service() {
    let (on, off) = (ours(true), ours(false));
    let mut served = 0;
    for vector in vectors::read() {
        // `HeaderExtractor` shows visible ASCII, and white space around a value is the carrier's.
        let is_shown =
            |value: &[u8]| value.trim_ascii() == value && value.iter().all(|byte| matches!(byte, b' '..=b'~'));
        if !vector.fields.iter().all(|(_, value)| is_shown(value)) {
            continue;
        }
        let mut request = HeaderMap::new();
        for (name, value) in &vector.fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        let propagator = FormatsPropagator::from(vector.format);
        let parent = extract(&propagator, &request).span().span_context().clone();
        let found = [&on, &off].map(|provider| {
            let cx = serve(&propagator, provider, &request);
            let span = cx.span().span_context().clone();
            let is_debug = inject(&FormatsPropagator::from(Format::B3), &cx)["b3"].as_bytes().ends_with(b"-d");
            (span.trace_id(), span.is_sampled(), is_debug)
        });
        let [(trace_id, on, debug), (_, off, _)] = found;
        let words: Vec<_> = vector.verdict.split_whitespace().collect();
        let (ids, state) = match words[..] {
            ["err", ..] | ["absent"] => (["-", "-"], "defer"),
            [trace_id, span_id, state, ..] => ([trace_id, span_id], state),
            _ => unreachable!(),
        };
        let decision = match (on, off) {
            (true, true) if debug => "debug",
            (true, true) => "accept",
            (false, false) => "deny",
            (true, false) => "defer",
            (false, true) => "neither",
        };
        assert_eq!(decision, state, "line {}", vector.line);
        if ids[0] == "-" {
            assert_ne!(found[0].0, found[1].0, "line {}", vector.line);
        } else {
            assert_eq!(trace_id.to_string(), ids[0], "line {}", vector.line);
        }
        let parent_id = if parent.is_valid() { parent.span_id().to_string() } else { "-".to_owned() };
        assert_eq!(parent_id, ids[1], "line {}", vector.line);
        served += 1;
    }
    assert!(served > 220, "{served}");
}

#[test]
fn what_a_caller_sent_beside_its_ids_goes_out() {
    let hop = |propagators: Propagators, fields: &[(&str, &str)], root| {
        let propagator = FormatsPropagator::new(propagators);
        inject(&propagator, &serve(&propagator, &ours(root), &headers(fields)))
    };
    let root = format!("Root=1-{}-{}", &TRACE_ID[..8], &TRACE_ID[8..]);
    let value = format!("{root};Parent={SPAN_ID};Sampled=1;Lineage=a87bd80c:1");
    let call = hop(Propagators::new(&[Format::XRay], &[Format::XRay]), &[("x-amzn-trace-id", &value)], false);
    let span_id = &call["traceparent"].to_str().unwrap()[36..52];
    assert_eq!(call["x-amzn-trace-id"], format!("{root};Parent={span_id};Sampled=1;Lineage=a87bd80c:1"));

    let datadog = Propagators::new(&[Format::Datadog], &[Format::Datadog]);
    let fields = |priority| {
        [
            ("x-datadog-trace-id", "11803532876627986230"),
            ("x-datadog-parent-id", "67667974448284343"),
            ("x-datadog-tags", "_dd.p.tid=4bf92f3577b34da6,_dd.p.dm=-4"),
            ("x-datadog-origin", "synthetics"),
            priority,
        ]
    };
    let call = hop(datadog, &fields(("x-datadog-sampling-priority", "2")), false);
    assert_eq!(call["x-datadog-sampling-priority"], "2");
    assert_eq!(call["x-datadog-tags"], "_dd.p.tid=4bf92f3577b34da6,_dd.p.dm=-4");
    assert_eq!(call["x-datadog-origin"], "synthetics");
    // F 34: the sampler decided, so who decided before does not go on.
    let call = hop(datadog, &fields(("accept", "*/*")), true);
    assert_eq!(call["x-datadog-sampling-priority"], "1");
    assert_eq!(call["x-datadog-tags"], "_dd.p.tid=4bf92f3577b34da6");

    // Datadog's origin goes on beside W3C Trace Context of the same trace.
    let w3c = [("traceparent", common::SAMPLED), ("tracestate", "dd=s:2")];
    let fields = [&fields(("x-datadog-sampling-priority", "2"))[..], &w3c].concat();
    let call = hop(Propagators::new(&[Format::TraceContext, Format::Datadog], &[Format::Datadog]), &fields, false);
    assert_eq!(
        (&call["tracestate"], &call["x-datadog-origin"]),
        (&"dd=s:2".parse().unwrap(), &"synthetics".parse().unwrap())
    );
}

/// F 3, 11.
#[test]
fn debug_ends_with_the_callers_decision() {
    let b3 = Propagators::new(&[Format::B3], &[Format::B3]);
    let propagator = FormatsPropagator::new(b3);
    let request = headers(&[("b3", &format!("{TRACE_ID}-{SPAN_ID}-d"))]);
    let sent = |provider: &SdkTracerProvider| {
        let call = inject(&propagator, &serve(&propagator, provider, &request));
        call["b3"].to_str().unwrap()[50..].to_owned()
    };
    assert_eq!(sent(&ours(false)), "d");
    assert_eq!(sent(&provider(SdkSampler::new(AlwaysOff))), "0");
}

/// F 2.
#[test]
fn no_foreign_header_vouches_for_a_random_trace_id() {
    let flags = |fields: &[(&str, &str)]| {
        let propagator = FormatsPropagator::new(ALL);
        let call = inject(&propagator, &serve(&propagator, &ours(true), &headers(fields)));
        call["traceparent"].to_str().unwrap()[53..].to_owned()
    };
    let b3 = format!("{TRACE_ID}-{SPAN_ID}-1");
    assert_eq!(flags(&[("b3", &b3)]), "01");
    assert_eq!(flags(&[("x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793")]), "01");
    assert_eq!(flags(&[("traceparent", &common::SAMPLED.replace("-01", "-03"))]), "03");
    // The IDs of traces that start here are random, whoever decided about them.
    for started in [&[][..], &[("b3", "1")], &[("b3", "d")], &[("x-amzn-trace-id", "Sampled=1")]] {
        assert_eq!(flags(started), "03", "{started:?}");
    }
}

#[test]
fn the_sdks_own_sampler_and_ids_lose_what_their_types_cannot_hold() {
    let sdk = SdkTracerProvider::default();
    let propagator = FormatsPropagator::new(ALL);
    let serve = |fields: &[(&str, &str)]| {
        let cx = serve(&propagator, &sdk, &headers(fields));
        (cx.span().span_context().trace_id().to_string(), inject(&propagator, &cx))
    };
    let (trace_id, call) = serve(&[("b3", &format!("{TRACE_ID}-{SPAN_ID}"))]);
    assert_eq!((trace_id.as_str(), call["b3"].as_bytes().last()), (TRACE_ID, Some(&b'0')));
    let (trace_id, call) = serve(&[("x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=1:1")]);
    assert_ne!(trace_id, "5759e988bd862e3fe1be46a994272793");
    // What came in with another trace stays there.
    assert!(!call["x-amzn-trace-id"].to_str().unwrap().contains("Lineage"));
    let (_, call) = serve(&[("b3", "0")]);
    assert_eq!(call["b3"].as_bytes().last(), Some(&b'1'));
}

#[test]
fn an_ids_generator_continues_only_the_attached_root() {
    let propagator = FormatsPropagator::new(ALL);
    let request = headers(&[("x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793")]);
    let (root, provider) = ("5759e988bd862e3fe1be46a994272793", ours(true));
    let tracer = provider.tracer("test");
    let trace_of = |cx: &Context| cx.span().span_context().trace_id().to_string();

    let served = serve(&propagator, &provider, &request);
    assert_eq!(trace_of(&served), root);
    let _attached = served.attach();
    let child = tracer.start("child");
    assert_eq!(trace_of(&Context::current_with_span(child)), root);
    // A trace that starts beside it has an ID of its own.
    let other = tracer.start_with_context("other", &Context::new());
    assert_ne!(trace_of(&Context::new().with_span(other)), root);
}

#[test]
fn a_context_with_a_span_is_replaced() {
    let propagator = FormatsPropagator::new(ALL);
    let before = extract(&propagator, &headers(&[("traceparent", common::SAMPLED)]));
    let request = headers(&[("x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793")]);
    let cx = propagator.extract_with_context(&before, &opentelemetry_http::HeaderExtractor(&request));
    assert_eq!(*cx.span().span_context(), SpanContext::NONE);
    let refused = headers(&[("b3", "junk")]);
    let cx = propagator.extract_with_context(&before, &opentelemetry_http::HeaderExtractor(&refused));
    assert_eq!(cx.span().span_context().trace_id().to_string(), TRACE_ID);
}

#[test]
fn every_format_works_alone_beside_baggage() {
    for format in Format::ALL {
        let composite = TextMapCompositePropagator::new(vec![
            Box::new(FormatsPropagator::from(format)),
            Box::new(BaggagePropagator::new()),
        ]);
        let mut fields: Vec<_> = composite.fields().collect();
        fields.sort_unstable();
        let mut names: Vec<_> = format.field_names().iter().copied().chain(["baggage"]).collect();
        names.sort_unstable();
        assert_eq!(fields, names);

        let before = extract(&TraceContextPropagator::new(), &headers(&[("traceparent", common::SAMPLED)]));
        let mut call = inject(&composite, &before);
        assert!(call.keys().all(|name| format.field_names().contains(&name.as_str())), "{format}: {call:?}");
        call.append("baggage", "user=42".parse().unwrap());
        let after = extract(&composite, &call);
        let (before, span) = (before.span(), after.span());
        assert_eq!(span.span_context().span_id(), before.span_context().span_id(), "{format}");
        assert_eq!(after.baggage().get("user").unwrap().as_str(), "42");
    }
}

#[test]
fn names_of_the_environment_make_a_propagator() {
    let fields = |list: &str| {
        let propagator = propagator_from_names(list)?;
        let mut fields: Vec<_> = propagator.fields().map(str::to_owned).collect();
        fields.sort_unstable();
        Ok::<_, PropagatorsError>(fields.join(" "))
    };
    assert_eq!(fields("").as_deref(), Ok("baggage traceparent tracestate"));
    assert_eq!(fields(" , ").as_deref(), Ok("baggage traceparent tracestate"));
    assert_eq!(fields("tracecontext").as_deref(), Ok("traceparent tracestate"));
    assert_eq!(fields("baggage, tracecontext ,jaeger").as_deref(), Ok("baggage traceparent tracestate uber-trace-id"));
    assert_eq!(fields("none").as_deref(), Ok(""));
    assert_eq!(fields("none,baggage"), Err(PropagatorsError::NoneBesideOthers));
    assert_eq!(fields("tracecontext,B3"), Err(PropagatorsError::Unknown { position: 2 }));

    // The order of the names is the order of reading.
    let request = headers(&[("traceparent", common::SAMPLED), ("uber-trace-id", "1:2:0:0")]);
    for (list, sampled) in [("tracecontext,jaeger", true), ("jaeger,tracecontext", false)] {
        let cx = extract(&propagator_from_names(list).unwrap(), &request);
        assert_eq!(cx.span().span_context().is_sampled(), sampled, "{list}");
    }
}
