//! Where spans go, and how: by the file and the environment.

use crate::{
    otlp::{collectors, server_and_call, start},
    support::{Collector, Connection, Gateway, Upstream, get, ok, send},
};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

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
