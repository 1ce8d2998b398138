use serde_json::Value;

use crate::support::{CALLER, Gateway, Head, TRACE_ID, Upstream, get, ok, send, server_and_call, span_of, traceparent};

/// Sends one request with these header lines; returns what the upstream received, and the span.
fn one(args: &[&str], lines: &[&str]) -> (Head, Value) {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), args);
    let response = get(gateway.address, lines);
    assert_eq!((response.status, response.body.as_str()), (200, "ok"));
    let head = upstream.head();
    let (server, call) = server_and_call(&gateway.spans());
    // What went out is the recorded call; whatever happened to the context, this holds.
    assert_eq!(call.unwrap()["span_id"], head.traceparent()[2]);
    (head, server)
}

#[track_caller]
fn assert_recorded(head: &Head, span: &Value) {
    let [version, trace_id, span_id, flags] = head.traceparent();
    assert_eq!(version, "00");
    assert_eq!(span["trace_id"], trace_id);
    assert_ne!(span["span_id"], span_id);
    assert_eq!(span["sampled"], matches!(flags, "01" | "03"));
    assert_eq!(span["status"], 200);
    assert_eq!(span["error"], Value::Null);
}

/// A new trace: sampled, random, without a parent, and nothing of the caller's in it.
#[track_caller]
fn assert_new(head: &Head, span: &Value, origin: &str) {
    assert_recorded(head, span);
    let [_, trace_id, span_id, flags] = head.traceparent();
    assert_ne!(trace_id, TRACE_ID);
    assert_ne!(span_id, CALLER);
    assert_eq!(flags, "03");
    assert_eq!(head.one("tracestate"), "ot=th:0");
    assert_eq!(span["parent_id"], Value::Null);
    assert_eq!(span["origin"], origin);
}

/// The caller's trace, under the caller's span.
#[track_caller]
fn assert_continued(head: &Head, span: &Value, flags: &str) {
    assert_recorded(head, span);
    let [_, trace_id, span_id, found] = head.traceparent();
    assert_eq!(trace_id, TRACE_ID);
    assert_ne!(span_id, CALLER);
    assert_eq!(found, flags);
    assert_eq!(span["parent_id"], CALLER);
    assert_eq!(span["origin"], "continued");
    assert_eq!(span["link"], Value::Null);
}

#[test]
fn absent_is_generated() {
    let (head, span) = one(&[], &[]);
    assert_new(&head, &span, "started");
    assert_eq!(span["refused"], Value::Null);
}

#[test]
fn tracestate_alone_means_nothing() {
    let (head, span) = one(&[], &["tracestate: rojo=1"]);
    assert_new(&head, &span, "started");
}

#[test]
fn present_is_continued_with_its_flags() {
    // Reserved flags are not passed on, and random is neither gained nor lost.
    for (came, goes) in [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("f9", "01"), ("fe", "02")] {
        let (head, span) = one(&[], &[&format!("traceparent: {}", traceparent(came))]);
        assert_continued(&head, &span, goes);
        assert_eq!(span["refused"], Value::Null);
        assert!(head.all("tracestate").is_empty());
    }
}

#[test]
fn the_name_may_have_any_case_and_the_value_white_space_around_it() {
    for name in ["Traceparent", "TraceParent", "TRACEPARENT", "tRaCePaReNt"] {
        let (head, span) = one(&[], &[&format!("{name}: \t {} \t ", traceparent("01"))]);
        assert_continued(&head, &span, "01");
    }
}

#[test]
fn a_higher_version_is_continued_in_ours() {
    let (head, span) = one(&[], &[&format!("traceparent: cc-{TRACE_ID}-{CALLER}-03-what-the-future-brings")]);
    assert_continued(&head, &span, "03");
}

