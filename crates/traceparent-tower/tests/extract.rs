//! The server's layer.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{Method, Request, Response, request::Parts};
use tower::{Layer, ServiceExt, service_fn};
use traceparent::{
    ErrorKind, Field, IdsFrom, Origin, Trust,
    sampler::{AlwaysOff, AlwaysOn, ParentBased, Sampler, SamplingInput, SamplingResult},
};
use traceparent_tower::{ExtractTraceContext, ExtractTraceContextLayer, SpanContext};

use crate::common::{SAMPLED, Seen, TRACE_ID, echo, request};

async fn serve<S: Sampler + Clone>(layer: ExtractTraceContextLayer<S>, fields: &[(&str, &str)]) -> Response<Seen> {
    layer.layer(echo()).oneshot(request(fields)).await.unwrap()
}

async fn span<S: Sampler + Clone>(layer: ExtractTraceContextLayer<S>, fields: &[(&str, &str)]) -> SpanContext {
    serve(layer, fields).await.into_body().extension.unwrap()
}

#[tokio::test]
async fn continues_starts_and_restarts() {
    // W3C 34, 35, 37, 39, 40
    let layer = ExtractTraceContextLayer::new(AlwaysOn);

    let started = span(layer, &[]).await;
    assert_eq!((started.origin(), started.parent_id(), started.error()), (Origin::Started, None, None));
    assert!(started.decision().is_sampled());

    let continued = span(layer, &[("traceparent", SAMPLED), ("tracestate", "a=1"), ("tracestate", "b=2")]).await;
    assert_eq!(continued.origin(), Origin::Continued);
    assert_eq!(continued.traceparent().trace_id().to_string(), TRACE_ID);
    assert_eq!(continued.parent_id().unwrap().to_string(), "00f067aa0ba902b7");
    assert_eq!(continued.tracestate().to_string(), "a=1,b=2");

    let restarted = span(layer, &[("traceparent", "00-abc"), ("tracestate", "a=1")]).await;
    assert_eq!((restarted.origin(), restarted.parent_id()), (Origin::Restarted, None));
    assert!(restarted.tracestate().is_empty());
    let error = restarted.error().unwrap();
    assert_eq!((error.field(), error.kind()), (Field::TraceParent, ErrorKind::TooShort));

    let without_list = span(layer, &[("traceparent", SAMPLED), ("tracestate", "A=1")]).await;
    assert_eq!(without_list.origin(), Origin::Continued);
    let error = without_list.error().unwrap();
    assert_eq!((error.field(), error.kind()), (Field::Key, ErrorKind::UpperCase));
}

#[tokio::test]
async fn the_caller_is_followed_and_the_sampler_asked_about_new_traces() {
    // W3C 19
    let unsampled = SAMPLED.replace("-01", "-00");
    assert!(
        !span(ExtractTraceContextLayer::new(AlwaysOn), &[("traceparent", &unsampled)]).await.decision().is_sampled()
    );
    assert!(span(ExtractTraceContextLayer::new(AlwaysOff), &[("traceparent", SAMPLED)]).await.decision().is_sampled());
    assert!(!span(ExtractTraceContextLayer::new(AlwaysOff), &[]).await.decision().is_sampled());
}

#[tokio::test]
async fn trust_is_the_policys() {
    let fields = [("traceparent", SAMPLED), ("tracestate", "a=1")];
    let with = |trust| ExtractTraceContextLayer::new(AlwaysOff).trust(trust);

    let resampled = span(with(Trust::Resample), &fields).await;
    assert_eq!((resampled.origin(), resampled.decision().is_sampled()), (Origin::Continued, false));

    let restarted = span(with(Trust::Restart), &fields).await;
    assert_eq!(restarted.origin(), Origin::Restarted);
    assert_eq!(restarted.link().unwrap().to_string(), SAMPLED);
    assert!(restarted.tracestate().is_empty());
    assert_ne!(restarted.traceparent().trace_id().to_string(), TRACE_ID);

    assert_eq!(span(with(Trust::Ignore), &fields).await.link(), None);
}

#[tokio::test]
async fn ids_come_from_the_given_generator() {
    let layer = ExtractTraceContextLayer::new(AlwaysOn).ids(IdsFrom::new(|| 7));
    let span = layer.layer(echo()).oneshot(request(&[])).await.unwrap().into_body().extension.unwrap();
    assert_eq!(span.span_id().to_string(), "0000000000000007");
    assert!(!span.traceparent().flags().is_random());
}

#[tokio::test]
async fn skipped_requests_pass_untouched() {
    let layer = ExtractTraceContextLayer::new(AlwaysOn)
        .skip(|request: &Parts| request.uri.path() == "/orders" && request.method == Method::GET);
    let response = layer.layer(echo()).oneshot(request(&[("traceparent", SAMPLED)])).await.unwrap();
    assert!(response.headers().is_empty());
    let seen = response.into_body();
    assert!(seen.extension.is_none() && seen.current.is_none());
    assert_eq!(seen.headers["traceparent"], SAMPLED);

    let mut post = request(&[]);
    *post.method_mut() = Method::POST;
    assert!(layer.layer(echo()).oneshot(post).await.unwrap().into_body().extension.is_some());
}

