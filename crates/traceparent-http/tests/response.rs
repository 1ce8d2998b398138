//! The response context in the headers of a response: what is replaced, what stays, what is read.
#![allow(missing_docs, clippy::unwrap_used)]

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::{collection::vec, prelude::*, sample::select};
use traceparent::{
    ErrorKind, Field, IdsFrom, Incoming, Outgoing, ParseError, Policy, TraceParent, TraceResponse,
    sampler::{AlwaysOff, AlwaysOn, Sampler},
};
use traceparent_http::{SERVER_TIMING, extract_response, inject_response};

const VALUE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OURS: &str = "trace;desc=00-00000000000000070000000000000007-0000000000000007-03";

fn span(sampler: impl Sampler) -> Outgoing<'static> {
    Policy::new(sampler).apply(Incoming::Absent, &IdsFrom::random(|| 7))
}

/// The headers with these `Server-Timing` fields; `V` stands for the example's value.
fn headers(fields: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for field in fields {
        headers.append(&SERVER_TIMING, HeaderValue::from_str(&field.replace('V', VALUE)).unwrap());
    }
    headers
}

fn fields(headers: &HeaderMap) -> Vec<&[u8]> {
    headers.get_all(&SERVER_TIMING).iter().map(HeaderValue::as_bytes).collect()
}

/// The fields that are there after the response context was added to these.
fn responded(before: &[&str]) -> Vec<String> {
    let mut headers = headers(before);
    inject_response(&span(AlwaysOn), &mut headers);
    fields(&headers).into_iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect()
}

fn read(fields: &[&str]) -> Result<Option<TraceResponse>, ParseError> {
    extract_response(&headers(fields))
}

// W3C 86
#[test]
fn the_response_context_is_added() {
    assert_eq!(SERVER_TIMING, "server-timing");
    assert_eq!(responded(&[]), [OURS]);
    let mut headers = HeaderMap::new();
    inject_response(&span(AlwaysOff), &mut headers);
    assert_eq!(headers["server-timing"], OURS.replace("-03", "-02"));
    assert_eq!(headers.len(), 1);
}