#[test]
fn invalid_is_restarted_and_told_without_an_echo() {
    let cases = [
        ("", "traceparent is too short: it ends at offset 0"),
        ("00", "traceparent is too short: it ends at offset 2"),
        ("00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "upper-case letter in trace-id at offset 3"),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x", "invalid byte in trace-flags at offset 54"),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", "trace-id is all zeroes"),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "parent-id is all zeroes"),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "version ff is forbidden"),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-", "traceparent is too long"),
    ];
    for (value, why) in cases {
        let (head, span) = one(&[], &[&format!("traceparent: {value}"), "tracestate: rojo=1"]);
        assert_new(&head, &span, "restarted");
        let refused = span["refused"].as_str().unwrap_or_default();
        assert!(refused.starts_with(why.split(" at ").next().unwrap()), "{value}: {refused}");
        assert_eq!(span["link"], Value::Null);
    }
}

#[test]
fn bytes_that_are_no_text_are_restarted() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let response = send(gateway.address, b"GET / HTTP/1.1\r\nHost: h\r\ntraceparent: 00-\xff\xfe\xfd\r\n\r\n");
    assert_eq!(response.status, 200);
    assert_new(&upstream.head(), &span_of(gateway), "restarted");
}

#[test]
fn two_traceparents_are_restarted_even_equal_ones() {
    let line = format!("traceparent: {}", traceparent("01"));
    let (head, span) = one(&[], &[&line, &line, "tracestate: rojo=1"]);
    assert_new(&head, &span, "restarted");
    assert_eq!(span["refused"], "traceparent is repeated");
}

#[test]
fn traceparent_goes_on_even_where_connection_names_it() {
    let line = format!("traceparent: {}", traceparent("01"));
    let (head, span) = one(&[], &[&line, "connection: traceparent, tracestate"]);
    assert_continued(&head, &span, "01");
}

#[test]
fn tracestate_is_kept_in_order() {
    let (head, span) = one(
        &[],
        &[
            &format!("traceparent: {}", traceparent("01")),
            "tracestate: rojo=1 ,\tcongo=t61rcWkgMzE",
            "TraceState:",
            "X-Between: 1",
            "TRACESTATE: foo@bar=a b, ot=rv:6e6d1a75832a2f",
        ],
    );
    assert_continued(&head, &span, "01");
    let members: Vec<&str> =
        head.one("tracestate").split(',').map(str::trim).filter(|member| !member.is_empty()).collect();
    assert_eq!(members, ["rojo=1", "congo=t61rcWkgMzE", "foo@bar=a b", "ot=rv:6e6d1a75832a2f"]);
}

#[test]
fn a_broken_tracestate_does_not_lose_the_traceparent() {
    let (head, span) = one(&[], &[&format!("traceparent: {}", traceparent("01")), "tracestate: rojo=1,CONGO=2"]);
    assert_continued(&head, &span, "01");
    assert!(head.all("tracestate").is_empty());
    let refused = span["refused"].as_str().unwrap_or_default();
    assert!(refused.starts_with("upper-case letter in tracestate key"), "{refused}");
}

#[test]
fn trust_resample_keeps_the_ids_and_decides_anew() {
    let line = format!("traceparent: {}", traceparent("01"));
    let (head, span) = one(&["--trust", "resample", "--random-sampling", "0"], &[&line]);
    assert_continued(&head, &span, "00");
    let line = format!("traceparent: {}", traceparent("02"));
    let (head, span) = one(&["--trust", "resample", "--random-sampling", "100"], &[&line]);
    assert_continued(&head, &span, "03");
}

#[test]
fn trust_restart_links_to_the_caller() {
    let value = traceparent("01");
    let (head, span) = one(&["--trust", "restart"], &[&format!("traceparent: {value}"), "tracestate: rojo=1"]);
    assert_new(&head, &span, "restarted");
    assert_eq!(span["link"], value);
    assert_eq!(span["refused"], Value::Null);
}

#[test]
fn trust_ignore_does_not() {
    let line = format!("traceparent: {}", traceparent("01"));
    let (head, span) = one(&["--trust", "ignore"], &[&line, "tracestate: rojo=1"]);
    assert_new(&head, &span, "restarted");
    assert_eq!(span["link"], Value::Null);
}

#[test]
fn trust_continue_is_the_default() {
    let (head, span) = one(&["--trust", "continue"], &[&format!("traceparent: {}", traceparent("00"))]);
    assert_continued(&head, &span, "00");
}
