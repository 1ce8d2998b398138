//! The gateway's own refusals of gRPC calls are statuses of gRPC.

use std::net::SocketAddr;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, trace_service_client::TraceServiceClient,
};
use serde_json::Value;
use tonic::{Code, Status};

use crate::support::{Gateway, dead_port, send, server_and_call, silent};

const METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

fn start(limits: &str, prefix: &str, upstream: SocketAddr, route: &str) -> Gateway {
    Gateway::configured(
        &format!(
            "listeners:\n  - address: 127.0.0.1:0\n    limits: {{{limits}}}\n    routes:\n      - prefix: {prefix}\n        \
             upstream: http://{upstream}\n        http2: true\n        {route}\n"
        ),
        &[],
    )
}

/// Calls a method whose name any client can invent, with this number of fields.
async fn call(gateway: &Gateway, fields: usize) -> Status {
    let mut client = TraceServiceClient::connect(format!("http://{}", gateway.address)).await.unwrap();
    let mut request = tonic::Request::new(ExportTraceServiceRequest::default());
    for _ in 0..fields {
        request.metadata_mut().append("x-field", "1".parse().unwrap());
    }
    client.export(request).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_the_status_of_the_failure() {
    let (_socket, dead) = dead_port();
    let (silent, _end) = silent();
    for (gateway, fields, code, message, error) in [
        (
            start("", "/", dead, ""),
            0,
            Code::Unavailable,
            "The service behind this gateway cannot be reached.",
            "cannot connect to the upstream: connection refused",
        ),
        (
            // It waits for ever for the settings of HTTP/2.
            start("", "/", silent.address, "timeout: 200ms"),
            0,
            Code::DeadlineExceeded,
            "The service behind this gateway takes too long.",
            "the upstream took too long to answer",
        ),
        (
            start("", "/shop", dead, ""),
            0,
            Code::Unimplemented,
            "Nothing is served here.",
            "no route leads to the request's target",
        ),
        (
            start("header_fields: 20", "/", dead, ""),
            20,
            Code::ResourceExhausted,
            "The request has too many header fields.",
            "the request has too many header fields",
        ),
    ] {
        let status = call(&gateway, fields).await;
        assert_eq!((status.code(), status.message()), (code, message));
        let (span, _) = server_and_call(&gateway.spans());
        assert_eq!((&span["status"], &span["error"]), (&200.into(), &error.into()));
        let attributes = &span["attributes"];
        let name = format!("{code:?}");
        let found = attributes["rpc.response.status_code"].as_str().unwrap().replace('_', "");
        assert_eq!(found, name.to_ascii_uppercase());
        // No upstream has shown that it knows the method, so it names nothing.
        assert_eq!((&span["name"], &attributes["rpc.method"]), (&"POST".into(), &"_OTHER".into()));
        assert_eq!(attributes["rpc.method_original"], METHOD[1..]);
    }
}

#[test]
fn the_head_is_the_whole_answer_whatever_the_version() {
    let (_socket, dead) = dead_port();
    let mut gateway = Gateway::start(&format!("http://{dead}"), &["--admin", "127.0.0.1:0"]);
    let admin = gateway.admin();
    for (sent, received) in [
        ("application/grpc", "application/grpc"),
        ("application/grpc+proto", "application/grpc"),
        ("application/grpc-web+proto", "application/grpc-web"),
    ] {
        let request =
            format!("POST {METHOD} HTTP/1.1\r\nHost: h\r\nContent-Type: {sent}\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0");
        let response = send(gateway.address, request);
        assert_eq!((response.status, response.body.as_str()), (200, ""));
        assert_eq!(response.head.one("content-type"), received);
        assert_eq!(response.head.one("grpc-status"), "14");
        assert_eq!(response.head.one("grpc-message"), "The service behind this gateway cannot be reached.");
    }
    for other in ["application/json", "application/grpcx"] {
        let request =
            format!("POST {METHOD} HTTP/1.1\r\nHost: h\r\nContent-Type: {other}\r\nContent-Length: 1\r\n\r\nx");
        let response = send(gateway.address, request);
        assert_eq!((response.status, response.head.all("grpc-status")), (502, vec![]), "{other}");
    }
    // A span ends a moment after its response.
    let metrics = std::iter::repeat_with(|| send(admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").body);
    let metrics = metrics.take(6000).find(|metrics| metrics.contains("requests_open 0\n")).unwrap();
    assert!(metrics.contains("\ntraceparent_gateway_grpc_calls_total{status=\"UNAVAILABLE\"} 3\n"), "{metrics}");
    let spans = gateway.spans();
    let servers = spans.iter().filter(|span| span["kind"] == "server");
    assert_eq!(servers.filter(|span| span["attributes"]["rpc.system.name"] != Value::Null).count(), 3);
}
