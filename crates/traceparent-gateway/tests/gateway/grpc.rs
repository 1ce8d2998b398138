use std::{convert::Infallible, net::SocketAddr};

use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::BoxBody};
use hyper::{
    HeaderMap, Request, Response,
    body::{Bytes, Frame, Incoming},
    client::conn::http2::{SendRequest, handshake},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Collector, Gateway, send, server_and_call};

type Body = BoxBody<Bytes, Infallible>;

/// A service whose methods are named after what they answer with, such as `Trailers14`, `Head13` and `Missing`.
async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let stream = TokioIo::new(listener.accept().await.unwrap().0);
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(async move { drop(server.serve_connection(stream, service_fn(answer)).await) });
        }
    });
    address
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let method = request.uri().path().rsplit('/').next().unwrap().to_owned();
    drop(request.into_body().collect().await);
    let head = Response::builder().header("content-type", "application/grpc");
    let response = if let Some(status) = method.strip_prefix("Trailers") {
        let trailers: HeaderMap = [("grpc-status".parse().unwrap(), status.parse().unwrap())].into_iter().collect();
        let frames = [Frame::data("data".into()), Frame::trailers(trailers)];
        head.body(StreamBody::new(tokio_stream::iter(frames.map(Ok))).boxed())
    } else if let Some(status) = method.strip_prefix("Head") {
        head.header("grpc-status", status).body(Empty::new().boxed())
    } else {
        head.body(Full::from("data").boxed())
    };
    Ok(response.unwrap())
}

async fn client(address: SocketAddr) -> SendRequest<Body> {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (client, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(async { drop(connection.await) });
    client
}

async fn call(client: &mut SendRequest<Body>, method: &str, kind: &str) {
    let request = Request::post(format!("http://shop.example/shop.v1.Shop/{method}"))
        .header("content-type", kind)
        .header("te", "trailers")
        .body(Full::from("data").boxed())
        .unwrap();
    let response = client.send_request(request).await.unwrap();
    response.into_body().collect().await.unwrap();
}

fn config(upstream: SocketAddr) -> String {
    format!(
        "listeners:\n- address: 127.0.0.1:0\n  routes:\n  - prefix: /\n    upstream: http://{upstream}\n    http2: true\n"
    )
}

/// The attributes of a span that are about the call, and its error.
fn of_rpc(span: &Value) -> [Value; 4] {
    let attributes = &span["attributes"];
    assert_eq!(attributes["rpc.system.name"], "grpc");
    [
        span["name"].clone(),
        attributes["rpc.method"].clone(),
        attributes["rpc.method_original"].clone(),
        attributes["rpc.response.status_code"].clone(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_described_by_the_conventions_for_rpc() {
    let upstream = upstream().await;
    for (method, status) in [
        ("Trailers0", "OK"),
        ("Trailers14", "UNAVAILABLE"),
        ("Trailers5", "NOT_FOUND"),
        ("Trailers99", "UNKNOWN"),
        ("Head13", "INTERNAL"),
        ("Head0", "OK"),
        ("Trailers12", "UNIMPLEMENTED"),
        ("Missing", ""),
    ] {
        let gateway = Gateway::configured(&config(upstream), &[]);
        call(&mut client(gateway.address).await, method, "application/grpc+proto").await;
        let (server, call) = server_and_call(&gateway.spans());
        let full = format!("shop.v1.Shop/{method}");
        for span in [server, call.unwrap()] {
            let expected = match status {
                "" => [Value::from("POST"), "_OTHER".into(), full.clone().into(), Value::Null],
                "UNIMPLEMENTED" => ["POST".into(), "_OTHER".into(), full.clone().into(), status.into()],
                _ => [full.clone().into(), full.clone().into(), Value::Null, status.into()],
            };
            assert_eq!(of_rpc(&span), expected, "{method}");
            assert_eq!(span["status"], 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_are_errors_by_the_side_that_sees_them() {
    let collector = Collector::http();
    let upstream = upstream().await;
    for (method, server_error, client_error) in [
        ("Trailers0", None, None),
        ("Trailers5", None, Some("NOT_FOUND")),
        ("Trailers14", Some("UNAVAILABLE"), Some("UNAVAILABLE")),
        ("Head13", Some("INTERNAL"), Some("INTERNAL")),
        ("Missing", Some("grpc_status_missing"), Some("grpc_status_missing")),
    ] {
        let endpoint = format!("http://{}", collector.address);
        let gateway = Gateway::configured(&config(upstream), &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
        call(&mut client(gateway.address).await, method, "application/grpc").await;
        gateway.stop();
        let spans = collector.all();
        assert_eq!(spans.len(), 2, "{method}");
        for exported in spans {
            let error = if exported.span.kind == 2 { server_error } else { client_error };
            assert_eq!(exported.attribute("error.type").as_deref(), error, "{method}");
            assert_eq!(exported.status().0, if error.is_some() { 2 } else { 0 }, "{method}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted_by_their_status() {
    let text = config(upstream().await) + "admin: {address: 127.0.0.1:0}\n";
    let mut gateway = Gateway::configured(&text, &[]);
    let admin = gateway.admin();
    let mut client = client(gateway.address).await;
    for method in ["Trailers0", "Head7", "Missing", "Trailers0"] {
        call(&mut client, method, "application/grpc").await;
    }
    // Its trailers are in the body, so that no status is missing.
    call(&mut client, "Web", "application/grpc-web").await;
    call(&mut client, "Trailers14", "application/json").await;
    drop(client);
    let metrics = || send(admin, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").body;
    // A span ends a moment after its response.
    let text = loop {
        let text = metrics();
        if text.contains("requests_open 0") {
            break text;
        }
        tokio::task::yield_now().await;
    };
    for line in [
        "grpc_calls_total{status=\"OK\"} 2",
        "grpc_calls_total{status=\"PERMISSION_DENIED\"} 1",
        "grpc_calls_total{status=\"none\"} 2",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("grpc_calls_total{status=\"UNAVAILABLE\"}"), "{text}");
    let spans = gateway.spans();
    let web = spans.iter().find(|span| span["attributes"]["url.path"] == "/shop.v1.Shop/Web").unwrap();
    assert_eq!((&web["attributes"]["rpc.system.name"], &web["error"]), (&"grpc".into(), &Value::Null));
    let plain = spans.iter().filter(|span| span["attributes"]["url.path"] == "/shop.v1.Shop/Trailers14");
    assert!(plain.clone().count() == 1 && plain.clone().all(|span| span["attributes"]["rpc.method"].is_null()));
}
