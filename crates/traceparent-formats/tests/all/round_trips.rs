//! What is written is read back, by every format and within every format's bounds.

use proptest::prelude::*;
use traceparent::{SpanId, TraceId};
use traceparent_formats::{
    Carried, Format, LocalContext, RemoteContext, SamplingState, b3, cloud_trace, datadog, grpc_trace_bin, jaeger, xray,
};

use crate::common::vectors::{Message, values};

const TRACE_ID: TraceId = TraceId::from_static("4bf92f3577b34da6a3ce929d0e0e4736");
const SPAN_ID: SpanId = SpanId::from_static("00f067aa0ba902b7");

/// The fields that are written, and the names of those that are removed.
fn write(format: Format, context: &LocalContext<'_>) -> (Message, Vec<&'static str>) {
    let (mut message, mut removed) = (Message::new(), Vec::new());
    format.write(context, |name, value| match value {
        Some(value) => message.push((name.to_owned(), value.as_bytes().to_vec())),
        None => removed.push(name),
    });
    (message, removed)
}

fn text(format: Format, context: &LocalContext<'_>) -> String {
    let (message, removed) = write(format, context);
    let set = message.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)));
    set.chain(removed.iter().map(|name| format!("no {name}"))).collect::<Vec<_>>().join("\n")
}

fn read(format: Format, message: &Message) -> RemoteContext<'_> {
    format.read(|name| values(message, name)).unwrap().unwrap()
}

/// F 17, 22, 28, 34, 38, 41, 44, 46.
#[test]
fn every_format_is_written_as_its_text_has_it() {
    let sampled = LocalContext::new(TRACE_ID, SPAN_ID, true);
    let dropped = LocalContext::new(TRACE_ID, SPAN_ID, false);
    let debug = sampled.with_carried(Carried::EMPTY.with_debug(true));
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    for (format, context, expected) in [
        (Format::TraceContext, sampled, format!("traceparent: 00-{id}-00f067aa0ba902b7-01\nno tracestate")),
        (Format::B3, sampled, format!("b3: {id}-00f067aa0ba902b7-1")),
        (Format::B3, dropped, format!("b3: {id}-00f067aa0ba902b7-0")),
        (Format::B3, debug, format!("b3: {id}-00f067aa0ba902b7-d")),
        (
            Format::B3Multi,
            sampled,
            format!(
                "x-b3-traceid: {id}\nx-b3-spanid: 00f067aa0ba902b7\nx-b3-sampled: 1\nno x-b3-parentspanid\nno x-b3-flags"
            ),
        ),
        (
            Format::B3Multi,
            debug,
            format!(
                "x-b3-traceid: {id}\nx-b3-spanid: 00f067aa0ba902b7\nx-b3-flags: 1\nno x-b3-parentspanid\nno x-b3-sampled"
            ),
        ),
        (
            Format::XRay,
            dropped,
            "x-amzn-trace-id: Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=0".to_owned(),
        ),
        (
            Format::Datadog,
            debug,
            "x-datadog-trace-id: 11803532876627986230\nx-datadog-parent-id: 67667974448284343\n\
             x-datadog-sampling-priority: 2\nx-datadog-tags: _dd.p.tid=4bf92f3577b34da6\nno x-datadog-origin"
                .to_owned(),
        ),
        (Format::Jaeger, sampled, format!("uber-trace-id: {id}:00f067aa0ba902b7:0:1")),
        (Format::Jaeger, dropped, format!("uber-trace-id: {id}:00f067aa0ba902b7:0:0")),
        (Format::Jaeger, debug, format!("uber-trace-id: {id}:00f067aa0ba902b7:0:3")),
        (Format::GrpcTraceBin, sampled, "grpc-trace-bin: AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE".to_owned()),
        (Format::CloudTrace, sampled, format!("x-cloud-trace-context: {id}/67667974448284343;o=1")),
        (Format::CloudTrace, dropped, format!("x-cloud-trace-context: {id}/67667974448284343;o=0")),
        (
            Format::OtTracer,
            sampled,
            "ot-tracer-traceid: a3ce929d0e0e4736\not-tracer-spanid: 00f067aa0ba902b7\not-tracer-sampled: true"
                .to_owned(),
        ),
    ] {
        assert_eq!(text(format, &context), expected);
    }
}

