//! The names of fields that belong to a trace.

use traceparent_formats::{Format, KNOWN_FIELDS, is_trace_field};

/// F 12.
#[test]
fn the_known_fields_are_those_of_all_formats_and_two_more() {
    let mut known = KNOWN_FIELDS.to_vec();
    let of_formats = Format::ALL.iter().flat_map(|format| format.field_names()).copied();
    let mut expected: Vec<_> = of_formats.chain(["_x_amzn_trace_id", "baggage"]).collect();
    known.sort_unstable();
    expected.sort_unstable();
    assert_eq!(known, expected);
    assert!(known.iter().all(|name| name.bytes().all(|byte| !byte.is_ascii_uppercase())));
}

/// F 12.
#[test]
fn fields_of_a_trace_are_the_known_ones_those_of_other_systems_and_baggage() {
    for name in KNOWN_FIELDS {
        assert!(is_trace_field(name), "{name}");
    }
    for name in ["traceresponse", "sentry-trace", "newrelic", "sw8", "sw8-correlation", "sw8-x", "x-instana-s"] {
        assert!(is_trace_field(name), "{name}");
    }
    for name in ["x-b3-new", "x-datadog-new", "ot-tracer-new", "ot-baggage-user", "uberctx-user"] {
        assert!(is_trace_field(name), "{name}");
    }
    for name in ["", "b", "b3-", "x-b3", "ot-tracer", "baggages", "Traceparent", "x-uberctx-user", "x-request-id"] {
        assert!(!is_trace_field(name), "{name}");
    }
}
