//! `extract`, `inject` and `strip` on header maps.
#![allow(clippy::unwrap_used)]

use http::{HeaderMap, HeaderName, HeaderValue};
use traceparent::{
    Change, ErrorKind, Incoming, Member, Origin, Outgoing, Policy, RandomIdGenerator,
    sampler::{AlwaysOff, AlwaysOn},
};
use traceparent_http::{TRACEPARENT, TRACESTATE, extract, inject, strip};

const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn headers(fields: &[(&str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

fn with_tracestate(fields: &[&[u8]]) -> HeaderMap {
    let mut headers = headers(&[("traceparent", EXAMPLE.as_bytes())]);
    for field in fields {
        headers.append(TRACESTATE.clone(), HeaderValue::from_bytes(field).unwrap());
    }
    headers
}

fn serve(headers: &HeaderMap) -> Outgoing<'_> {
    Policy::new(AlwaysOff).apply(extract(headers), &RandomIdGenerator)
}

#[track_caller]
fn assert_list(fields: &[&[u8]], expected: &str) {
    let headers = with_tracestate(fields);
    let incoming = extract(&headers);
    assert_eq!((incoming.context().unwrap().tracestate.to_string().as_str(), incoming.error()), (expected, None));
}

#[test]
fn names_are_matched_in_any_case_and_as_one_word() {
    // W3C 4, 5, 42
    for name in ["traceparent", "TRACEPARENT", "TraceParent", "tRaCePaReNt"] {
        assert!(extract(&headers(&[(name, EXAMPLE.as_bytes())])).context().is_some(), "{name}");
    }
    for name in ["trace-parent", "trace_parent", "trace.parent", "x-traceparent"] {
        assert_eq!(extract(&headers(&[(name, EXAMPLE.as_bytes())])), Incoming::Absent, "{name}");
    }
    assert_eq!((TRACEPARENT.as_str(), TRACESTATE.as_str()), ("traceparent", "tracestate"));
}

#[test]
fn two_traceparent_fields_are_invalid_wherever_they_stand() {
    // decision P
    let other = EXAMPLE.replace("-01", "-00");
    for (first, second) in [(EXAMPLE, EXAMPLE), (EXAMPLE, other.as_str()), ("junk", EXAMPLE), (EXAMPLE, ""), ("", "")] {
        let headers = headers(&[
            ("traceparent", first.as_bytes()),
            ("accept", b"*/*"),
            ("tracestate", b"rojo=1"),
            ("TraceParent", second.as_bytes()),
        ]);
        assert_eq!(extract(&headers).error().unwrap().kind(), ErrorKind::Repeated);
        assert_eq!(serve(&headers).origin(), Origin::Restarted);
        assert!(serve(&headers).tracestate().is_empty());
    }
}

#[test]
fn tracestate_fields_are_joined_in_order() {
    // W3C 43
    assert_list(&[b"z=1", b"a=2,m=3", b"b=4"], "z=1,a=2,m=3,b=4");
    assert_list(&[b"", b"a=1", b"", b" ", b"b=2", b""], "a=1,b=2");
    assert_list(&[b"", b""], "");
    assert_list(&[b"a=1", b"a=2"], "a=1,a=2");
}

#[test]
fn white_space_around_values_is_ignored() {
    // W3C 46, RFC 9110 section 5.5
    for value in [" {}", "\t{}", "{} ", "{}\t", " \t{}\t "] {
        let headers = headers(&[("traceparent", value.replace("{}", EXAMPLE).as_bytes())]);
        assert!(extract(&headers).context().is_some(), "{value:?}");
    }
    assert_list(&[b"  a= 1 \t, b=2\t", b" c=3 "], "a= 1 \t, b=2,c=3");
}

#[test]
fn bytes_that_are_no_text_are_invalid_and_nothing_more() {
    // W3C 1, 84
    for value in [&b"\xff\xfe"[..], b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-\xc3\xa9", &[0x80; 55]] {
        let headers = headers(&[("traceparent", value)]);
        assert!(matches!(extract(&headers), Incoming::Invalid(_)));
    }
    for fields in [&[&b"a=\xff"[..]][..], &[b"a=1", b"b=\xc3\xa9"], &[b"\xff"]] {
        let headers = with_tracestate(fields);
        let incoming = extract(&headers);
        assert!(incoming.error().is_some());
        assert!(incoming.context().unwrap().tracestate.is_empty());
    }
}

#[test]
fn a_lone_tracestate_is_not_looked_at() {
    // W3C 67
    assert_eq!(extract(&headers(&[("tracestate", b"rojo=1")])), Incoming::Absent);
    assert_eq!(extract(&HeaderMap::new()), Incoming::Absent);
}

#[test]
fn inject_replaces_all_old_fields_of_both_names_and_no_other() {
    // W3C 44
    let mut headers = with_tracestate(&[b"a=1", b"b=2"]);
    headers.append("traceparent", HeaderValue::from_static("junk"));
    headers.append("accept", HeaderValue::from_static("*/*"));
    let incoming = with_tracestate(&[b"rojo=1", b"congo=2"]);
    let outgoing = serve(&incoming);
    inject(&outgoing, &mut headers);
    assert_eq!(headers.get_all("traceparent").iter().collect::<Vec<_>>(), [&outgoing.traceparent().to_string()]);
    assert_eq!(headers.get_all("tracestate").iter().collect::<Vec<_>>(), ["rojo=1,congo=2"]);
    assert_eq!(headers["accept"], "*/*");
}

#[test]
fn inject_leaves_one_field_of_several_with_the_same_value() {
    let incoming = with_tracestate(&[b"rojo=1,congo=2"]);
    let outgoing = serve(&incoming);
    let traceparent = outgoing.traceparent().to_string();
    for old in [&["rojo=1,congo=2"][..], &["rojo=1,congo=2"; 2], &["rojo=1,congo=2", "a=1"], &["a=1", "rojo=1,congo=2"]]
    {
        let mut headers = headers(&[("host", b"a.example"), ("traceparent", traceparent.as_bytes())]);
        headers.append("traceparent", HeaderValue::from_static(EXAMPLE));
        for value in old {
            headers.append("tracestate", HeaderValue::from_static(value));
        }
        headers.append("accept", HeaderValue::from_static("*/*"));
        inject(&outgoing, &mut headers);
        let fields: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let expected = [
            ("host", "a.example"),
            ("traceparent", traceparent.as_str()),
            ("tracestate", "rojo=1,congo=2"),
            ("accept", "*/*"),
        ];
        assert_eq!(fields, expected, "{old:?}");
    }
}

#[test]
fn a_full_map_loses_its_old_fields_and_no_other() {
    let incoming = with_tracestate(&[b"rojo=1"]);
    let outgoing = serve(&incoming);
    for old in [&[][..], &["traceparent"], &["tracestate"], &["traceparent", "tracestate"]] {
        let mut headers: HeaderMap = old.iter().map(|name| (name.parse().unwrap(), "stale".parse().unwrap())).collect();
        let mut others = 0;
        while headers.try_append(format!("x-{others}").parse::<HeaderName>().unwrap(), "1".parse().unwrap()).is_ok() {
            others += 1;
        }
        inject(&outgoing, &mut headers);
        assert_eq!(headers.keys().filter(|name| name.as_str().starts_with("x-")).count(), others);
        assert!(headers.values().all(|value| value != "stale"), "{old:?}");
        assert!(headers.get_all("traceparent").iter().count() <= 1, "{old:?}");
    }
}

#[test]
fn an_empty_tracestate_is_never_sent_and_a_stale_one_goes() {
    // W3C 49
    for fields in [&[][..], &[&b""[..]], &[b" , ", b""], &[b"Bad=1"]] {
        let incoming = with_tracestate(fields);
        let mut headers = with_tracestate(&[b"stale=1", b"stale=2"]);
        inject(&serve(&incoming), &mut headers);
        assert!(!headers.contains_key("tracestate"), "{fields:?}");
        assert_eq!(headers.len(), 1);
    }
}

#[test]
fn lists_of_any_length_are_written_whole() {
    // W3C 55
    for members in [1, 2, 3, 32] {
        let list = (0..members).map(|i| format!("key{i}={}", "v".repeat(250))).collect::<Vec<_>>().join(",");
        let incoming = with_tracestate(&[list.as_bytes()]);
        let mut headers = HeaderMap::new();
        inject(&serve(&incoming), &mut headers);
        assert_eq!(headers["tracestate"], list);
    }
    for length in 500..530 {
        let (half, rest) = ("v".repeat(250), "w".repeat(length - 250 - 5));
        let list = format!("a={half},b={rest}");
        let incoming = with_tracestate(&[list.as_bytes()]);
        let mut headers = HeaderMap::new();
        inject(&serve(&incoming), &mut headers);
        match list.len() {
            _ if rest.len() > 256 => assert!(!headers.contains_key("tracestate")),
            _ => assert_eq!(headers["tracestate"], list),
        }
    }
}

#[test]
fn a_budget_and_own_members_reach_the_wire() {
    let list = (0..20).map(|i| format!("key{i}={}", "v".repeat(40))).collect::<Vec<_>>().join(",");
    let incoming = with_tracestate(&[list.as_bytes()]);
    let changes = [Change::Set(Member::from_static("gateway", "1"))];
    let served = serve(&incoming);
    let outgoing = served.edit(&changes).within(512).unwrap();
    let mut headers = HeaderMap::new();
    inject(&outgoing, &mut headers);
    let sent = headers["tracestate"].to_str().unwrap();
    assert!(sent.len() <= 512 && sent.starts_with("gateway=1,key0="));
}

#[test]
fn who_takes_part_in_one_request_forwards_another_as_it_came() {
    // W3C 3
    let incoming = with_tracestate(&[b"rojo=1 ,, congo=2", b"blue=3"]);
    let changes = [Change::Set(Member::from_static("congo", "ours"))];
    let policy = Policy::new(AlwaysOff);
    let forward = |takes_part: bool| {
        let mut headers = incoming.clone();
        if takes_part {
            inject(&policy.apply(extract(&incoming), &RandomIdGenerator).edit(&changes), &mut headers);
        }
        headers
    };
    assert_eq!(forward(false), incoming);
    let sent = forward(true);
    let [before, after] = [&incoming, &sent].map(|headers| headers["traceparent"].to_str().unwrap());
    assert_eq!((&before[..36], &before[52..]), (&after[..36], &after[52..]));
    assert_ne!(before[36..52], after[36..52]);
    assert_eq!(sent["tracestate"], "congo=ours,rojo=1,blue=3");
    assert_eq!(forward(false), incoming);
}

#[test]
fn a_restarted_trace_leaves_no_header_of_the_callers() {
    // W3C 37
    let mut headers = headers(&[("traceparent", b"00-bad"), ("tracestate", b"rojo=1")]);
    let outgoing = Policy::new(AlwaysOn).apply(extract(&headers), &RandomIdGenerator).into_owned();
    inject(&outgoing, &mut headers);
    assert_eq!(headers.len(), 1);
    assert_eq!(headers["traceparent"], outgoing.traceparent().to_string());
}

#[test]
fn strip_removes_all_fields_of_both_names_and_no_other() {
    let mut headers = with_tracestate(&[b"a=1", b"b=2"]);
    headers.append("TraceParent", HeaderValue::from_static("junk"));
    headers.append("accept", HeaderValue::from_static("*/*"));
    strip(&mut headers);
    assert_eq!((headers.len(), headers["accept"].to_str().unwrap()), (1, "*/*"));
    strip(&mut headers);
    assert_eq!(headers.len(), 1);
}