#[test]
fn a_written_value_is_text_in_every_view() {
    let value = b3::encode(&LocalContext::new(TRACE_ID, SPAN_ID, true));
    let text = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1";
    assert_eq!((value.as_str(), value.as_ref(), value.as_bytes()), (text, text, text.as_bytes()));
    assert_eq!(format!("{value:>52}|{value:?}"), format!(" {text}|Encoded(\"{text}\")"));
}

#[test]
fn lengths_are_those_of_the_longest_values() {
    let highest = TraceId::from_u128(u128::MAX).unwrap();
    let context = LocalContext::new(highest, SpanId::from_u64(u64::MAX).unwrap(), true);
    let (trace_id, span_id) = ("f".repeat(32), "f".repeat(16));
    assert_eq!(b3::encode(&context).as_bytes().len(), b3::LENGTH);
    assert_eq!(format!("{trace_id}-{span_id}-1-{span_id}").len(), b3::MAX_LENGTH);
    assert_eq!(jaeger::encode(&context).as_bytes().len(), jaeger::LENGTH);
    assert_eq!(format!("{trace_id}%3A{span_id}%3A{span_id}%3A01").len(), jaeger::MAX_LENGTH);
    assert_eq!(cloud_trace::encode(&context).as_bytes().len() + "55".len(), cloud_trace::MAX_LENGTH);
    assert_eq!(grpc_trace_bin::encode_bytes(&context).len(), grpc_trace_bin::BYTES);
    assert_eq!(grpc_trace_bin::encode(&context).as_bytes().len(), grpc_trace_bin::LENGTH);
    assert_eq!(xray::encode(&context).as_bytes().len() + xray::MAX_CARRIED, xray::MAX_WRITTEN);
    assert_eq!((xray::MAX_LENGTH, xray::MAX_CARRIED, datadog::MAX_LENGTH), (4096, 256, 512));
}

/// F 29, 31, 34, 41.
#[test]
fn decimal_ids_are_written_and_read_as_rust_has_them() {
    let powers = (0..20).map(|exponent| 10_u64.pow(exponent)).chain([u64::MAX]);
    let edges = powers.flat_map(|power| [power - 1, power, power.wrapping_add(1)]);
    for number in
        edges.filter(|number| *number != 0).chain((1..2000).map(|i| 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(i)))
    {
        let (trace_id, span_id) = (TraceId::from_u128(number.into()).unwrap(), SpanId::from_u64(number).unwrap());
        let context = LocalContext::new(trace_id, span_id, true);
        let (message, _) = write(Format::Datadog, &context);
        assert_eq!(values(&message, "x-datadog-trace-id").next().unwrap(), number.to_string().as_bytes());
        assert_eq!(values(&message, "x-datadog-parent-id").next().unwrap(), number.to_string().as_bytes());
        assert_eq!(text(Format::CloudTrace, &context), format!("x-cloud-trace-context: {trace_id}/{number};o=1"));
        for format in [Format::Datadog, Format::CloudTrace] {
            let (message, _) = write(format, &context);
            assert_eq!(read(format, &message).span_id(), Some(span_id));
        }
    }
}

/// F 11.
#[test]
fn debug_is_not_written_where_the_trace_is_not_sampled() {
    let context = LocalContext::new(TRACE_ID, SPAN_ID, false).with_carried(Carried::EMPTY.with_debug(true));
    assert!(!context.is_debug());
    assert!(b3::encode(&context).as_str().ends_with("-0"));
}

/// F 34, 46.
#[test]
fn a_trace_id_without_a_lower_half_removes_the_fields_that_cannot_hold_it() {
    let id = TraceId::from_u128(1 << 64).unwrap();
    for format in [Format::Datadog, Format::OtTracer] {
        let (message, removed) = write(format, &LocalContext::new(id, SPAN_ID, true));
        assert_eq!((message, &removed[..]), (Message::new(), format.field_names()));
    }
}

