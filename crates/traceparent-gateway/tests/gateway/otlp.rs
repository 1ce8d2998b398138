use std::net::{SocketAddr, TcpListener};

use crate::support::{
    CALLER, Collector, Connection, Exported, Gateway, TRACE_ID, Upstream, dead_port, get, hex, ok, send, traceparent,
};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// Starts a gateway that exports to this address by this protocol, and writes no lines.
fn start(upstream: &Upstream, args: &[&str], protocol: &str, address: SocketAddr, more: &[(&str, &str)]) -> Gateway {
    let endpoint = format!("http://{address}");
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)];
    Gateway::start_in(&upstream.url(), args, &[&environment, more].concat())
}

/// A collector for each protocol.
fn collectors() -> [(&'static str, Collector); 2] {
    [("grpc", Collector::grpc()), ("http/protobuf", Collector::http())]
}

/// The span of serving a request and the one of calling the upstream.
#[track_caller]
fn server_and_call(spans: &[Exported]) -> (&Exported, &Exported) {
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

#[test]
fn the_environment_says_resource_headers_and_batches() {
    for (protocol, collector) in collectors() {
        let upstream = Upstream::start(ok);
        let environment = [
            ("OTEL_SERVICE_NAME", "edge"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,team=sh%6Fp"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=one,x-other=two"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "3"),
            ("OTEL_BSP_SCHEDULE_DELAY", "60000"),
        ];
        let gateway = start(&upstream, &[], protocol, collector.address, &environment);
        let mut connection = Connection::open(gateway.address);
        for _ in 0..3 {
            connection.write(REQUEST);
            connection.response();
        }
        // Two batches are full; neither waits for its minute.
        for _ in 0..2 {
            let (head, spans) = collector.received();
            assert_eq!(spans.len(), 3);
            assert_eq!((head.one("x-key"), head.one("x-other")), ("one", "two"));
            for exported in spans {
                assert_eq!(exported.resource("service.name").as_deref(), Some("edge"));
                assert_eq!(exported.resource("team").as_deref(), Some("shop"));
                assert_eq!(exported.resource("service.instance.id").unwrap().len(), 36);
                assert_eq!(exported.resource("telemetry.sdk.language").as_deref(), Some("rust"));
            }
        }
        drop(connection);
        gateway.stop();
        assert_eq!(collector.all().len(), 0);
    }
}

#[test]
fn invalid_resource_attributes_are_not_exported() {
    for (list, names) in
        [("team=shop,bad", ["", "team"]), ("k%2Cey=v", ["k,ey", "k%2Cey"]), ("service.name=", ["", ""])]
    {
        let collector = Collector::http();
        let upstream = Upstream::start(ok);
        let environment = [("OTEL_RESOURCE_ATTRIBUTES", list)];
        let gateway = start(&upstream, &[], "http/protobuf", collector.address, &environment);
        get(gateway.address, &[]);
        gateway.stop();
        let spans = collector.all();
        assert_eq!(spans.len(), 2, "{list}");
        let [valid, invalid] = names;
        for exported in spans {
            assert_eq!(exported.resource("service.name").as_deref(), Some("gateway"), "{list}");
            assert_eq!(exported.resource(valid).is_some(), !valid.is_empty(), "{list}");
            assert_eq!(exported.resource(invalid), None, "{list}");
        }
    }
}

#[test]
fn the_file_overrules_the_environment() {
    for (protocol, collector) in collectors() {
        let upstream = Upstream::start(ok);
        let text = format!(
            "listeners:
- address: 127.0.0.1:0
  routes:
  - prefix: /
    upstream: {upstream}
  - prefix: /shop
    upstream: {upstream}
tracing:
  service_name: edge
  span_attributes:
    header_prefixes: [x-shop-, x-other-]
    attribute_prefix: shop
    static: {{deployment.environment.name: test}}
  otlp:
    endpoint: http://{collector}
    protocol: {protocol}
    headers: {{x-key: file}}
    timeout: 5s
",
            upstream = upstream.url(),
            collector = collector.address,
        );
        let environment = [
            ("OTEL_SERVICE_NAME", "nobody"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", if protocol == "grpc" { "http/protobuf" } else { "grpc" }),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=environment,x-more=kept"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
        ];
        let gateway = Gateway::configured(&text, &environment);
        let request = "GET /shop/cart HTTP/1.1\r\nHost: h\r\nX-Shop-Tenant-Id: acme\r\nX-Secret: s\r\n\r\n";
        assert_eq!(send(gateway.address, request).status, 200);
        assert!(gateway.stop().stderr.contains("stopped: 2 spans exported, 0 dropped; "));

        let (head, spans) = collector.received();
        assert_eq!((head.one("x-key"), head.one("x-more")), ("file", "kept"));
        let (server, call) = server_and_call(&spans);
        assert_eq!(server.resource("service.name").as_deref(), Some("edge"));
        assert_eq!(server.span.name, "GET /shop");
        assert_eq!(server.attribute("http.route").as_deref(), Some("/shop"));
        assert_eq!(server.attribute("client.address").as_deref(), Some("127.0.0.1"));
        assert_eq!(server.attribute("shop.tenant.id").as_deref(), Some("acme"));
        for exported in [server, call] {
            assert_eq!(exported.attribute("deployment.environment.name").as_deref(), Some("test"));
        }
        assert!(!format!("{spans:?}").to_lowercase().contains("secret"));
    }
}

#[test]
fn both_may_be_asked_for_and_neither() {
    for (exporters, lines, exported) in [("otlp,console", 2, 2), ("console", 2, 0), ("none", 0, 0), ("otlp", 0, 2)] {
        let collector = Collector::http();
        let upstream = Upstream::start(ok);
        let environment = [("OTEL_TRACES_EXPORTER", exporters)];
        let gateway = start(&upstream, &[], "http/protobuf", collector.address, &environment);
        get(gateway.address, &[]);
        assert_eq!(gateway.stop().spans.len(), lines, "{exporters}");
        assert_eq!(collector.all().len(), exported, "{exporters}");
    }
}

#[test]
fn an_absent_collector_costs_spans_and_nothing_else() {
    let (_socket, absent) = dead_port();
    for protocol in ["grpc", "http/protobuf"] {
        let upstream = Upstream::start(ok);
        let environment = [("OTEL_BSP_SCHEDULE_DELAY", "10"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "500")];
        let gateway = start(&upstream, &[], protocol, absent, &environment);
        for _ in 0..20 {
            assert_eq!(get(gateway.address, &[]).status, 200);
        }
        let stopped = gateway.stop();
        assert!(stopped.status.success());
        assert!(stopped.stderr.contains("export failed, dropping spans: "), "{}", stopped.stderr);
        assert!(stopped.stderr.contains("stopped: 0 spans exported, 40 dropped; "), "{}", stopped.stderr);
    }
}

#[test]
fn a_hanging_collector_costs_spans_and_nothing_else() {
    const REQUESTS: usize = 100;
    // It takes connections and says nothing.
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let hanging = collector.local_addr().unwrap();
    for protocol in ["grpc", "http/protobuf"] {
        let upstream = Upstream::start(ok);
        let environment = [
            ("OTEL_BSP_SCHEDULE_DELAY", "1"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "200"),
        ];
        let gateway = start(&upstream, &[], protocol, hanging, &environment);
        let mut connection = gateway.connect();
        for _ in 0..REQUESTS {
            connection.write(REQUEST);
            assert_eq!(connection.response().status, 200);
        }
        drop(connection);
        let stopped = gateway.stop();
        assert!(stopped.status.success());
        let told = format!("stopped: 0 spans exported, {} dropped; ", 2 * REQUESTS);
        assert!(stopped.stderr.contains(&told), "{}", stopped.stderr);
    }
}

#[test]
fn a_collector_that_comes_back_gets_spans_again() {
    for protocol in ["grpc", "http/protobuf"] {
        let (socket, address) = dead_port();
        let upstream = Upstream::start(ok);
        // The two spans of a request are a batch.
        let environment = [
            ("OTEL_BSP_SCHEDULE_DELAY", "60000"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "300"),
        ];
        let mut gateway = start(&upstream, &[], protocol, address, &environment);
        get(gateway.address, &[]);
        assert!(gateway.told().starts_with("export failed, dropping spans: "));

        socket.listen(128).unwrap();
        let listener = TcpListener::from(socket);
        let collector = if protocol == "grpc" { Collector::grpc_on(listener) } else { Collector::http_on(listener) };
        get(gateway.address, &[]);
        assert_eq!(gateway.told(), "export recovered");
        assert_eq!(collector.received().1.len(), 2);
        let stopped = gateway.stop();
        assert!(stopped.stderr.contains("stopped: 2 spans exported, 2 dropped; "), "{}", stopped.stderr);
    }
}

#[test]
fn an_endpoint_that_cannot_be_used_is_told_and_requests_are_served() {
    for endpoint in ["127.0.0.1:4317", "not a url", "ftp://127.0.0.1"] {
        let upstream = Upstream::start(ok);
        let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")];
        let (told, gateway) = Gateway::start_told(&upstream.url(), &environment);
        assert_eq!(
            told,
            [
                "warning: OTEL_EXPORTER_OTLP_ENDPOINT is ignored: expected a URL such as http://127.0.0.1:4318",
                "warning: OTEL_EXPORTER_OTLP_PROTOCOL is ignored: expected grpc or http/protobuf",
            ]
        );
        assert_eq!(get(gateway.address, &[]).status, 200);
        // As if the variable were not set, spans are lines.
        assert_eq!(gateway.stop().spans.len(), 2, "{endpoint}");
    }
}

#[test]
fn urls_are_built_of_their_parts() {
    for (endpoint, target) in [("?a=b", "/v1/traces?a=b"), ("/base/?a=b", "/base/v1/traces?a=b"), ("", "/v1/traces")] {
        let collector = Collector::http();
        let upstream = Upstream::start(ok);
        let endpoint = format!("http://{}{endpoint}", collector.address);
        let gateway = Gateway::start_in(&upstream.url(), &[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
        get(gateway.address, &[]);
        gateway.stop();
        assert_eq!(collector.received().0.first_line, format!("POST {target} HTTP/1.1"));
    }
}

#[test]
fn rejected_spans_are_dropped_spans_and_told_once() {
    for protocol in ["grpc", "http/protobuf"] {
        let collector = Collector::rejecting(protocol, 1);
        let upstream = Upstream::start(ok);
        let environment = [("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2"), ("OTEL_BSP_SCHEDULE_DELAY", "60000")];
        let gateway = start(&upstream, &[], protocol, collector.address, &environment);
        for _ in 0..3 {
            get(gateway.address, &[]);
        }
        let stopped = gateway.stop();
        assert!(stopped.stderr.contains("stopped: 3 spans exported, 3 dropped; "), "{}", stopped.stderr);
        let told = "the collector rejects spans, which count as dropped: too\\nlong\n";
        assert_eq!(stopped.stderr.matches(told).count(), 1, "{}", stopped.stderr);
    }
}

#[test]
fn a_time_limit_of_0_is_none() {
    for (protocol, collector) in collectors() {
        let upstream = Upstream::start(ok);
        let environment = [("OTEL_BSP_EXPORT_TIMEOUT", "0"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "0")];
        let gateway = start(&upstream, &[], protocol, collector.address, &environment);
        get(gateway.address, &[]);
        let stopped = gateway.stop();
        assert!(stopped.stderr.contains("stopped: 2 spans exported, 0 dropped; "), "{}", stopped.stderr);
        assert_eq!(collector.all().len(), 2);
    }
}

#[test]
fn spans_keep_the_limits_of_the_environment() {
    let collector = Collector::http();
    let upstream = Upstream::start(ok);
    let environment = [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "4"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "0"),
    ];
    let gateway = start(&upstream, &["--trust", "restart"], "http/protobuf", collector.address, &environment);
    get(gateway.address, &[&format!("traceparent: {}", traceparent("01"))]);
    gateway.stop();
    let spans = collector.all();
    let (server, _) = server_and_call(&spans);
    assert_eq!(server.span.attributes.len(), 4);
    assert!(server.span.dropped_attributes_count > 0);
    assert_eq!(server.attribute("server.address").as_deref(), Some("shop."));
    assert_eq!((server.span.links.len(), server.span.dropped_links_count), (0, 1));
}

#[test]
fn exports_are_compressed_if_the_environment_says_so() {
    for (protocol, collector) in collectors() {
        let upstream = Upstream::start(ok);
        let environment = [("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")];
        let gateway = start(&upstream, &[], protocol, collector.address, &environment);
        get(gateway.address, &[]);
        gateway.stop();
        let (head, spans) = collector.received();
        assert_eq!(spans.len(), 2);
        let field = if protocol == "grpc" { "grpc-encoding" } else { "content-encoding" };
        assert_eq!(head.one(field), "gzip");
    }
}

#[test]
fn batches_stay_below_what_collectors_take() {
    // All that a stranger may put into a list, in so many requests that one message with them would have some 6 MiB.
    let list: Vec<_> = (0..32).map(|i| format!("{}{i:02}={}", "k".repeat(254), "v".repeat(256))).collect();
    let tracestate = format!("tracestate: {}", list.join(","));
    let traceparent = format!("traceparent: {}", traceparent("01"));
    let collector = Collector::grpc();
    let upstream = Upstream::start(ok);
    let gateway = start(&upstream, &[], "grpc", collector.address, &[]);
    for _ in 0..180 {
        assert_eq!(get(gateway.address, &[&traceparent, &tracestate]).status, 200);
    }
    let stopped = gateway.stop();
    assert!(stopped.stderr.contains("stopped: 360 spans exported, 0 dropped; "), "{}", stopped.stderr);
    assert_eq!(collector.all().len(), 360);
}
