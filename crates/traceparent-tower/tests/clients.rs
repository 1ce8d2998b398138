//! The client's layer around `reqwest` and around the client of `hyper-util`, over sockets.
#![cfg(all(feature = "reqwest", feature = "tokio"))]
#![allow(clippy::unwrap_used)]

mod common;

use std::{convert::Infallible, net::SocketAddr};

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt};
use traceparent_tower::{Egress, InjectTraceContextLayer};

use crate::common::continued;

/// A server that answers with the two headers it was sent.
async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = service_fn(async |request: Request<Incoming>| {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(told(request.headers())))))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

fn told(headers: &HeaderMap) -> String {
    let field =
        |name: &str| headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join(" + ");
    format!("{}\n{}", field("traceparent"), field("tracestate"))
}

#[tokio::test]
async fn reqwest_takes_the_current_context() {
    let address = server().await;
    let parent = continued("a=1,secret=2");
    let get = async |egress: Egress<'static>| {
        let mut client = InjectTraceContextLayer::new().egress(egress).layer(reqwest::Client::new());
        let request = reqwest::Request::new(reqwest::Method::GET, format!("http://{address}/").parse().unwrap());
        client.ready().await.unwrap().call(request).await.unwrap().text().await.unwrap()
    };
    let trace_id = parent.traceparent().trace_id().to_string();

    let answer = parent.clone().scope(get(Egress::Inject)).await;
    let (traceparent, tracestate) = answer.split_once('\n').unwrap();
    assert_eq!((&traceparent[3..35], tracestate), (trace_id.as_str(), "a=1,secret=2"));
    assert_ne!(traceparent[36..52], parent.span_id().to_string());

    let answer = parent.clone().scope(get(Egress::only(&["a"]))).await;
    assert!(answer.contains(&trace_id) && answer.ends_with("\na=1"), "{answer}");

    assert_eq!(parent.scope(get(Egress::Strip)).await, "\n");
    assert_eq!(get(Egress::Inject).await, "\n");
}

#[tokio::test]
async fn the_client_of_hyper_util_does_too() {
    let address = server().await;
    let parent = continued("a=1");
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let mut client = InjectTraceContextLayer::new().layer(client);
    let get = async {
        let request = Request::builder().uri(format!("http://{address}/")).body(Empty::new()).unwrap();
        let response = client.ready().await.unwrap().call(request).await.unwrap();
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
    };
    let answer = parent.clone().scope(get).await;
    assert!(answer.contains(&parent.traceparent().trace_id().to_string()) && answer.ends_with("\na=1"), "{answer}");
}
