//! Several formats on header maps, and a boundary that lets none of them past.
#![allow(clippy::unwrap_used, missing_docs)]

use http::{HeaderMap, HeaderName, HeaderValue};
use traceparent::{
    IdsFrom, Incoming, Policy, Trust,
    sampler::{Sampler, SamplingInput, SamplingResult},
};
use traceparent_formats::{Carried, Format, KNOWN_FIELDS, Propagators};
use traceparent_http::{Egress, extract, extract_formats, inject_formats, strip_all};

#[allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "the tests of the formats use all of it")]
#[path = "../../traceparent-formats/tests/common/vectors.rs"]
mod vectors;

const ALL: Propagators = Propagators::new(&Format::ALL, &Format::ALL);

struct Drops;

impl Sampler for Drops {
    fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
        SamplingResult::DROP
    }
}

fn headers(fields: &[(String, Vec<u8>)]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value).ok()?);
    }
    Some(headers)
}

#[test]
fn every_vector_has_its_verdict_on_a_header_map() {
    let mut read = 0;
    for vector in vectors::read() {
        // A header value holds no control but the tab, and white space around it is the carrier's.
        let is_bare = vector.fields.iter().all(|(_, value)| value.trim_ascii() == value);
        let Some(headers) = headers(&vector.fields).filter(|_| is_bare) else { continue };
        let extracted = extract_formats(&Propagators::new(&[vector.format], &[]), &headers);
        let refused = extracted.refused().next();
        let answer = refused.map_or_else(|| Ok(extracted.context()), Err);
        // The core reads `traceparent` and reports its own error, whose part is the same.
        assert_eq!(vectors::verdict(vector.format, &answer), vector.verdict, "line {}", vector.line);
        read += 1;
    }
    assert!(read > 230, "{read}");
}

/// F 12.
#[test]
fn what_is_written_replaces_what_is_stale_and_is_read_back() {
    for format in Format::ALL {
        let propagators = Propagators::new(&[format, Format::Jaeger], &[format]);
        let outgoing = Policy::new(Drops).apply(Incoming::Absent, &IdsFrom::new(|| 7));
        let mut headers = HeaderMap::new();
        for name in KNOWN_FIELDS {
            headers.append(name, HeaderValue::from_static("stale"));
            headers.append(name, HeaderValue::from_static("stale"));
        }
        inject_formats(&propagators, &outgoing, Carried::EMPTY, &mut headers);
        for name in propagators.field_names() {
            assert!(headers.get_all(name).iter().all(|value| value != "stale"), "{format}: {name}");
        }
        let untouched = KNOWN_FIELDS.iter().filter(|name| propagators.field_names().all(|used| used != **name));
        for name in untouched {
            assert_eq!(headers.get_all(*name).iter().filter(|value| *value == "stale").count(), 2, "{format}: {name}");
        }
        let back = extract_formats(&propagators, &headers);
        assert_eq!(back.format(), Some(format));
        assert_eq!(back.context().unwrap().span_id(), Some(outgoing.span_id()));
        assert_eq!(extract(&headers).context().unwrap().traceparent, outgoing.traceparent());
    }
}

#[test]
fn one_format_alone_leaves_the_others_alone() {
    let outgoing = Policy::new(Drops).apply(Incoming::Absent, &IdsFrom::new(|| 7));
    let mut headers = HeaderMap::new();
    headers.append("traceparent", HeaderValue::from_static("of another"));
    inject_formats(&Propagators::only(Format::B3), &outgoing, Carried::EMPTY, &mut headers);
    assert_eq!(headers["traceparent"], "of another");
    assert_eq!(headers["b3"], format!("{}-{}-0", outgoing.traceparent().trace_id(), outgoing.span_id()));
}

#[test]
fn no_propagators_change_nothing() {
    let outgoing = Policy::new(Drops).apply(Incoming::Absent, &IdsFrom::new(|| 7));
    let mut headers = HeaderMap::new();
    headers.append("traceparent", HeaderValue::from_static("stale"));
    inject_formats(&Propagators::NONE, &outgoing, Carried::EMPTY, &mut headers);
    assert_eq!(headers["traceparent"], "stale");
}

/// F 12.
#[test]
fn nothing_of_any_format_passes_a_boundary() {
    let header = HeaderValue::from_static;
    let every = || {
        let mut headers = HeaderMap::new();
        for name in KNOWN_FIELDS {
            headers.append(name, HeaderValue::from_static("1"));
            headers.append(name, HeaderValue::from_static("2"));
        }
        headers.append("x-request-id", HeaderValue::from_static("3"));
        headers.append("accept", HeaderValue::from_static("*/*"));
        headers
    };
    let mut stripped = every();
    strip_all(&mut stripped, &[]);
    assert_eq!((stripped.len(), &stripped["x-request-id"], &stripped["accept"]), (2, &header("3"), &header("*/*")));
    let mut stripped = every();
    strip_all(&mut stripped, &["X-Request-ID"]);
    assert_eq!(stripped.keys().collect::<Vec<_>>(), ["accept"]);

    let mut sent = every();
    Egress::Strip.apply(&mut sent);
    assert_eq!((sent.len(), &sent["x-request-id"], &sent["accept"]), (2, &header("3"), &header("*/*")));
}

/// F 5.
#[test]
fn a_caller_that_is_not_trusted_leaves_nothing_in_what_is_written() {
    let caller = [
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("tracestate", "rojo=caller"),
        ("b3", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-d"),
        ("x-b3-flags", "1"),
        (
            "x-amzn-trace-id",
            "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1;Lineage=caller",
        ),
        ("x-datadog-trace-id", "11803532876627986230"),
        ("x-datadog-sampling-priority", "2"),
        ("x-datadog-tags", "_dd.p.tid=4bf92f3577b34da6,_dd.p.usr=caller"),
        ("x-datadog-origin", "caller"),
        ("uber-trace-id", "4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:3"),
    ]
    .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    for trust in [Trust::Restart, Trust::Ignore] {
        let mut headers = headers(&caller).unwrap();
        let request = headers.clone();
        let extracted = extract_formats(&ALL, &request);
        let outgoing = Policy::new(Drops).with_trust(trust).apply(extracted.incoming().clone(), &IdsFrom::new(|| 7));
        inject_formats(&ALL, &outgoing, extracted.carried(&outgoing), &mut headers);
        for (name, value) in &headers {
            let value = value.to_str().unwrap();
            assert!(!value.contains("caller") && !value.contains("4bf92f35"), "{trust:?}: {name}: {value}");
        }
        assert!(!headers.contains_key("x-b3-flags"));
        assert_eq!(headers["x-datadog-sampling-priority"], "0");
    }
}