/// F 17.
#[test]
fn old_peers_get_16_digits_where_the_upper_half_is_zero() {
    let short = LocalContext::new(TraceId::from_u128(0xab).unwrap(), SPAN_ID, true);
    assert_eq!(b3::encode_short(&short).as_str(), "00000000000000ab-00f067aa0ba902b7-1");
    assert_eq!(b3::encode(&short).as_str(), "000000000000000000000000000000ab-00f067aa0ba902b7-1");
    assert!(text(Format::B3Multi, &short).starts_with("x-b3-traceid: 000000000000000000000000000000ab\n"));
    let highest = LocalContext::new(TraceId::from_u128(u64::MAX.into()).unwrap(), SPAN_ID, true);
    assert_eq!(b3::encode_short(&highest).as_str(), "ffffffffffffffff-00f067aa0ba902b7-1");
    let long = LocalContext::new(TRACE_ID, SPAN_ID, true);
    assert_eq!(b3::encode_short(&long), b3::encode(&long));
}

/// F 27.
#[test]
fn x_ray_pairs_go_on_whole_and_within_256_bytes() {
    let value = format!(
        "Root=1-5759e988-bd862e3fe1be46a994272793;A={};B={};Lineage=a:1;Self=x",
        "a".repeat(240),
        "b".repeat(12)
    );
    let carried = xray::parse(value.as_bytes()).unwrap().carried();
    let written = xray::encode(&LocalContext::new(TRACE_ID, SPAN_ID, true).with_carried(carried));
    let own = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1";
    // The second pair would be the 258th byte, the third fits.
    assert_eq!(written.as_str(), format!("{own};A={};Lineage=a:1", "a".repeat(240)));
    assert_eq!(written.as_bytes().len(), own.len() + 243 + 12);
}

/// F 32, 34.
#[test]
fn datadog_values_go_on_with_the_decision_they_belong_to() {
    let fields: Message = [
        ("x-datadog-trace-id", "1"),
        ("x-datadog-sampling-priority", "7"),
        ("x-datadog-tags", "_dd.p.dm=-4,_dd.p.tid=4bf92f3577b34da6,_dd.p.a=b=c,other=1"),
        ("x-datadog-origin", "synthetics"),
    ]
    .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
    .into();
    let carried = read(Format::Datadog, &fields).carried();
    let sent = |carried, sampled| {
        let (message, _) = write(Format::Datadog, &LocalContext::new(TRACE_ID, SPAN_ID, sampled).with_carried(carried));
        let values = message.into_iter().skip(2).map(|(_, value)| String::from_utf8(value).unwrap());
        values.collect::<Vec<_>>()
    };
    let tid = "_dd.p.tid=4bf92f3577b34da6";
    assert_eq!(sent(carried, true), ["7", &format!("{tid},_dd.p.dm=-4,_dd.p.a=b=c"), "synthetics"]);
    assert_eq!(sent(carried, false)[0], "0");
    assert_eq!(sent(carried.without_decision(), true), ["1", &format!("{tid},_dd.p.a=b=c"), "synthetics"]);
    assert_eq!(sent(carried.with_debug(true), true)[0], "2");
}

/// F 32.
#[test]
fn datadog_priorities_go_on_as_they_were_received_with_the_same_decision() {
    for priority in [i64::MIN, -7, -1, 0, 1, 2, 3, 10, i64::MAX] {
        let fields: Message = [("x-datadog-trace-id", "1"), ("x-datadog-sampling-priority", &priority.to_string())]
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into();
        let context = read(Format::Datadog, &fields);
        assert_eq!(context.state().is_sampled(), Some(priority > 0));
        let other = i64::from(priority <= 0);
        for (sampled, expected) in [(priority > 0, priority), (priority <= 0, other)] {
            let context = LocalContext::new(TRACE_ID, SPAN_ID, sampled).with_carried(context.carried());
            let (message, _) = write(Format::Datadog, &context);
            assert_eq!(message[2], ("x-datadog-sampling-priority".to_owned(), expected.to_string().into_bytes()));
        }
    }
}

