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
use traceparent_tower::{Egress, EgressRules, InjectTraceContextLayer};

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

#[cfg(feature = "reqwest-middleware")]
#[tokio::test]
async fn a_middleware_leaves_the_methods_of_reqwest() {
    let address = server().await;
    let url = format!("http://{address}/");
    let parent = continued("a=1,secret=2");
    let trace_id = parent.traceparent().trace_id().to_string();
    let client = |egress| {
        let layer = InjectTraceContextLayer::new().egress(egress);
        reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(layer).build()
    };
    let post = async |egress| client(egress).post(&url).json(&["x"]).send().await.unwrap().text().await.unwrap();

    let answer = parent.clone().scope(post(Egress::only(&["a"]))).await;
    assert!(answer.contains(&trace_id) && answer.ends_with("\na=1"), "{answer}");
    assert_eq!(parent.clone().scope(post(Egress::Strip)).await, "\n");
    assert_eq!(post(Egress::Inject).await, "\n");

    // A parent can be given with the call as well.
    let answer = client(Egress::Inject).get(&url).with_extension(parent).send().await.unwrap().text().await.unwrap();
    assert!(answer.contains(&trace_id), "{answer}");
}

/// A server that sends everyone on to another URL.
async fn redirecting(to: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let to = to.clone();
            let service = service_fn(move |_: Request<Incoming>| {
                let response = Response::builder().status(302).header("location", &to).body(Empty::<Bytes>::new());
                std::future::ready(response)
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

#[tokio::test]
async fn redirects_obey_the_egress_policy() {
    let target = server().await;
    let parent = continued("a=1");
    let rules = EgressRules::new(Egress::Strip).rule("127.0.0.1", Egress::Inject);
    let layer = InjectTraceContextLayer::new().egress(rules);
    for (host, status) in [("127.0.0.1", 200), ("localhost", 302)] {
        let first = redirecting(format!("http://{host}:{}/", target.port())).await;
        let client = reqwest::Client::builder().redirect(layer.redirect_policy()).build().unwrap();
        let request = reqwest::Request::new(reqwest::Method::GET, format!("http://{first}/").parse().unwrap());
        let response = parent.clone().scope(layer.layer(client).oneshot(request)).await.unwrap();
        assert_eq!(response.status(), status, "{host}");
    }
}
