//! Spans as collectors get them.

use std::net::SocketAddr;

use crate::support::{
    CALLER, Collector, Exported, Gateway, TRACE_ID, Upstream, dead_port, get, hex, ok, send, traceparent,
};

/// Starts a gateway that exports to this address by this protocol, and writes no lines.
pub(crate) fn start(
    upstream: &Upstream,
    args: &[&str],
    protocol: &str,
    address: SocketAddr,
    more: &[(&str, &str)],
) -> Gateway {
    let endpoint = format!("http://{address}");
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)];
    Gateway::start_in(&upstream.url(), args, &[&environment, more].concat())
}

/// A collector for each protocol.
pub(crate) fn collectors() -> [(&'static str, Collector); 2] {
    [("grpc", Collector::grpc()), ("http/protobuf", Collector::http())]
}

/// The span of serving a request and the one of calling the upstream.
#[track_caller]
pub(crate) fn server_and_call(spans: &[Exported]) -> (&Exported, &Exported) {
    let find = |kind: i32| spans.iter().find(|exported| exported.span.kind == kind).expect("a span of each kind");
    assert_eq!(spans.len(), 2, "{spans:?}");
    (find(2), find(3))
}

#[test]
fn spans_arrive_with_the_ids_that_went_out() {
    for (protocol, collector) in collectors() {
        let upstream = Upstream::start(ok);
        let gateway = start(&upstream, &[], protocol, collector.address, &[]);
        let lines = [&*format!("traceparent: {}", traceparent("03")), "tracestate: rojo=1,ot=rv:6e6d1a75832a2f"];
        assert_eq!(get(gateway.address, &lines).status, 200);
        let head = upstream.head();
        let stopped = gateway.stop();
        assert_eq!(stopped.spans.len(), 0);
        assert!(stopped.stderr.contains("stopped: 2 spans exported, 0 dropped; "), "{}", stopped.stderr);

        let spans = collector.all();
        let (server, call) = server_and_call(&spans);
        let [_, trace_id, span_id, flags] = head.traceparent();
        assert_eq!([&*server.trace_id(), &*call.trace_id()], [TRACE_ID, trace_id]);
        assert_eq!(server.parent_id(), CALLER);
        assert_eq!(call.parent_id(), server.span_id());
        assert_eq!(call.span_id(), span_id);
        assert_eq!(flags, "03");
        // The flags, and whether the parent is in another process.
        assert_eq!((server.span.flags, call.span.flags), (0x303, 0x103));
        for exported in &spans {
            assert_eq!(exported.span.trace_state, head.one("tracestate"));
            assert!(exported.span.start_time_unix_nano <= exported.span.end_time_unix_nano);
            assert_eq!(exported.status(), (0, ""));
        }
        assert!(server.span.start_time_unix_nano <= call.span.start_time_unix_nano);
        assert!(call.span.end_time_unix_nano <= server.span.end_time_unix_nano);
    }
}

#[test]
fn spans_are_named_and_described_by_the_conventions() {
    let collector = Collector::http();
    let upstream = Upstream::start(ok);
    let gateway = start(&upstream, &[], "http/protobuf", collector.address, &[]);
    let request = "GET /orders/7?token=secret HTTP/1.1\r\nHost: shop.example:81\r\nUser-Agent: test/1\r\n\r\n";
    send(gateway.address, request);
    gateway.stop();

    let spans = collector.all();
    let (server, call) = server_and_call(&spans);
    let port = upstream.address.port().to_string();
    let url = format!("http://{}/orders/7?token=REDACTED", upstream.address);
    assert_eq!((&*server.span.name, &*call.span.name), ("GET", "GET"));
    for (exported, key, value) in [
        (server, "http.request.method", "GET"),
        (server, "url.scheme", "http"),
        (server, "url.path", "/orders/7"),
        (server, "url.query", "token=REDACTED"),
        (server, "server.address", "shop.example"),
        (server, "server.port", "81"),
        (server, "network.protocol.version", "1.1"),
        (server, "user_agent.original", "test/1"),
        (server, "http.response.status_code", "200"),
        (call, "http.request.method", "GET"),
        (call, "server.address", "127.0.0.1"),
        (call, "server.port", &port),
        (call, "url.full", &url),
        (call, "network.protocol.version", "1.1"),
        (call, "http.response.status_code", "200"),
    ] {
        assert_eq!(exported.attribute(key).as_deref(), Some(value), "{key}");
    }
    for exported in &spans {
        assert_eq!(exported.attribute("error.type"), None);
        assert_eq!(exported.scope.name, "traceparent-gateway");
    }
}

#[test]
fn statuses_are_errors_by_the_side_that_sees_them() {
    let collector = Collector::http();
    for (status, server_is_error, call_is_error) in [(302, false, false), (404, false, true), (503, true, true)] {
        let upstream = Upstream::start(move |exchange| {
            exchange.receive();
            exchange.write(format!("HTTP/1.1 {status} Reason\r\nContent-Length: 0\r\n\r\n"));
        });
        let gateway = start(&upstream, &[], "http/protobuf", collector.address, &[]);
        get(gateway.address, &[]);
        gateway.stop();
        let spans = collector.all();
        let (server, call) = server_and_call(&spans);
        for (exported, is_error) in [(server, server_is_error), (call, call_is_error)] {
            // The description stays empty: the status code says it all.
            assert_eq!(exported.status(), (if is_error { 2 } else { 0 }, ""), "{status}");
            assert_eq!(exported.attribute("error.type"), is_error.then(|| status.to_string()), "{status}");
            assert_eq!(exported.attribute("http.response.status_code"), Some(status.to_string()));
        }
    }
}

#[test]
fn a_dead_upstream_is_an_error_of_both() {
    let collector = Collector::http();
    let (_socket, address) = dead_port();
    let dead = format!("http://{address}");
    let endpoint = format!("http://{}", collector.address);
    let gateway = Gateway::start_in(&dead, &[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    assert_eq!(get(gateway.address, &[]).status, 502);
    gateway.stop();
    let spans = collector.all();
    let (server, call) = server_and_call(&spans);
    for exported in [server, call] {
        assert_eq!(exported.status(), (2, "cannot connect to the upstream: connection refused"));
        assert_eq!(exported.attribute("error.type").as_deref(), Some("upstream_unreachable"));
    }
    assert_eq!(server.attribute("http.response.status_code").as_deref(), Some("502"));
    assert_eq!(call.attribute("http.response.status_code"), None);
}

#[test]
fn a_restarted_trace_is_linked_to_the_callers() {
    let collector = Collector::grpc();
    let upstream = Upstream::start(ok);
    let gateway = start(&upstream, &["--trust", "restart"], "grpc", collector.address, &[]);
    get(gateway.address, &[&format!("traceparent: {}", traceparent("01")), "tracestate: rojo=1"]);
    gateway.stop();
    let spans = collector.all();
    let (server, call) = server_and_call(&spans);
    assert_ne!(server.trace_id(), TRACE_ID);
    assert_eq!(server.parent_id(), "");
    let [link] = &server.span.links[..] else { panic!("one link: {server:?}") };
    assert_eq!((hex(&link.trace_id), hex(&link.span_id)), (TRACE_ID.to_owned(), CALLER.to_owned()));
    assert_eq!((link.trace_state.as_str(), link.flags), ("", 0x301));
    assert!(call.span.links.is_empty());
}

#[test]
fn what_is_refused_is_told_without_an_echo() {
    let collector = Collector::http();
    let upstream = Upstream::start(ok);
    let gateway = start(&upstream, &[], "http/protobuf", collector.address, &[]);
    get(gateway.address, &["traceparent: 00-SECRET"]);
    gateway.stop();
    let spans = collector.all();
    let (server, _) = server_and_call(&spans);
    assert_eq!(
        server.attribute("traceparent.refused").as_deref(),
        Some("traceparent is too short: it ends at offset 9")
    );
    assert!(!format!("{spans:?}").contains("SECRET"));
}

#[test]
fn what_is_not_sampled_is_not_exported() {
    let collector = Collector::http();
    let upstream = Upstream::start(ok);
    let gateway = start(&upstream, &[], "http/protobuf", collector.address, &[]);
    for flags in ["00", "01", "02"] {
        get(gateway.address, &[&format!("traceparent: {}", traceparent(flags))]);
    }
    let stopped = gateway.stop();
    assert!(stopped.stderr.contains("stopped: 2 spans exported, 0 dropped; "), "{}", stopped.stderr);
    assert_eq!(collector.all().len(), 2);
}
