//! Runs `tests/data/*.txt` through every entry point.

use std::fmt::Display;

use traceparent::{ParseError, TraceParent, TraceState, Version};

use crate::common::{
    naive,
    vectors::{self, Vector, read},
};

#[track_caller]
fn assert_verdict(vector: &Vector, ok: impl Display, error: Option<ParseError>) {
    let verdict = match error {
        None => ok.to_string(),
        Some(error) => format!("err {} {} {}", error.kind().as_str(), error.field().as_str(), error.offset()),
    };
    assert_eq!(verdict, vector.verdict, "line {}: {}", vector.line, vector.why);
}

#[test]
fn every_traceparent_has_its_verdict() {
    // W3C 6-10, 30, 33
    for vector in read(vectors::TRACEPARENT) {
        let parsed = TraceParent::parse(&vector.input);
        assert_verdict(&vector, "ok", parsed.err());
        assert_eq!(TraceParent::try_from(&vector.input[..]), parsed, "line {}", vector.line);
        if let Ok(text) = std::str::from_utf8(&vector.input) {
            assert_eq!(text.parse::<TraceParent>(), parsed, "line {}", vector.line);
        }
    }
}

#[test]
fn every_accepted_traceparent_goes_out_as_version_00_with_reserved_bits_zero() {
    // W3C 6, 27, 32
    for vector in read(vectors::TRACEPARENT) {
        let (Ok(parsed), Some((version, trace_id, parent_id, flags))) =
            (TraceParent::parse(&vector.input), naive::traceparent(&vector.input))
        else {
            assert_ne!(vector.verdict, "ok", "line {}", vector.line);
            continue;
        };
        let encoded = parsed.encode();
        assert_eq!(encoded, format!("00-{trace_id:032x}-{parent_id:016x}-{:02x}", flags & 3).as_bytes());
        assert_eq!(parsed.to_string().as_bytes(), encoded);
        assert_eq!(parsed.encode_str(&mut [0; TraceParent::LENGTH]).as_bytes(), encoded);
        assert_eq!(parsed.version().to_u8(), version);

        let again = TraceParent::parse(&encoded).unwrap();
        assert_eq!(again.version(), Version::V00);
        assert_eq!(again.encode(), encoded);
    }
}

#[test]
fn every_tracestate_has_its_verdict() {
    // W3C 45, 46, 48-51
    for vector in read(vectors::TRACESTATE) {
        let parsed = TraceState::parse(&vector.input);
        let members = parsed.as_ref().map(TraceState::len).unwrap_or_default();
        assert_verdict(&vector, format_args!("ok {members}"), parsed.as_ref().err().copied());
        assert_eq!(TraceState::try_from(&vector.input[..]), parsed, "line {}", vector.line);
        if let Ok(text) = std::str::from_utf8(&vector.input) {
            assert_eq!(TraceState::try_from(text), parsed, "line {}", vector.line);
        }
    }
}

#[test]
fn every_accepted_tracestate_goes_out_as_it_came_but_for_white_space_at_its_ends() {
    for vector in read(vectors::TRACESTATE) {
        let Ok(parsed) = TraceState::parse(&vector.input) else { continue };
        let text = std::str::from_utf8(&vector.input).unwrap().trim_matches([' ', '\t']);
        assert_eq!(parsed.to_string(), text, "line {}", vector.line);
        assert_eq!(parsed.iter().count(), parsed.len(), "line {}", vector.line);
    }
}

#[test]
fn the_naive_parsers_agree_with_every_verdict() {
    for vector in read(vectors::TRACEPARENT) {
        assert_eq!(naive::traceparent(&vector.input).is_some(), vector.verdict == "ok", "line {}", vector.line);
    }
    for vector in read(vectors::TRACESTATE) {
        let verdict = naive::tracestate(&vector.input).map(|members| format!("ok {}", members.len()));
        assert_eq!(verdict.is_some(), vector.verdict.starts_with("ok"), "line {}", vector.line);
        assert_eq!(verdict.unwrap_or(vector.verdict.to_owned()), vector.verdict, "line {}", vector.line);
    }
}
