//! The service that the W3C's validation suite for trace context plays against, on a stock OpenTelemetry SDK.
//!
//! `cargo run --release -p traceparent-opentelemetry --example w3c_service_otel -- --listen 127.0.0.1:5001`
//!
//! It takes `[{"url": "...", "arguments": [...]}, ...]` by `POST`, posts each element's `arguments` to its `url`, in
//! order, with a context of its own, and answers.

use std::{error::Error, net::SocketAddr};

use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use opentelemetry::{
    Context, global,
    trace::{FutureExt, SpanKind, TraceContextExt, Tracer},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::Value;
use tokio::net::TcpListener;
use traceparent_opentelemetry::TraceContextPropagator;

type AnyError = Box<dyn Error + Send + Sync>;
type HttpClient = Client<HttpConnector, Full<Bytes>>;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let listen = std::env::args().skip_while(|arg| arg != "--listen").nth(1);
    let address: SocketAddr = listen.as_deref().unwrap_or("127.0.0.1:5001").parse()?;

    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    accept(listener).await
}

pub(crate) async fn accept(listener: TcpListener) -> Result<(), AnyError> {
    global::set_text_map_propagator(TraceContextPropagator::new());
    global::set_tracer_provider(SdkTracerProvider::default());

    let client = Client::builder(TokioExecutor::new()).build_http();
    loop {
        let (stream, _) = listener.accept().await?;
        let client = client.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| serve(client.clone(), request));
            if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                eprintln!("a connection ended: {error}");
            }
        });
    }
}

/// The server's span: its parent is what came in.
async fn serve(client: HttpClient, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, AnyError> {
    let tracer = global::tracer("w3c_service_otel");
    let parent = global::get_text_map_propagator(|propagator| propagator.extract(&HeaderExtractor(request.headers())));
    let span = tracer.span_builder("serve").with_kind(SpanKind::Server).start_with_context(&tracer, &parent);

    let body = request.into_body().collect().await?.to_bytes();
    let (status, answer) = match call_all(&client, &body).with_context(parent.with_span(span)).await {
        Ok(()) => (StatusCode::OK, serde_json::json!({})),
        Err(error) => (StatusCode::BAD_REQUEST, serde_json::json!({ "error": error.to_string() })),
    };
    Ok(Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(answer.to_string()))?)
}

async fn call_all(client: &HttpClient, body: &[u8]) -> Result<(), AnyError> {
    for call in serde_json::from_slice::<Vec<Value>>(body)? {
        let url = call.get("url").and_then(Value::as_str).ok_or("a call without a url")?;
        let arguments = call.get("arguments").unwrap_or(&Value::Null).to_string();
        post(client, url, arguments).await?;
    }
    Ok(())
}

/// A client's span for each call: its context goes out.
async fn post(client: &HttpClient, url: &str, body: String) -> Result<(), AnyError> {
    let tracer = global::tracer("w3c_service_otel");
    let span = tracer.span_builder("call").with_kind(SpanKind::Client).start(&tracer);
    let cx = Context::current_with_span(span);
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(body))?;
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&cx, &mut HeaderInjector(request.headers_mut()));
    });
    client.request(request).with_context(cx).await?.into_body().collect().await?;
    Ok(())
}
