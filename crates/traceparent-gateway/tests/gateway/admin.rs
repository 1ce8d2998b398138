use std::{net::SocketAddr, time::Duration};

use serde_json::Value;

use crate::support::{CALLER, Gateway, Response, TRACE_ID, Upstream, get, ok, send, traceparent};

/// Starts a gateway with an admin listener, and returns where that is.
fn start(upstream: &str, args: &[&str]) -> (Gateway, SocketAddr) {
    let mut gateway = Gateway::start(upstream, &[args, &["--admin", "127.0.0.1:0"]].concat());
    let admin = gateway.admin();
    (gateway, admin)
}

fn fetch(admin: SocketAddr, path: &str) -> Response {
    send(admin, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

fn json(admin: SocketAddr, path: &str) -> Value {
    let response = fetch(admin, path);
    assert_eq!((response.status, response.head.one("content-type")), (200, "application/json"));
    serde_json::from_str(&response.body).unwrap()
}

/// Waits until this number of spans is kept: they arrive beside the requests.
fn await_spans(admin: SocketAddr, spans: u64) -> Vec<Value> {
    for _ in 0..600 {
        let traces = json(admin, "/api/traces")["traces"].as_array().unwrap().clone();
        if traces.iter().map(|trace| trace["spans"].as_u64().unwrap()).sum::<u64>() >= spans {
            return traces;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the spans do not arrive");
}

#[test]
fn it_is_a_listener_of_its_own() {
    let upstream = Upstream::start(ok);
    let (gateway, admin) = start(&upstream.url(), &[]);
    assert_eq!((fetch(admin, "/healthz").status, fetch(admin, "/healthz").body.as_str()), (200, "ok\n"));
    // On the other listener, the same path is the upstream's.
    assert_eq!(fetch(gateway.address, "/healthz").body, "ok");
    assert_eq!(fetch(admin, "/nothing").status, 404);
    assert_eq!(send(admin, "DELETE /traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").status, 405);
    let response = fetch(admin, "/");
    assert_eq!((response.status, response.head.one("location")), (302, "/traces"));
}

#[test]
fn metrics_are_counted() {
    let upstream = Upstream::start(ok);
    let (gateway, admin) = start(&upstream.url(), &[]);
    get(gateway.address, &[]);
    get(gateway.address, &[&format!("traceparent: {}", traceparent("01"))]);
    get(gateway.address, &[&format!("traceparent: {}", traceparent("00"))]);
    get(gateway.address, &["traceparent: 00-"]);
    await_spans(admin, 6);
    let response = fetch(admin, "/metrics");
    assert_eq!(response.head.one("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        "requests_open 0",
        "requests_total{status=\"2xx\"} 4",
        "contexts_total{origin=\"started\"} 1",
        "contexts_total{origin=\"continued\"} 2",
        "contexts_total{origin=\"restarted\"} 1",
        "contexts_sampled_total 3",
        "contexts_refused_total{kind=\"too_short\"} 1",
        "spans_total{sink=\"console\",outcome=\"dropped\"} 0",
        "spans_total{sink=\"store\",outcome=\"exported\"} 6",
        "spans_total{sink=\"store\",outcome=\"dropped\"} 0",
        "spans_waiting{sink=\"store\"} 0",
        "upstream_response_seconds_count 4",
    ] {
        let line = format!("\ntraceparent_gateway_{line}\n");
        assert!(response.body.contains(&line), "{line} is not in {}", response.body);
    }
}

#[test]
fn traces_are_kept_and_shown() {
    let upstream = Upstream::start(ok);
    let (gateway, admin) = start(&upstream.url(), &[]);
    assert!(fetch(admin, "/traces").body.contains("No trace has been sampled yet."));
    let request = format!("GET /a/b?c=d HTTP/1.1\r\nHost: h\r\ntraceparent: {}\r\n\r\n", traceparent("01"));
    send(gateway.address, request);
    get(gateway.address, &[&format!("traceparent: {}", traceparent("00").replace('4', "5"))]);
    let traces = await_spans(admin, 2);
    assert_eq!(traces.len(), 1, "{traces:?}");
    assert_eq!(traces[0]["trace_id"], TRACE_ID);
    assert_eq!((&traces[0]["spans"], &traces[0]["errors"]), (&2.into(), &0.into()));

    let found = json(admin, &format!("/api/traces/{TRACE_ID}"));
    let spans = found["spans"].as_array().unwrap();
    assert_eq!((&spans[0]["kind"], &spans[0]["parent_id"]), (&"server".into(), &CALLER.into()));
    assert_eq!((&spans[1]["kind"], &spans[1]["parent_id"]), (&"client".into(), &spans[0]["span_id"]));
    assert_eq!(upstream.head().traceparent()[2], spans[1]["span_id"]);

    assert!(fetch(admin, "/traces").body.contains(&format!("<a href=\"/traces/{TRACE_ID}\">")));
    let page = fetch(admin, &format!("/traces/{TRACE_ID}"));
    assert_eq!((page.status, page.head.one("content-type")), (200, "text/html; charset=utf-8"));
    for text in ["GET /a/b", "url.query", "c=REDACTED", spans[1]["span_id"].as_str().unwrap()] {
        assert!(page.body.contains(text), "{text}");
    }
    for unknown in ["ffffffffffffffffffffffffffffffff", "0", "%00"] {
        assert_eq!(fetch(admin, &format!("/traces/{unknown}")).status, 404);
        assert_eq!(fetch(admin, &format!("/api/traces/{unknown}")).status, 404);
    }
}

#[test]
fn nothing_from_outside_becomes_markup() {
    let upstream = Upstream::start(ok);
    let (gateway, admin) = start(&upstream.url(), &[]);
    let request =
        "GET /'\"<script>alert(1)</script> HTTP/1.1\r\nHost: h\r\nUser-Agent: <img src=x onerror=alert(2)>\r\n\r\n";
    // Whether a target like this is forwarded is not the point.
    send(gateway.address, request);
    get(gateway.address, &["user-agent: <img src=x onerror=alert(2)>\"'&"]);
    for trace in await_spans(admin, 2) {
        for path in ["/traces".to_owned(), format!("/traces/{}", trace["trace_id"].as_str().unwrap())] {
            let page = fetch(admin, &path);
            for markup in ["<script", "<img"] {
                assert!(!page.body.contains(markup), "{markup} in {path}");
            }
            assert!(page.head.one("content-security-policy").starts_with("default-src 'none'; "));
        }
    }
}

/// A page of another site reaches the listener by DNS rebinding, under that site's name.
#[test]
fn it_answers_only_under_its_own_names() {
    let upstream = Upstream::start(ok);
    let mut gateway = Gateway::configured(
        &format!(
            "listeners:\n  - address: 127.0.0.1:0\n    routes:\n      - prefix: /\n        upstream: {}\n\
             admin:\n  address: 127.0.0.1:0\n  hosts: [Ops.example]\n",
            upstream.url()
        ),
        &[],
    );
    let admin = gateway.admin();
    let status = |host: &str| send(admin, format!("GET /healthz HTTP/1.1\r\n{host}\r\n\r\n")).status;
    for host in ["localhost", "LOCALHOST:10000", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:10000", "ops.example:1"] {
        assert_eq!(status(&format!("Host: {host}")), 200, "{host}");
    }
    for host in
        ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "x@localhost", "[::1].evil.example"]
    {
        assert_eq!(status(&format!("Host: {host}")), 403, "{host}");
    }
    assert_eq!(status("Host: localhost\r\nHost: evil.example"), 403);
    assert_eq!(status("X: 1"), 403);
    assert_eq!(send(admin, "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 403);
}
