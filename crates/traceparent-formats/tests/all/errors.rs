//! The wording of errors, which users see in logs.

use std::fmt::Display;

use traceparent_formats::{
    Format, FormatError, PropagatorsError, SamplingState, b3, b3_multi, cloud_trace, datadog, grpc_trace_bin, jaeger,
    xray,
};

use crate::common::vectors::{read, values};

#[track_caller]
fn assert_wording<T: std::fmt::Debug>(result: Result<T, impl Display + std::fmt::Debug>, expected: &str) {
    assert_eq!(result.unwrap_err().to_string(), expected);
}

/// F 1.
#[test]
fn errors_name_format_part_rule_and_byte() {
    let datadog = |id| datadog::Fields { trace_id: Some(id), ..datadog::Fields::default() };
    assert_wording(b3::parse(b""), "b3: value is empty at offset 0");
    assert_wording(b3::parse(&[b'0'; 100]), "b3: value is too long: it has to end before offset 68");
    assert_wording(b3::parse(b"00"), "b3: trace-id is too short: it ends at offset 2");
    assert_wording(b3::parse(b"4bf92f3577b34da6"), "b3: span-id is missing");
    assert_wording(b3::parse(b"4BF92F3577B34DA6-"), "b3: upper-case letter in trace-id at offset 1");
    assert_wording(b3::parse(b"0000000000000000-"), "b3: trace-id is all zeroes");
    assert_wording(
        b3_multi::parse(b3_multi::Fields { sampled: Some(b"x"), ..b3_multi::Fields::default() }),
        "b3multi: invalid byte in sampling state at offset 0",
    );
    assert_wording(xray::parse(b"Root"), "xray: pair without an equals sign at offset 4");
    assert_wording(xray::parse(b"Root=2"), "xray: unsupported version at offset 5");
    assert_wording(
        xray::parse(b"Root=1_5759e988-bd862e3fe1be46a994272793"),
        "xray: dash expected in trace-id at offset 6",
    );
    assert_wording(xray::parse(b"Self=1;Self=1"), "xray: pair is repeated");
    assert_wording(xray::parse(b"Parent=0"), "xray: span-id is too short: it ends at offset 8");
    assert_wording(datadog::parse(datadog(b"18446744073709551616")), "datadog: trace-id is out of range");
    assert_wording(
        jaeger::parse(b"1:1:00000000000000000:1"),
        "jaeger: parent span-id is too long: it has to end before offset 20",
    );
    assert_wording(cloud_trace::parse(b"1"), "cloudtrace: trace-id is too short: it ends at offset 1");
    assert_wording(grpc_trace_bin::parse(b"AQ"), "grpc-trace-bin: unsupported version at offset 0");
    let trace_id = [&[0][..], &[7; 16]].concat();
    assert_wording(
        grpc_trace_bin::parse_bytes(&[&[0][..], &trace_id, &trace_id].concat()),
        "grpc-trace-bin: trace-id is repeated",
    );
    assert_wording("w3c".parse::<Format>(), "unknown propagation format");
    assert_wording(
        Format::TraceContext.read(|_| [&b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"[..]]),
        "tracecontext: span-id is all zeroes",
    );
    assert_eq!(PropagatorsError::Unknown { position: 2 }.to_string(), "unknown propagator at position 2");
    assert_eq!(PropagatorsError::NoneBesideOthers.to_string(), "none beside other propagators");
}

#[test]
fn errors_are_small_and_word_every_kind_that_readers_give() {
    assert_eq!(size_of::<FormatError>(), 8);
    for vector in read() {
        let Err(error) = vector.format.read(|name| values(&vector.fields, name)) else { continue };
        let text = error.to_string();
        assert!(!text.contains("is refused"), "{text}");
        assert!(text.starts_with(vector.format.as_str()), "{text}");
    }
}

#[test]
fn labels_of_states_are_stable() {
    for (state, label, sampled) in [
        (SamplingState::Deny, "deny", Some(false)),
        (SamplingState::Accept, "accept", Some(true)),
        (SamplingState::Debug, "debug", Some(true)),
        (SamplingState::Defer, "defer", None),
    ] {
        assert_eq!((state.as_str(), &*state.to_string(), state.is_sampled()), (label, label, sampled));
    }
}

#[test]
fn labels_of_parts_are_padded_as_text() {
    let part = b3::parse(b"2").unwrap_err().part();
    assert_eq!(format!("{part:>16}"), "  sampling state");
    assert_eq!(format!("{:>6}", Format::B3), "    b3");
}
