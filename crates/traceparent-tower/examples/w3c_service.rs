//! The service that the W3C's validation suite for trace context plays against, on the two layers.
//!
//! `cargo run --release -p traceparent-tower --example w3c_service -- --listen 127.0.0.1:5000`
//!
//! It takes `[{"url": "...", "arguments": [...]}, ...]` by `POST`, posts each element's `arguments` to its `url`, in
//! order, with a context of its own, and answers.

use std::{error::Error, net::SocketAddr};

use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt, service_fn};
use traceparent::sampler::AlwaysOn;
use traceparent_tower::{ExtractTraceContextLayer, InjectTraceContext, InjectTraceContextLayer};

type AnyError = Box<dyn Error + Send + Sync>;
type HttpClient = InjectTraceContext<Client<HttpConnector, Full<Bytes>>>;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let listen = std::env::args().skip_while(|arg| arg != "--listen").nth(1);
    let address: SocketAddr = listen.as_deref().unwrap_or("127.0.0.1:5000").parse()?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    accept(listener).await
}

pub(crate) async fn accept(listener: TcpListener) -> Result<(), AnyError> {
    let client = InjectTraceContextLayer::new().layer(Client::builder(TokioExecutor::new()).build_http());
    let service = ExtractTraceContextLayer::new(AlwaysOn)
        .layer(service_fn(move |request: Request<Incoming>| serve(client.clone(), request)));
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                eprintln!("a connection ended: {error}");
            }
        });
    }
}

async fn serve(client: HttpClient, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, AnyError> {
    let body = request.into_body().collect().await?.to_bytes();
    let (status, answer) = match call_all(client, &body).await {
        Ok(()) => (StatusCode::OK, serde_json::json!({})),
        Err(error) => (StatusCode::BAD_REQUEST, serde_json::json!({ "error": error.to_string() })),
    };
    Ok(Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(answer.to_string()))?)
}

/// Neither the request nor its context is handed on: the client finds the current one.
async fn call_all(mut client: HttpClient, body: &[u8]) -> Result<(), AnyError> {
    for call in serde_json::from_slice::<Vec<Value>>(body)? {
        let url = call.get("url").and_then(Value::as_str).ok_or("a call without a url")?;
        let arguments = call.get("arguments").unwrap_or(&Value::Null).to_string();
        let request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(arguments))?;
        client.ready().await?.call(request).await?.into_body().collect().await?;
    }
    Ok(())
}