#[cfg(feature = "unstable-response")]
#[tokio::test]
async fn server_timing_answers_those_who_sent_a_context() {
    // W3C 86
    let on = ExtractTraceContextLayer::new(AlwaysOn).server_timing(true);
    let response = serve(on, &[("traceparent", SAMPLED)]).await;
    let told = traceparent_http::extract_response(response.headers()).unwrap().unwrap();
    assert_eq!(told.child_id(), response.body().extension.as_ref().unwrap().span_id());

    assert!(serve(on, &[]).await.headers().is_empty());
    assert!(serve(ExtractTraceContextLayer::new(AlwaysOn), &[("traceparent", SAMPLED)]).await.headers().is_empty());
}

#[cfg(feature = "unstable-response")]
#[tokio::test]
async fn server_timing_keeps_the_metrics_of_the_service() {
    let service = service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::builder().header("server-timing", "db;dur=53").body(()).unwrap())
    });
    let layer = ExtractTraceContextLayer::new(AlwaysOn).server_timing(true);
    let response = layer.layer(service).oneshot(request(&[("traceparent", SAMPLED)])).await.unwrap();
    let fields: Vec<_> = response.headers().get_all("server-timing").iter().collect();
    assert_eq!((fields.len(), fields[0].to_str().unwrap()), (2, "db;dur=53"));
}

#[tokio::test]
async fn the_raw_headers_stay_in_the_request() {
    let seen = serve(ExtractTraceContextLayer::new(AlwaysOn), &[("traceparent", "junk")]).await.into_body();
    assert_eq!(seen.headers["traceparent"], "junk");
}

#[tokio::test]
async fn errors_of_the_service_pass() {
    let service = service_fn(async |_: Request<()>| Err::<Response<()>, _>("refused"));
    let layer = ExtractTraceContextLayer::new(AlwaysOn).server_timing(true);
    assert_eq!(layer.layer(service).oneshot(request(&[])).await.unwrap_err(), "refused");
}

/// What a sampler sees: the span's name, its kind, and the values of [`KEYS`].
type Details = Vec<Option<String>>;

#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Details>>);

const KEYS: [&str; 11] = [
    "http.request.method",
    "url.path",
    "url.query",
    "url.scheme",
    "server.address",
    "server.port",
    "network.protocol.version",
    "user_agent.original",
    "http.request.header.x-tenant",
    "http.request.header.",
    "http.route",
];

impl Sampler for Recorder {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        let span = input.span();
        let mut seen = vec![Some(span.name().to_owned()), Some(format!("{:?}", span.kind()))];
        seen.extend(KEYS.map(|key| span.attribute(key).map(|value| value.to_string())));
        *self.0.lock().unwrap() = seen;
        AlwaysOn.should_sample(input)
    }
}

async fn sampler_sees(request: Request<()>) -> Details {
    let recorder = Recorder::default();
    let layer = ExtractTraceContextLayer::new(ParentBased::new(recorder.clone()));
    layer.layer(echo()).oneshot(request).await.unwrap();
    recorder.0.lock().unwrap().clone()
}

#[tokio::test]
async fn samplers_see_the_request() {
    let full = Request::builder()
        .method("PUT")
        .uri("https://shop.example:8443/orders/1?full=yes")
        .header("user-agent", "curl/8")
        .header("x-tenant", "acme")
        .body(())
        .unwrap();
    let expected =
        ["PUT", "Server", "PUT", "/orders/1", "full=yes", "https", "shop.example", "8443", "1.1", "curl/8", "acme"];
    let mut expected: Vec<_> = expected.map(|value| Some(value.to_owned())).into();
    expected.extend([None, None]);
    assert_eq!(sampler_sees(full).await, expected);

    let odd = Request::builder()
        .method("BREW")
        .uri("/pot")
        .version(http::Version::HTTP_2)
        .header("x-tenant", http::HeaderValue::from_bytes(b"caf\xe9").unwrap())
        .body(())
        .unwrap();
    let mut expected =
        vec![Some("HTTP"), Some("Server"), Some("_OTHER"), Some("/pot"), None, None, None, None, Some("2")];
    expected.extend([None; 4]);
    assert_eq!(sampler_sees(odd).await.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
}

#[test]
fn everything_is_send_and_sync_and_made_in_constants() {
    const LAYER: ExtractTraceContextLayer<AlwaysOn> = ExtractTraceContextLayer::new(AlwaysOn);
    fn check<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn check_future<T: Send>(_: &T) {}
    check(&LAYER);
    let service: ExtractTraceContext<_, AlwaysOn> = LAYER.layer(echo());
    check(&service);
    check_future(&service.oneshot(request(&[])));
}
