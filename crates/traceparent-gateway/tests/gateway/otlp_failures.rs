//! Collectors that fail cost spans and nothing else.

use std::net::TcpListener;

use crate::{
    otlp::start,
    support::{Collector, Upstream, dead_port, get, ok, traceparent},
};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

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
