use std::{
    convert::Infallible,
    net::{Shutdown, SocketAddr},
    sync::Mutex,
};

use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::BoxBody};
use hyper::{
    HeaderMap, Request, Response, Version,
    body::{Bytes, Frame, Incoming},
    client::conn::http2::{SendRequest, handshake},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_client::TraceServiceClient,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    trace::v1::ResourceSpans,
};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};

use crate::support::{Gateway, Upstream, get, ok, server_and_call, span_of};

type Body = BoxBody<Bytes, Infallible>;

fn whole(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed()
}

async fn client(address: SocketAddr) -> SendRequest<Body> {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (client, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(async { drop(connection.await) });
    client
}

/// A service that speaks nothing but HTTP/2 and answers with what it received, as trailers.
async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let stream = TokioIo::new(listener.accept().await.unwrap().0);
            let service = service_fn(answer);
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(async move { drop(server.serve_connection(stream, service).await) });
        }
    });
    address
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    assert_eq!(parts.version, Version::HTTP_2);
    // Not every test sends it to its end.
    let Ok(received) = body.collect().await else { return Ok(Response::new(whole(""))) };
    // Fields of heads are none of trailers, but for their names.
    let seen = parts.headers.iter().map(|(name, value)| (format!("x-seen-{name}").parse().unwrap(), value.clone()));
    let mut trailers: HeaderMap = seen.collect();
    for (name, value) in received.trailers().into_iter().flatten() {
        trailers.insert(name, value.clone());
    }
    trailers.insert("x-authority", parts.uri.authority().unwrap().as_str().parse().unwrap());
    let frames = [Frame::data(received.to_bytes()), Frame::trailers(trailers)];
    let frames = StreamBody::new(tokio_stream::iter(frames.map(Ok)));
    Ok(Response::new(BodyExt::boxed(frames)))
}

