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
    ErrorKind, Field, IdsFrom, Origin, RandomIdGenerator, Trust,
    sampler::{
        AlwaysOff, AlwaysOn, AttributeCondition, AttributeValue, ParentBased, Rule, RuleBased, Sampler, SamplingInput,
        SamplingResult,
    },
};
use traceparent_tower::{ExtractTraceContext, ExtractTraceContextLayer, InTrace, InjectTraceContextLayer, SpanContext};

use crate::common::{SAMPLED, Seen, TRACE_ID, echo, request};

async fn serve<S: Sampler + Clone>(layer: &ExtractTraceContextLayer<S>, fields: &[(&str, &str)]) -> Response<Seen> {
    layer.layer(echo()).oneshot(request(fields)).await.unwrap().map(InTrace::into_inner)
}

async fn span<S: Sampler + Clone>(layer: &ExtractTraceContextLayer<S>, fields: &[(&str, &str)]) -> SpanContext {
    serve(layer, fields).await.into_body().extension.unwrap()
}

#[tokio::test]
async fn continues_starts_and_restarts() {
    // W3C 34, 35, 37, 39, 40
    let layer = ExtractTraceContextLayer::new(AlwaysOn);

    let started = span(&layer, &[]).await;
    assert_eq!((started.origin(), started.parent_id(), started.error()), (Origin::Started, None, None));
    assert!(started.decision().is_sampled());

    let continued = span(&layer, &[("traceparent", SAMPLED), ("tracestate", "a=1"), ("tracestate", "b=2")]).await;
    assert_eq!(continued.origin(), Origin::Continued);
    assert_eq!(continued.traceparent().trace_id().to_string(), TRACE_ID);
    assert_eq!(continued.parent_id().unwrap().to_string(), "00f067aa0ba902b7");
    assert_eq!(continued.tracestate().to_string(), "a=1,b=2");

    let restarted = span(&layer, &[("traceparent", "00-abc"), ("tracestate", "a=1")]).await;
    assert_eq!((restarted.origin(), restarted.parent_id()), (Origin::Restarted, None));
    assert!(restarted.tracestate().is_empty());
    let error = restarted.error().unwrap();
    assert_eq!((error.field(), error.kind()), (Field::TraceParent, ErrorKind::TooShort));

    let without_list = span(&layer, &[("traceparent", SAMPLED), ("tracestate", "A=1")]).await;
    assert_eq!(without_list.origin(), Origin::Continued);
    let error = without_list.error().unwrap();
    assert_eq!((error.field(), error.kind()), (Field::Key, ErrorKind::UpperCase));
}

#[tokio::test]
async fn the_caller_is_followed_and_the_sampler_asked_about_new_traces() {
    // W3C 19
    let unsampled = SAMPLED.replace("-01", "-00");
    assert!(
        !span(&ExtractTraceContextLayer::new(AlwaysOn), &[("traceparent", &unsampled)]).await.decision().is_sampled()
    );
    assert!(span(&ExtractTraceContextLayer::new(AlwaysOff), &[("traceparent", SAMPLED)]).await.decision().is_sampled());
    assert!(!span(&ExtractTraceContextLayer::new(AlwaysOff), &[]).await.decision().is_sampled());
}

#[tokio::test]
async fn trust_is_the_policys() {
    let fields = [("traceparent", SAMPLED), ("tracestate", "a=1")];
    let with = |trust| ExtractTraceContextLayer::new(AlwaysOff).trust(trust);

    let resampled = span(&with(Trust::Resample), &fields).await;
    assert_eq!((resampled.origin(), resampled.decision().is_sampled()), (Origin::Continued, false));

    let restarted = span(&with(Trust::Restart), &fields).await;
    assert_eq!(restarted.origin(), Origin::Restarted);
    assert_eq!(restarted.link().unwrap().to_string(), SAMPLED);
    assert!(restarted.tracestate().is_empty());
    assert_ne!(restarted.traceparent().trace_id().to_string(), TRACE_ID);

    assert_eq!(span(&with(Trust::Ignore), &fields).await.link(), None);
}

