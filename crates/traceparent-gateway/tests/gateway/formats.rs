use serde_json::Value;

use crate::support::{
    CALLER, Exchange, Gateway, Head, TRACE_ID, Upstream, chunk, get, line, ok, send, server_and_call, traceparent,
};

#[path = "../../../traceparent-formats/tests/common/vectors.rs"]
#[allow(dead_code, reason = "the tests of the formats use all of it")]
mod vectors;

/// The names of the fields of all formats, and `baggage`.
const NAMES: [&str; 22] = traceparent_formats::KNOWN_FIELDS;

/// A configuration of one listener for each of these lines, all in front of one upstream.
fn config(upstream: &Upstream, listeners: &[&str], tracing: &str) -> String {
    let listener = |lines: &&str| {
        let url = upstream.url();
        format!("- address: 127.0.0.1:0\n  routes:\n  - prefix: /\n    upstream: {url}\n{lines}")
    };
    let listeners: String = listeners.iter().map(listener).collect();
    format!("listeners:\n{listeners}{tracing}")
}

fn request(fields: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut request = b"GET / HTTP/1.1\r\nHost: h\r\n".to_vec();
    for (name, value) in fields {
        request.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    request
}

#[test]
fn every_vector_passes_through() {
    const FORMATS: [&str; 8] =
        ["b3", "b3multi", "xray", "datadog", "jaeger", "grpc-trace-bin", "cloudtrace", "ottrace"];
    let upstream = Upstream::start(ok);
    let lines = FORMATS.map(|format| format!("    propagators: {{extract: [{format}]}}\n"));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    // Nothing is sampled here, so that what is sampled was decided by the caller.
    let text = config(&upstream, &lines, "tracing: {random_sampling: 0}\n");
    let gateway = Gateway::configured(&text, &[]);
    let mut count = 0;
    for vectors::Vector { line, format, fields, verdict, .. } in vectors::read() {
        let Some(at) = FORMATS.iter().position(|known| *known == format.as_str()) else { continue };
        let fields: Vec<(&str, Vec<u8>)> = fields.iter().map(|(name, value)| (&**name, value.clone())).collect();
        if fields.iter().any(|(_, value)| value.trim_ascii() != value) {
            // White space around a value is HTTP's, and no part of it.
            continue;
        }
        let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        if fields.iter().any(|(_, value)| value.iter().any(is_control)) {
            // No field of HTTP has such a byte.
            assert_eq!(send(gateway.addresses[at], request(&fields)).status, 400, "line {line}");
            continue;
        }
        let response = send(gateway.addresses[at], request(&fields));
        // Fields that are larger than a head may be are refused before.
        if fields.iter().map(|(_, value)| value.len()).sum::<usize>() > 30_000 {
            assert_eq!(response.status, 431, "line {line}");
            continue;
        }
        assert_eq!(response.status, 200, "line {line}");
        count += 1;
        let [_, trace_id, _, flags] = upstream.head().traceparent().map(str::to_owned);
        let words: Vec<&str> = verdict.split(' ').collect();
        match words[..] {
            ["absent" | "err", ..] => assert_eq!(&flags, "02", "line {line}"),
            [id, _, state, ..] => {
                if id == "-" {
                    assert!(matches!(&*flags, "02" | "03"), "line {line}");
                } else {
                    assert_eq!(trace_id, id, "line {line}");
                }
                assert_eq!(matches!(&*flags, "01" | "03"), matches!(state, "accept" | "debug"), "line {line}");
            }
            _ => panic!("line {line}"),
        }
    }
    assert!(count > 150, "{count}");
}

#[test]
fn the_span_names_the_format_and_what_was_refused() {
    let upstream = Upstream::start(ok);
    let text = config(&upstream, &["    propagators: {extract: [tracecontext, b3, jaeger]}\n"], "");
    let mut gateway = Gateway::configured(&(text + "admin: {address: 127.0.0.1:0}\n"), &[]);
    let admin = gateway.admin();
    let other = format!("uber-trace-id: {}:{CALLER}:0:1", "1".repeat(32));
    get(gateway.address, &["traceparent: 00-SECRET", &format!("b3: {TRACE_ID}-{CALLER}-d"), &other]);
    assert_eq!(upstream.head().traceparent()[1], TRACE_ID);
    let metrics = send(admin, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").body;
    for line in [
        "contexts_received_total{format=\"b3\",outcome=\"used\"} 1",
        "contexts_received_total{format=\"tracecontext\",outcome=\"refused\"} 1",
        "contexts_received_total{format=\"jaeger\",outcome=\"conflict\"} 1",
        "contexts_refused_total{kind=\"too_short\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let (server, _) = server_and_call(&gateway.spans());
    assert_eq!(server["parent_id"], CALLER);
    assert_eq!(server["attributes"]["traceparent.format"], "b3");
    assert_eq!(server["attributes"]["traceparent.conflict"], "jaeger");
    let refused = server["refused"].as_str().unwrap();
    assert!(refused.starts_with("tracecontext: ") && !refused.contains("SECRET"), "{refused}");
}

/// The fields of a head that belong to a trace, in lower case and sorted.
fn trace_fields(head: &Head) -> Vec<String> {
    let names = head.fields.iter().map(|(name, _)| name.to_ascii_lowercase());
    let mut names: Vec<String> = names.filter(|name| NAMES.contains(&&**name)).collect();
    names.sort_unstable();
    names
}

#[test]
fn stale_fields_of_configured_formats_do_not_go_on_and_others_do() {
    let upstream = Upstream::start(ok);
    let text = config(
        &upstream,
        &[
            "",
            "    propagators: {extract: [tracecontext, b3], inject: []}\n",
            "    propagators: {extract: [tracecontext, b3], inject: [xray]}\n",
            "    propagators: {extract: [tracecontext, b3]}\n",
        ],
        "",
    );
    let gateway = Gateway::configured(&text, &[]);
    let fields = [
        &*format!("b3: {TRACE_ID}-{CALLER}-1"),
        "x-b3-sampled: 1",
        "uber-trace-id: stale",
        "baggage: a=b",
        "tracestate: a=b",
    ];
    let expected: [&[&str]; 4] = [
        &["b3", "baggage", "traceparent", "tracestate", "uber-trace-id", "x-b3-sampled"],
        &["baggage", "traceparent", "uber-trace-id"],
        &["baggage", "traceparent", "uber-trace-id", "x-amzn-trace-id"],
        &["b3", "baggage", "traceparent", "uber-trace-id"],
    ];
    for (address, expected) in gateway.addresses.iter().zip(expected) {
        get(*address, &fields);
        assert_eq!(trace_fields(&upstream.head()), expected);
    }
    get(gateway.addresses[3], &fields);
    let head = upstream.head();
    let [_, trace_id, span_id, _] = head.traceparent();
    assert_eq!(head.one("b3"), format!("{trace_id}-{span_id}-1"));
    assert_eq!(trace_id, TRACE_ID);
}

#[test]
fn routes_come_before_listeners_and_the_file_before_the_environment() {
    let upstream = Upstream::start(ok);
    let url = upstream.url();
    let text = format!(
        "listeners:
- address: 127.0.0.1:0
  routes:
  - prefix: /
    upstream: {url}
- address: 127.0.0.1:0
  propagators: {{extract: [jaeger]}}
  routes:
  - prefix: /
    upstream: {url}
  - prefix: /route
    upstream: {url}
    propagators: {{extract: [b3], inject: []}}
"
    );
    let b3 = format!("b3: {TRACE_ID}-{CALLER}-1");
    let jaeger = format!("uber-trace-id: {}:{CALLER}:0:1", "7".repeat(32));
    let trace_id = |gateway: &Gateway, listener: usize, path: &str| {
        let text = format!("GET {path} HTTP/1.1\r\nHost: h\r\n{b3}\r\n{jaeger}\r\n\r\n");
        assert_eq!(send(gateway.addresses[listener], text).status, 200);
        upstream.head().traceparent()[1].to_owned()
    };
    let environment = [("OTEL_PROPAGATORS", "B3, baggage")];
    let gateway = Gateway::configured(&text, &environment);
    assert_eq!(trace_id(&gateway, 0, "/"), TRACE_ID);
    assert_eq!(trace_id(&gateway, 1, "/"), "7".repeat(32));
    assert_eq!(trace_id(&gateway, 1, "/route"), TRACE_ID);
    let gateway = Gateway::configured(&(text + "tracing: {propagators: {extract: [jaeger]}}\n"), &environment);
    assert_eq!(trace_id(&gateway, 0, "/"), "7".repeat(32));

    let gateway = Gateway::start_in(&url, &[], &environment);
    assert_eq!(trace_id(&gateway, 0, "/"), TRACE_ID);
}

#[test]
fn what_a_format_carries_beside_the_context_goes_on() {
    let upstream = Upstream::start(ok);
    let text = config(&upstream, &["    propagators: {extract: [xray]}\n"], "");
    let gateway = Gateway::configured(&text, &[]);
    let (epoch, rest) = TRACE_ID.split_at(8);
    get(
        gateway.address,
        &[&format!("X-Amzn-Trace-Id: Root=1-{epoch}-{rest};Parent={CALLER};Sampled=1;Lineage=a87bd80c:1")],
    );
    let head = upstream.head();
    let span_id = head.traceparent()[2];
    let expected = format!("Root=1-{epoch}-{rest};Parent={span_id};Sampled=1;Lineage=a87bd80c:1");
    assert_eq!(head.one("x-amzn-trace-id"), expected);
}

/// Answers with the names of the fields of the head, and of the trailers behind them, one a line.
fn echo(exchange: &mut Exchange) {
    let fields = exchange.head.fields.iter();
    let mut names: Vec<_> = fields.map(|(name, value)| format!("head {} {value}", name.to_ascii_lowercase())).collect();
    while chunk(&mut exchange.stream).is_some() {}
    while let Some(trailer) = line(&mut exchange.stream).filter(|trailer| !trailer.is_empty()) {
        names.push(format!("trailer {}", trailer.to_ascii_lowercase()));
    }
    let names = names.join("\n");
    exchange.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{names}", names.len()));
}

#[test]
fn nothing_of_a_trace_gets_past_a_boundary() {
    // What goes through by its name alone: whether the head's is kept, under this trust and egress.
    let cases = [
        ("continue", "strip", false),
        ("resample", "strip", false),
        ("restart", "strip", false),
        ("ignore", "strip", false),
        ("restart", "inject", false),
        ("ignore", "inject", false),
        ("restart", "{only: [stale]}", false),
        ("ignore", "{only: [stale]}", false),
        ("continue", "{only: [other]}", false),
        ("continue", "inject", true),
        ("resample", "inject", true),
    ];
    let upstream = Upstream::start(echo);
    let lines = cases.map(|(trust, egress, _)| format!("    egress: {egress}\n  trust: {trust}\n"));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let gateway = Gateway::configured(&config(&upstream, &lines, ""), &[]);
    for (address, (trust, egress, passes)) in gateway.addresses.iter().zip(cases) {
        for name in NAMES {
            let case = format!("{trust} {egress} {name}");
            let head = "POST / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n";
            let body = "1\r\na\r\n0\r\n";
            let answer =
                send(*address, format!("{head}{name}: stale=1\r\n\r\n{body}{name}: stale=2\r\nx-sum: 1\r\n\r\n"));
            assert_eq!(answer.status, 200, "{case}");
            assert!(answer.body.contains("trailer x-sum: 1"), "{case}: {}", answer.body);
            // `traceparent` and `tracestate` are the gateway's own.
            let passes = passes && !name.starts_with("trace");
            assert_eq!(answer.body.contains("stale=1"), passes, "{case}: {}", answer.body);
            assert_eq!(answer.body.contains("stale=2"), passes, "{case}: {}", answer.body);
            let has_context = egress != "strip";
            assert_eq!(answer.body.contains("head traceparent "), has_context, "{case}: {}", answer.body);
        }
    }
}

/// What a head gets anew, or loses because it is stale, has no place in trailers. All other trailers go on as a head's fields do.
#[test]
fn trailers_keep_the_contexts_of_other_formats() {
    const W3C: &[&str] = &["traceparent", "tracestate"];
    const THREE_FORMATS: &[&str] = &["traceparent", "tracestate", "grpc-trace-bin", "uber-trace-id"];
    let cases = [
        ("", W3C),
        ("    propagators: {extract: [tracecontext, grpc-trace-bin], inject: [tracecontext, jaeger]}\n", THREE_FORMATS),
        ("    trace: false\n", &[]),
    ];
    let upstream = Upstream::start(echo);
    let lines = cases.map(|(line, _)| line);
    let gateway = Gateway::configured(&config(&upstream, &lines, ""), &[]);
    for (address, (line, removed)) in gateway.addresses.iter().zip(cases) {
        for name in NAMES {
            let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n";
            let answer = send(*address, format!("{head}{name}: stale\r\n\r\n"));
            let passes = answer.body.contains(&format!("trailer {name}: stale"));
            assert_eq!(passes, !removed.contains(&name), "{line} {name}: {}", answer.body);
        }
    }
}

#[test]
fn only_some_members_leave_and_baggage_alone_can_be_stripped() {
    let upstream = Upstream::start(ok);
    let lines = ["    egress: {only: [partner]}\n", "    baggage: strip\n"];
    let gateway = Gateway::configured(&config(&upstream, &lines, ""), &[]);
    let context = format!("traceparent: {}", traceparent("01"));
    let fields = [&*context, "tracestate: secret=1,partner=2", "baggage: a=b", "b3: 0", "sentry-trace: x"];
    get(gateway.addresses[0], &fields);
    let head = upstream.head();
    assert_eq!((head.traceparent()[1], head.one("tracestate")), (TRACE_ID, "partner=2"));
    assert_eq!(trace_fields(&head), ["traceparent", "tracestate"]);
    assert!(head.all("sentry-trace").is_empty());
    get(gateway.addresses[1], &fields);
    let head = upstream.head();
    assert_eq!(trace_fields(&head), ["b3", "traceparent", "tracestate"]);
    assert_eq!(head.one("tracestate"), "secret=1,partner=2");
    assert_eq!(head.one("sentry-trace"), "x");
}

#[test]
fn fields_that_the_file_keeps_pass_the_boundary() {
    let upstream = Upstream::start(ok);
    let text =
        config(&upstream, &["    egress: strip\n"], "tracing: {trace_fields: {keep: [baggage, sentry-trace]}}\n");
    let gateway = Gateway::configured(&text, &[]);
    get(gateway.address, &["baggage: a=b", "sentry-trace: x", "b3: 0", "sw8: x"]);
    let head = upstream.head();
    assert_eq!(trace_fields(&head), ["baggage"]);
    assert_eq!((head.one("sentry-trace"), head.all("sw8").len()), ("x", 0));
}

#[test]
fn unknown_propagators_are_told() {
    let spans: Vec<Value> = {
        let upstream = Upstream::start(ok);
        let (told, gateway) = Gateway::start_told(&upstream.url(), &[("OTEL_PROPAGATORS", "b3,sw8")]);
        assert!(
            told[0].starts_with("warning: OTEL_PROPAGATORS is ignored: expected a list of tracecontext, "),
            "{told:?}"
        );
        get(gateway.address, &[]);
        gateway.spans()
    };
    assert_eq!(spans.len(), 2);
}
