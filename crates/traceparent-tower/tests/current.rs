//! The context of the current task.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used)]

mod common;

use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use tokio_stream::StreamExt;
use tower::{Layer, ServiceExt, service_fn};
use traceparent::sampler::AlwaysOn;
use traceparent_tower::{ExtractTraceContextLayer, InTraceExt, InjectTraceContextLayer, SpanContext};

use crate::common::{Seen, echo, request, started};

async fn call() -> Seen {
    InjectTraceContextLayer::new().layer(echo()).oneshot(request(&[])).await.unwrap().into_body()
}

/// A call from deep inside, made after the task has been away.
async fn deep() -> Seen {
    tokio::task::yield_now().await;
    let seen = call().await;
    tokio::task::yield_now().await;
    seen
}

#[tokio::test]
async fn a_client_deep_in_a_handler_continues_the_trace() {
    let handler =
        service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new((SpanContext::current(), deep().await))));
    let service = ExtractTraceContextLayer::new(AlwaysOn).layer(handler);
    // Two requests at once, on one task: neither sees the other's.
    let (first, second) = tokio::join!(service.clone().oneshot(request(&[])), service.oneshot(request(&[])));
    let mut traces = Vec::new();
    for response in [first, second] {
        let (server, call) = response.unwrap().into_body().into_inner();
        let (server, client) = (server.unwrap(), call.extension.unwrap());
        assert_eq!(client.parent_id(), Some(server.span_id()));
        assert_eq!(call.headers["traceparent"], client.traceparent().to_string());
        traces.push(server.traceparent().trace_id());
    }
    assert_ne!(traces[0], traces[1]);
    assert!(SpanContext::current().is_none());
}

#[tokio::test]
async fn it_is_there_while_the_inner_service_is_called_too() {
    let handler =
        service_fn(|_: Request<()>| std::future::ready(Ok::<_, Infallible>(Response::new(SpanContext::current()))));
    let layer = ExtractTraceContextLayer::new(AlwaysOn);
    assert!(layer.layer(handler).oneshot(request(&[])).await.unwrap().into_body().into_inner().is_some());
    assert!(layer.layer(echo()).oneshot(request(&[])).await.unwrap().into_body().into_inner().current.is_some());
}

#[tokio::test]
async fn the_spans_nest() {
    let inner = ExtractTraceContextLayer::new(AlwaysOn).layer(echo());
    let outer = started();
    let seen = outer.clone().scope(inner.oneshot(request(&[]))).await.unwrap().into_body().into_inner();
    // The request says whose it is, and not the task that happens to serve it.
    assert_ne!(seen.current.unwrap().traceparent().trace_id(), outer.traceparent().trace_id());
    let after = outer.clone().scope(async { SpanContext::current().unwrap().span_id() }).await;
    assert_eq!(after, outer.span_id());
}

#[tokio::test]
async fn a_call_s_own_context_wins_over_the_tasks() {
    let (task, own) = (started(), started());
    let mut request = request(&[]);
    request.extensions_mut().insert(own.clone());
    let client = InjectTraceContextLayer::new().layer(echo());
    let seen = task.scope(client.oneshot(request)).await.unwrap().into_body();
    assert_eq!(seen.extension.unwrap().parent_id(), Some(own.span_id()));
}

#[tokio::test]
async fn another_task_is_outside_until_it_is_handed_the_context() {
    let span = started();
    let id = span.span_id();
    let (lost, kept) = span
        .clone()
        .scope(async {
            let lost = tokio::spawn(async { SpanContext::current().is_none() });
            let kept = tokio::spawn(SpanContext::current().unwrap().scope(call()));
            (lost.await.unwrap(), kept.await.unwrap())
        })
        .await;
    assert!(lost);
    assert_eq!(kept.extension.unwrap().parent_id(), Some(id));
}

#[tokio::test]
async fn helpers_hand_the_context_over() {
    let span = started();
    let id = span.span_id();
    let current = || SpanContext::current().map(|span| span.span_id());
    let (task, thread) = span
        .clone()
        .scope(async {
            let task = traceparent_tower::spawn(async { call().await.extension.unwrap().parent_id() });
            (task.await.unwrap(), traceparent_tower::spawn_blocking(current).await.unwrap())
        })
        .await;
    assert_eq!((task, thread), (Some(id), Some(id)));

    let items = tokio_stream::iter([1, 2]).map(|_| current());
    let stream = span.clone().sync_scope(|| items.in_current_trace());
    assert_eq!(stream.collect::<Vec<_>>().await, [Some(id), Some(id)]);
    assert_eq!(tokio_stream::iter([1]).map(|_| current()).in_trace(span).next().await, Some(Some(id)));
    assert_eq!(current(), None);
}

#[tokio::test]
async fn the_body_of_a_response_is_inside() {
    let handler = service_fn(async |_: Request<()>| {
        let id = SpanContext::current().unwrap().span_id();
        // Each frame is created by the body, after the handler has returned.
        let frames = tokio_stream::iter([1, 2]).then(async |_| {
            let parent = call().await.extension.unwrap().parent_id().unwrap();
            Ok::<_, Infallible>(Frame::data(Bytes::from(parent.to_string())))
        });
        let mut response = Response::new(Box::pin(StreamBody::new(frames)));
        response.extensions_mut().insert(id);
        Ok::<_, Infallible>(response)
    });
    let response = ExtractTraceContextLayer::new(AlwaysOn).layer(handler).oneshot(request(&[])).await.unwrap();
    let id = *response.extensions().get::<traceparent::SpanId>().unwrap();
    let body = BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    assert_eq!(body, id.to_string().repeat(2));
}