/// F 34.
#[test]
fn datadog_tags_fill_512_bytes_and_no_more() {
    let tid = "_dd.p.tid=4bf92f3577b34da6";
    for (length, goes_on) in [(485, true), (486, false)] {
        let tag = format!("_dd.p.a={}", "a".repeat(length - 8));
        let fields: Message = [("x-datadog-trace-id", "1"), ("x-datadog-tags", &tag)]
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into();
        let carried = read(Format::Datadog, &fields).carried();
        let (message, _) = write(Format::Datadog, &LocalContext::new(TRACE_ID, SPAN_ID, true).with_carried(carried));
        let expected = if goes_on { format!("{tid},{tag}") } else { tid.to_owned() };
        assert_eq!(message[3], ("x-datadog-tags".to_owned(), expected.into_bytes()));
    }
}

/// F 34.
#[test]
fn datadog_tags_go_on_whole_and_within_512_bytes() {
    let tags = format!("_dd.p.a={},_dd.p.b={}", "a".repeat(460), "b".repeat(20));
    let fields: Message = [("x-datadog-trace-id", "1"), ("x-datadog-tags", &tags)]
        .map(|(name, value)| (name.to_owned(), value.into()))
        .into();
    let carried = read(Format::Datadog, &fields).carried();
    let context = LocalContext::new(TRACE_ID, SPAN_ID, true).with_carried(carried);
    let (message, _) = write(Format::Datadog, &context);
    let expected = format!("_dd.p.tid=4bf92f3577b34da6,_dd.p.a={}", "a".repeat(460));
    assert_eq!(message[3], ("x-datadog-tags".to_owned(), expected.into_bytes()));
    let short = LocalContext::new(TraceId::from_u128(1).unwrap(), SPAN_ID, true).with_carried(carried);
    let (message, _) = write(Format::Datadog, &short);
    assert_eq!(message[3], ("x-datadog-tags".to_owned(), tags.into_bytes()));
}

#[test]
fn an_origin_that_is_no_text_or_too_long_does_not_go_on() {
    let longest = "o".repeat(512);
    for (origin, expected) in [
        ("rum".to_owned(), Some("rum")),
        ("a\u{7f}".to_owned(), None),
        (longest.clone(), Some(&*longest)),
        ("o".repeat(513), None),
    ] {
        let fields: Message = [("x-datadog-trace-id", "1"), ("x-datadog-origin", &origin)]
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into();
        assert_eq!(read(Format::Datadog, &fields).carried().datadog_origin(), expected);
    }
}

proptest! {
    /// F 11, 44.
    #[test]
    fn every_format_reads_what_it_writes(id in 1_u128.., span in 1_u64.., sampled: bool, debug: bool) {
        let (trace_id, span_id) = (TraceId::from_u128(id).unwrap(), SpanId::from_u64(span).unwrap());
        let context = LocalContext::new(trace_id, span_id, sampled).with_carried(Carried::EMPTY.with_debug(debug));
        for format in Format::ALL {
            let (message, removed) = write(format, &context);
            let names = message.iter().map(|(name, _)| name.as_str()).chain(removed.iter().copied());
            let mut names: Vec<_> = names.collect();
            let mut expected = format.field_names().to_vec();
            names.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(names, expected);
            if message.is_empty() {
                prop_assert_eq!(id as u64, 0);
                continue;
            }
            let back = read(format, &message);
            let id = if format == Format::OtTracer { u128::from(id as u64) } else { id };
            prop_assert_eq!(back.trace_id().unwrap().to_u128(), id);
            prop_assert_eq!(back.span_id(), Some(span_id));
            let can_debug = matches!(format, Format::B3 | Format::B3Multi | Format::Jaeger);
            let state = match (sampled, debug) {
                (false, _) => SamplingState::Deny,
                (true, true) if can_debug => SamplingState::Debug,
                (true, _) => SamplingState::Accept,
            };
            prop_assert_eq!(back.state(), state);
        }
        let bytes = grpc_trace_bin::encode_bytes(&context);
        prop_assert_eq!(grpc_trace_bin::parse_bytes(&bytes).unwrap().trace_id(), Some(trace_id));
    }
}
