use traceparent::{Incoming, TraceParent, TraceState};
use traceparent_formats::Format;

use super::*;
use crate::terminal::Style;

#[path = "../../../traceparent/tests/common/vectors.rs"]
#[allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "other tests use all of it")]
mod core_vectors;

#[path = "../../../traceparent-formats/tests/common/vectors.rs"]
#[allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "other tests use all of it")]
mod formats_vectors;

fn of(name: &'static str, value: &[u8]) -> Report {
    let headers = Headers { all: vec![Header { name, value: value.to_vec() }], ..Headers::default() };
    explain(&headers, None, None).unwrap()
}

/// What the line of a vector file says: `ok ...` or `err kind part offset`.
fn verdict(report: &Report) -> String {
    match &report.headers[0].error {
        Some(error) => format!("err {} {} {}", error.kind, error.part, error.offset),
        None => "ok".to_owned(),
    }
}

#[test]
fn every_vector_of_the_core_is_refused_by_the_same_rule() {
    let mut refused = 0;
    for (name, file) in [("traceparent", core_vectors::TRACEPARENT), ("tracestate", core_vectors::TRACESTATE)] {
        for vector in core_vectors::read(file) {
            let report = of(name, &vector.input);
            let expected = if vector.verdict.starts_with("ok") { "ok" } else { vector.verdict };
            assert_eq!(verdict(&report), expected, "{name} line {}: {}", vector.line, vector.why);
            let Some(error) = &report.headers[0].error else { continue };
            refused += 1;
            let library = if name == "traceparent" {
                TraceParent::parse(&vector.input).unwrap_err()
            } else {
                TraceState::parse(&vector.input).unwrap_err()
            };
            assert_eq!(error.message, library.to_string());
            assert!(error.rule.requirement.starts_with("W3C "));
            assert!(error.rule.link.starts_with("https://www.w3.org/TR/trace-context-2/"));
            let text = render(&report, Style::PLAIN);
            assert!(text.contains(error.rule.link) && text.contains(&error.message), "{text}");
        }
    }
    assert!(refused > 150, "{refused}");
}

#[test]
fn every_vector_of_the_formats_is_refused_by_the_same_rule() {
    let mut refused = 0;
    for formats_vectors::Vector { line, format, fields, verdict: expected, .. } in formats_vectors::read() {
        let all = fields.into_iter().map(|(name, value)| {
            let name = crate::headers::known(name.as_bytes()).unwrap();
            Header { name, value }
        });
        let headers = Headers { all: all.collect(), ..Headers::default() };
        // The core names the parts of a traceparent itself.
        if headers.all.is_empty() || format == Format::TraceContext {
            continue;
        }
        let report = explain(&headers, None, None).unwrap();
        assert_eq!(report.headers[0].format, format.as_str());
        let expected = if expected.starts_with("err") { expected.as_str() } else { "ok" };
        assert_eq!(verdict(&report), expected, "line {line}");
        refused += usize::from(expected != "ok");
        if let Some(error) = &report.headers[0].error {
            assert!(error.rule.requirement.starts_with("F "), "line {line}");
        }
        let text = render(&report, Style::PLAIN);
        assert!(text.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~')), "{text}");
    }
    assert!(refused > 80, "{refused}");
}

#[test]
fn the_caret_is_under_the_refusing_byte() {
    let text = render(&of("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e473\xe9-00f067aa0ba902b7-01"), Style::PLAIN);
    let mut lines = text.lines();
    let (value, caret) = (lines.next().unwrap(), lines.next().unwrap());
    assert_eq!(caret.trim_start(), "^^^^");
    assert_eq!(value.get(caret.find('^').unwrap()..caret.len()), Some(r"\xe9"));
}

#[test]
fn of_two_traceparents_the_second_is_marked() {
    let value = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = Headers::parse(format!("traceparent: {value}\ntraceparent: {value}").as_bytes());
    let report = explain(&headers, None, None).unwrap();
    let error = report.headers[0].error.as_ref().unwrap();
    assert_eq!((error.kind, error.field, error.byte), ("repeated", 1, 0));
    let library = Incoming::from_fields([value, value], []);
    assert_eq!(error.message, library.error().unwrap().to_string());
}