#[tokio::test]
async fn ids_come_from_the_given_generator() {
    let layer = ExtractTraceContextLayer::new(AlwaysOn).ids(IdsFrom::new(|| 7));
    let span = layer.layer(echo()).oneshot(request(&[])).await.unwrap().into_body().into_inner().extension.unwrap();
    assert_eq!(span.span_id().to_string(), "0000000000000007");
    assert!(!span.traceparent().flags().is_random());
}

#[tokio::test]
async fn skipped_requests_pass_untouched() {
    let layer = ExtractTraceContextLayer::new(AlwaysOn)
        .skip(|request: &Parts| request.uri.path() == "/orders" && request.method == Method::GET);
    let response = layer.layer(echo()).oneshot(request(&[("traceparent", SAMPLED)])).await.unwrap();
    assert!(response.headers().is_empty());
    let seen = response.into_body().into_inner();
    assert!(seen.extension.is_none() && seen.current.is_none());
    assert_eq!(seen.headers["traceparent"], SAMPLED);

    let mut post = request(&[]);
    *post.method_mut() = Method::POST;
    assert!(layer.layer(echo()).oneshot(post).await.unwrap().into_body().into_inner().extension.is_some());
}

#[tokio::test]
async fn predicates_accumulate() {
    let layer = ExtractTraceContextLayer::new(AlwaysOn)
        .skip(|request| request.uri.path() == "/healthz")
        .skip(|request| request.uri.path() == "/metrics");
    for (path, skipped) in [("/healthz", true), ("/metrics", true), ("/orders", false)] {
        let request = Request::get(path).body(()).unwrap();
        let seen = layer.layer(echo()).oneshot(request).await.unwrap().into_body().into_inner();
        assert_eq!(seen.extension.is_none(), skipped, "{path}");
    }
}

#[tokio::test]
async fn a_second_layer_keeps_the_context_of_the_first() {
    let inner = ExtractTraceContextLayer::new(AlwaysOff).trust(Trust::Restart);
    let seen = Arc::new(Mutex::new(None));
    let between = {
        let seen = seen.clone();
        let service = inner.layer(echo());
        service_fn(move |request: Request<()>| {
            *seen.lock().unwrap() = request.extensions().get::<SpanContext>().cloned();
            service.clone().oneshot(request)
        })
    };
    let outer = ExtractTraceContextLayer::new(AlwaysOn).layer(between);
    let response = outer.oneshot(request(&[("traceparent", SAMPLED)])).await.unwrap();
    let (outer, inner) = (seen.lock().unwrap().take().unwrap(), response.into_body().into_inner().into_inner());
    assert_eq!(inner.extension.unwrap().traceparent(), outer.traceparent());
    if let Some(current) = inner.current {
        assert_eq!(current.traceparent(), outer.traceparent());
    }
}

#[tokio::test]
async fn a_server_that_is_called_in_process_has_a_span_below_the_calls() {
    let server = ExtractTraceContextLayer::new(AlwaysOn).layer(echo());
    let mut call = request(&[]);
    call.extensions_mut().insert(crate::common::started());
    let seen = InjectTraceContextLayer::new().layer(server).oneshot(call).await.unwrap().into_body().into_inner();
    let called = traceparent_http::extract(&seen.headers).context().unwrap().traceparent;
    let span = seen.extension.unwrap();
    assert_eq!((span.parent_id(), span.traceparent().trace_id()), (Some(called.parent_id()), called.trace_id()));
}

