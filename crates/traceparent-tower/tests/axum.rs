//! The extractor of axum.
#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use axum::{Router, body::Body, extract::Request, routing::get};
use http_body_util::BodyExt;
use tower::ServiceExt;
use traceparent::{
    Trust,
    sampler::{AlwaysOff, AlwaysOn, AttributeCondition, Rule, RuleBased, Sampler},
};
use traceparent_tower::{ExtractTraceContextLayer, SpanContext};

use crate::common::{SAMPLED, TRACE_ID};

async fn ids(span: SpanContext, again: SpanContext) -> String {
    assert_eq!(span.span_id(), again.span_id());
    format!("{} {} {}", span.traceparent().trace_id(), span.decision().is_sampled(), span.error().is_some())
}

fn app() -> Router {
    Router::new().route("/", get(ids))
}

async fn answer(app: Router, fields: &[(&str, &str)]) -> String {
    let mut request = Request::builder().uri("/");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

#[tokio::test]
async fn a_handler_takes_the_context_of_its_span() {
    let app = app().layer(ExtractTraceContextLayer::new(AlwaysOn).trust(Trust::Continue));
    assert_eq!(answer(app.clone(), &[("traceparent", SAMPLED)]).await, format!("{TRACE_ID} true false"));
    assert!(answer(app.clone(), &[]).await.ends_with(" true false"));
    assert!(answer(app, &[("traceparent", "junk")]).await.ends_with(" true true"));
}

#[tokio::test]
async fn without_the_layer_it_is_made_once_and_rejects_nothing() {
    assert_eq!(answer(app(), &[("traceparent", SAMPLED)]).await, format!("{TRACE_ID} true false"));
    assert!(answer(app(), &[]).await.ends_with(" false false"));
    assert!(answer(app(), &[("traceparent", SAMPLED), ("traceparent", SAMPLED)]).await.ends_with(" false true"));
}

#[tokio::test]
async fn samplers_see_the_route() {
    const ASSETS: &[AttributeCondition<'_>] =
        &[AttributeCondition::Values { key: "http.route", values: &["/assets/{name}"] }];
    let sampler = || {
        let rules: [(Rule<'static>, Box<dyn Sampler + Send + Sync>); 3] = [
            (Rule::new().with_names(&["GET /healthz"]), Box::new(AlwaysOff)),
            (Rule::new().with_attributes(ASSETS), Box::new(AlwaysOff)),
            (Rule::new(), Box::new(AlwaysOn)),
        ];
        Arc::new(RuleBased::new(rules))
    };
    let decided = async |span: SpanContext| span.decision().is_sampled().to_string();
    let app = Router::new()
        .route("/", get(decided))
        .route("/healthz", get(decided))
        .route("/assets/{name}", get(decided))
        .layer(ExtractTraceContextLayer::new(sampler()));
    for (path, expected) in [("/", "true"), ("/healthz", "false"), ("/assets/logo.svg", "false")] {
        let response = app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, expected, "{path}");
    }
}