fn route(upstream: impl std::fmt::Display, http2: bool) -> String {
    format!(
        "listeners:\n  - address: 127.0.0.1:0\n    routes:\n      - prefix: /\n        upstream: http://{upstream}\n        \
         http2: {http2}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn one_port_takes_both() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let request = Request::get("http://shop.example/a?b").header("te", "trailers").body(whole("")).unwrap();
    let response = client(gateway.address).await.send_request(request).await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    let head = upstream.head();
    assert_eq!(head.first_line, "GET /a?b HTTP/1.1");
    assert_eq!((head.one("host"), head.one("x-forwarded-host")), ("shop.example", "shop.example"));
    assert!(head.one("via").starts_with("2.0 traceparent-gateway-"));
    assert_eq!(head.one("te"), "trailers");
    assert_eq!(get(gateway.address, &[]).status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_go_through_both_ways() {
    let gateway = Gateway::configured(&route(upstream().await, true), &[]);
    let mut sent = HeaderMap::new();
    sent.insert("x-sum", "7".parse().unwrap());
    let frames = StreamBody::new(tokio_stream::iter([Ok(Frame::data("body".into())), Ok(Frame::trailers(sent))]));
    let request = Request::post("http://shop.example/").header("te", "trailers").body(BodyExt::boxed(frames)).unwrap();
    let response = client(gateway.address).await.send_request(request).await.unwrap();
    let received = response.into_body().collect().await.unwrap();
    let trailers = received.trailers().unwrap();
    assert_eq!(trailers["x-sum"], "7");
    assert_eq!(trailers["x-seen-te"], "trailers");
    assert!(!trailers.contains_key("x-seen-host"));
    assert_eq!(trailers["x-seen-x-forwarded-host"], "shop.example");
    let traceparent = trailers["x-seen-traceparent"].to_str().unwrap().to_owned();
    assert_eq!(received.to_bytes(), "body");
    let (_, call) = server_and_call(&gateway.spans());
    assert!(traceparent.contains(call.unwrap()["span_id"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_1_client_reaches_an_http_2_upstream() {
    let gateway = Gateway::configured(&route(upstream().await, true), &[]);
    let address = gateway.address;
    let response =
        tokio::task::spawn_blocking(move || get(address, &["TE: trailers", "Connection: TE"])).await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(span_of(gateway)["error"], Value::Null);
}

/// The client is to blame, although it is the upstream's connection that fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_finish_its_request_is_told_and_not_the_upstream() {
    for (cut, status, answer, error) in [
        (false, 408, "The request takes too long.\n", "the request's body paused for too long"),
        (true, 400, "The request did not come to its end.\n", "the request's body did not come to its end"),
    ] {
        let limits = "  - address: 127.0.0.1:0\n    limits: {idle_timeout: 300ms}\n";
        let gateway = route(upstream().await, true).replace("  - address: 127.0.0.1:0\n", limits);
        let gateway = Gateway::configured(&gateway, &[]);
        let mut connection = gateway.connect();
        connection.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nfirst");
        if cut {
            connection.stream.get_ref().shutdown(Shutdown::Write).unwrap();
        }
        let response = tokio::task::spawn_blocking(move || connection.response()).await.unwrap();
        assert_eq!((response.status, response.body.as_str()), (status, answer));
        let (server, call) = server_and_call(&gateway.spans());
        assert_eq!((&server["error"], &call.unwrap()["error"]), (&error.into(), &error.into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_many_requests_at_once() {
    let gateway = Gateway::configured(&route(upstream().await, true), &[]);
    let client = client(gateway.address).await;
    let requests = (0..150).map(|number: usize| {
        let mut client = client.clone();
        async move {
            client.ready().await.unwrap();
            let request = Request::post("http://h/").body(whole(number.to_string())).unwrap();
            let body = client.send_request(request).await.unwrap().into_body().collect().await.unwrap();
            assert_eq!(body.to_bytes(), number.to_string());
        }
    });
    let mut tasks = tokio::task::JoinSet::new();
    requests.for_each(|request| drop(tasks.spawn(request)));
    tasks.join_all().await;
    assert_eq!(gateway.spans().len(), 300);
}

/// As a model's tokens come: each event is there before the next one is made, whatever is spoken on either side.
#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_one_by_one() {
    let (events, next) = mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
    let next = Mutex::new(Some(next));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let stream = TokioIo::new(listener.accept().await.unwrap().0);
        let service = service_fn(|_| {
            let stream = StreamBody::new(ReceiverStream::new(next.lock().unwrap().take().unwrap()));
            let response = Response::builder().header("content-type", "text/event-stream").body(stream);
            std::future::ready(response)
        });
        hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await.unwrap();
    });
    let gateway = Gateway::start(&format!("http://{address}"), &[]);
    let request = Request::get("http://h/v1/chat/completions").body(Empty::new().boxed()).unwrap();
    let mut body = client(gateway.address).await.send_request(request).await.unwrap().into_body();
    for number in 0..5 {
        let event = format!("data: {number}\n\n");
        events.send(Ok(Frame::data(event.clone().into()))).await.unwrap();
        // The next one is made only when this one is here.
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), event);
    }
    drop(events);
    assert_eq!(body.collect().await.unwrap().to_bytes(), "");
    assert_eq!(span_of(gateway)["error"], Value::Null);
}

/// A gRPC service that says whose child it is where it has nothing to complain of.
struct Traces;

#[tonic::async_trait]
impl TraceService for Traces {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        let traceparent = request.metadata().get("traceparent").cloned().unwrap();
        if request.get_ref().resource_spans.is_empty() {
            return Err(tonic::Status::invalid_argument("no spans"));
        }
        let mut response = tonic::Response::new(ExportTraceServiceResponse::default());
        response.metadata_mut().insert("x-seen", traceparent);
        Ok(response)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_goes_through_with_its_status() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(Traces));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let gateway = Gateway::configured(&route(address, true), &[]);

    let mut client = TraceServiceClient::connect(format!("http://{}", gateway.address)).await.unwrap();
    let request = ExportTraceServiceRequest { resource_spans: vec![ResourceSpans::default()] };
    let response = client.export(request).await.unwrap();
    let seen = response.metadata().get("x-seen").unwrap().to_str().unwrap().to_owned();
    let status = client.export(ExportTraceServiceRequest::default()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (tonic::Code::InvalidArgument, "no spans"));
    drop(client);

    let spans = gateway.spans();
    assert_eq!(spans.len(), 4);
    let called = spans.iter().find(|span| span["kind"] == "client" && seen.contains(span["span_id"].as_str().unwrap()));
    assert_eq!(called.unwrap()["status"], 200);
}

/// Flow control lets a client take nothing for ever; its stream ends, and then its connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_reset() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        exchange.write(format!("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{}", "x".repeat(1_000_000)));
    });
    let limits = "  - address: 127.0.0.1:0\n    limits: {idle_timeout: 2s}\n";
    let gateway = route(upstream.address, false).replace("  - address: 127.0.0.1:0\n", limits);
    let gateway = Gateway::configured(&gateway, &[]);
    let stream = TokioIo::new(TcpStream::connect(gateway.address).await.unwrap());
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut client, connection) = builder.initial_stream_window_size(1000).handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://h/").body(whole("")).unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    // The gateway ends it: this end is kept.
    let ended = tokio::time::timeout(std::time::Duration::from_secs(60), connection).await;
    assert!(ended.is_ok(), "the connection is open");
    assert!(response.into_body().collect().await.is_err());
    let span = span_of(gateway);
    assert_eq!((&span["status"], &span["error"]), (&200.into(), &STALLED.into()));
}

const STALLED: &str = "the client took nothing of the response for too long";