#[cfg(feature = "unstable-response")]
#[tokio::test]
async fn server_timing_answers_those_who_sent_a_context() {
    // W3C 86
    let on = ExtractTraceContextLayer::new(AlwaysOn).server_timing(true);
    let response = serve(&on, &[("traceparent", SAMPLED)]).await;
    let told = traceparent_http::extract_response(response.headers()).unwrap().unwrap();
    assert_eq!(told.child_id(), response.body().extension.as_ref().unwrap().span_id());

    assert!(serve(&on, &[]).await.headers().is_empty());
    assert!(serve(&ExtractTraceContextLayer::new(AlwaysOn), &[("traceparent", SAMPLED)]).await.headers().is_empty());
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
    let seen = serve(&ExtractTraceContextLayer::new(AlwaysOn), &[("traceparent", "junk")]).await.into_body();
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

const KEYS: [&str; 13] = [
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
    "rpc.system.name",
    "rpc.method",
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
    expected.extend([const { None }; 4]);
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
    expected.extend([None; 6]);
    assert_eq!(sampler_sees(odd).await.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn samplers_see_the_host_in_any_spelling() {
    let hosts = [
        ("/", Some("NOISY.example"), Some("noisy.example"), None),
        ("/", Some("noisy.example.:8080"), Some("noisy.example"), Some("8080")),
        ("/", Some("[2001:DB8::1]:81"), Some("2001:db8::1"), Some("81")),
        ("http://NOISY.example/", Some("other:1"), Some("noisy.example"), None),
        ("http://[::1]:82/", None, Some("::1"), Some("82")),
        ("/", Some("noisy.example:99999"), Some("noisy.example"), None),
        ("/", Some(""), None, None),
        ("/", None, None, None),
    ];
    for (uri, host, address, port) in hosts {
        let mut request = Request::get(uri);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let seen = sampler_sees(request.body(()).unwrap()).await;
        // Name and kind come before the attributes.
        assert_eq!((seen[6].as_deref(), seen[7].as_deref()), (address, port), "{uri} {host:?}");
    }
}

#[tokio::test]
async fn a_rule_on_the_host_decides_about_requests_in_origin_form() {
    const NOISY: &[AttributeCondition<'_>] =
        &[AttributeCondition::Values { key: "server.address", values: &["noisy.example"] }];
    let rules: [(Rule<'_>, &dyn Sampler); 2] =
        [(Rule::new().with_attributes(NOISY), &AlwaysOff), (Rule::new(), &AlwaysOn)];
    let layer = ExtractTraceContextLayer::new(RuleBased::new(rules));
    for (host, sampled) in [("NOISY.example", false), ("noisy.example:80", false), ("quiet.example", true)] {
        let request = Request::get("/").header("host", host).body(()).unwrap();
        let seen = layer.layer(echo()).oneshot(request).await.unwrap().into_body().into_inner();
        assert_eq!(seen.extension.unwrap().decision().is_sampled(), sampled, "{host}");
    }
}

#[tokio::test]
async fn samplers_see_the_method_of_grpc_calls() {
    let call = |kind| Request::post("/grpc.health.v1.Health/Check").header("content-type", kind).body(()).unwrap();
    for kind in ["application/grpc", "application/grpc+proto"] {
        let seen = sampler_sees(call(kind)).await;
        assert_eq!(seen[0].as_deref(), Some("grpc.health.v1.Health/Check"));
        assert_eq!(seen[13..], [Some("grpc".to_owned()), Some("grpc.health.v1.Health/Check".to_owned())]);
    }
    assert_eq!(sampler_sees(call("application/json")).await[13..], [None, None]);
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

#[tokio::test]
async fn attributes_that_a_sampler_adds_reach_the_span() {
    struct Adds;

    impl Sampler for Adds {
        fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
            if input.span().name() == "GET" { SamplingResult::SAMPLE } else { SamplingResult::DROP }
        }

        fn annotate(&self, input: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
            visit("sampler.name", input.span().name().into());
            visit("sampler.limit", 5_i64.into());
        }
    }

    let layer = ExtractTraceContextLayer::new(&Adds);
    let span = span(&layer, &[]).await;
    let added: Vec<_> = span.attributes().map(|(key, value)| (key.to_owned(), value.to_string())).collect();
    assert_eq!(added, [("sampler.name".to_owned(), "GET".to_owned()), ("sampler.limit".to_owned(), "5".to_owned())]);
    // A child is a span about which the sampler was not asked, and so is one that follows its caller.
    assert_eq!(span.child(&RandomIdGenerator).attributes().count(), 0);
    let followed = serve(&layer, &[("traceparent", SAMPLED)]).await.into_body().extension.unwrap();
    assert_eq!(followed.attributes().count(), 0);
    let mut dropped = request(&[]);
    *dropped.method_mut() = Method::POST;
    let dropped = layer.layer(echo()).oneshot(dropped).await.unwrap().map(InTrace::into_inner);
    assert_eq!(dropped.into_body().extension.unwrap().attributes().count(), 0);
}