#[test]
fn other_metrics_and_headers_stay() {
    assert_eq!(responded(&["db;dur=53"]), ["db;dur=53", OURS]);
    assert_eq!(
        responded(&["a,b ;x=\"trace\"", "", "traces;desc=V"]),
        ["a,b ;x=\"trace\"".to_owned(), String::new(), format!("traces;desc={VALUE}"), OURS.to_owned(),]
    );

    let mut headers = headers(&["trace"]);
    headers.append("set-cookie", "a=1".parse().unwrap());
    headers.append("set-cookie", "b=2".parse().unwrap());
    inject_response(&span(AlwaysOn), &mut headers);
    assert_eq!(headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert!(!headers.contains_key("traceparent"));
}

#[test]
fn a_metric_that_is_there_is_replaced_wherever_it_stands() {
    assert_eq!(responded(&["trace;desc=V"]), [OURS]);
    assert_eq!(responded(&["trace", "Trace;desc=no", "TRACE;dur=1, trace;desc=V"]), [OURS]);
    assert_eq!(responded(&["a;desc=\",trace\", trace;desc=V ,b"]), [format!("{OURS}, a;desc=\",trace\", b")]);
    assert_eq!(responded(&["a", "trace;desc=V", "b, trace", "c"]), [format!("{OURS}, a, b, c")]);
    assert_eq!(responded(&[OURS]), [OURS]);
    assert_eq!(responded(&["trace", "a;desc=\"open"]), [format!("{OURS}, a;desc=\"open")]);
}

#[test]
fn bytes_that_are_no_text_stay() {
    let mut headers = HeaderMap::new();
    headers.append(&SERVER_TIMING, HeaderValue::from_bytes(b"a;desc=\xff, trace;desc=\xfe, \xe9").unwrap());
    inject_response(&span(AlwaysOn), &mut headers);
    assert_eq!(fields(&headers), [[OURS.as_bytes(), b", a;desc=\xff, \xe9"].concat()]);
}

#[test]
fn the_response_context_is_read_from_any_field() {
    let expected = TraceResponse::new(TraceParent::from_static(VALUE));
    for fields in [
        &["trace;desc=V"][..],
        &["", "db;dur=53", "traces;desc=no", "cache, Trace ; desc = \"V\""],
        &["trace;desc=V", "trace;desc=no"],
    ] {
        assert_eq!(read(fields), Ok(Some(expected)), "{fields:?}");
    }
    for fields in [&[][..], &[""], &["db;dur=53", "traces;desc=V"], &["trace"], &["a;desc=\"trace;desc=V\""]] {
        assert_eq!(read(fields), Ok(None), "{fields:?}");
    }
}

// W3C 88
#[test]
fn a_broken_response_context_is_reported() {
    let error = read(&["db;dur=53", "a, trace;desc=00-zz", "trace;desc=V"]).unwrap_err();
    assert_eq!((error.kind(), error.field(), error.offset()), (ErrorKind::TooShort, Field::ServerTiming, 19));
    let error = read(&[&format!("trace;desc={}", VALUE.replace("00f067aa0ba902b7", "0000000000000000"))]).unwrap_err();
    assert_eq!((error.kind(), error.field(), error.offset()), (ErrorKind::AllZero, Field::ChildId, 47));
}

// RFC 9110, 5.3: several fields mean what they mean when joined.
#[test]
fn the_first_metric_of_all_fields_counts_as_in_one_field() {
    assert_eq!(read(&["trace, trace;desc=V"]), Ok(None));
    assert_eq!(read(&["trace", "trace;desc=V"]), Ok(None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn several_fields_are_read_as_their_joined_field(metrics in vec(select(vec![
        "db;dur=1", "traces;desc=V", "trace;desc=V", "Trace;dur=1;desc=\"V\"", "trace;desc=no", "", "a;desc=\", trace\"",
    ]), 0..6)) {
        let joined = read(&[&metrics.join(", ")]);
        prop_assert_eq!(read(&metrics).map_err(ParseError::kind), joined.map_err(ParseError::kind));
    }

    #[test]
    fn what_was_sent_is_read_whatever_was_there(before in vec(vec(select(vec![
        "trace", "trace;desc=V", "TRACE;desc=no", ", ", ",", "db", ";", "desc=\"a, trace\"", " ", "\t",
    ]), 0..6), 0..4)) {
        let before: Vec<_> = before.iter().map(|pieces| pieces.concat()).collect();
        let mut headers = headers(&before.iter().map(String::as_str).collect::<Vec<_>>());
        let kept: Vec<Vec<u8>> = others(&headers);
        let span = span(AlwaysOn);
        inject_response(&span, &mut headers);
        prop_assert_eq!(extract_response(&headers), Ok(Some(span.response())));
        prop_assert_eq!(&others(&headers), &kept);
        prop_assert_eq!(headers.get_all(&SERVER_TIMING).iter().filter(|field| TraceResponse::has_metric(field.as_bytes())).count(), 1);
        // Once more changes nothing but, at most, how many fields there are.
        inject_response(&span, &mut headers);
        prop_assert_eq!(extract_response(&headers), Ok(Some(span.response())));
        prop_assert_eq!(&others(&headers), &kept);
    }
}

/// All metrics other than the response context.
fn others(headers: &HeaderMap) -> Vec<Vec<u8>> {
    let fields = headers.get_all(&SERVER_TIMING).iter();
    fields.flat_map(|field| TraceResponse::other_metrics(field.as_bytes()).map(<[u8]>::to_vec)).collect()
}

/// Adds headers until the map takes no more.
fn fill(headers: &mut HeaderMap) {
    let names = (0..).map(|i: u32| HeaderName::try_from(format!("x-{i}")).unwrap());
    let full = names.take(40_000).any(|name| headers.try_append(name, HeaderValue::from_static("1")).is_err());
    assert!(full);
}

#[test]
fn a_full_map_takes_no_response_context_and_loses_nothing() {
    let mut headers = HeaderMap::new();
    fill(&mut headers);
    let before = headers.clone();
    inject_response(&span(AlwaysOn), &mut headers);
    assert_eq!(headers, before);
    assert_eq!(extract_response(&headers), Ok(None));
}

#[test]
fn a_full_map_keeps_its_other_metrics() {
    for before in
        [&["db;dur=1"][..], &["trace;desc=V"], &["db;dur=1, trace;desc=V"], &["db;dur=1", "trace;desc=V", "cache"]]
    {
        let mut headers = headers(before);
        fill(&mut headers);
        let kept = others(&headers);
        inject_response(&span(AlwaysOn), &mut headers);
        assert_eq!(others(&headers), kept, "{before:?}");
        // An older context may go, but does not stay next to a newer one.
        assert!(fields(&headers).iter().filter(|field| TraceResponse::has_metric(field)).count() <= 1);
    }
}
