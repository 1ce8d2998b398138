//! The spans of `tracing`.
#![cfg(feature = "tracing")]
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::trace::{DefaultOnRequest, DefaultOnResponse, TraceLayer};
use traceparent::{
    TraceParent,
    sampler::{AlwaysOn, AttributeValue, Sampler, SamplingInput, SamplingResult},
};
use traceparent_tower::{
    ExtractTraceContextLayer, InjectTraceContextLayer, InstrumentRequestLayer, SpanContext, request_span,
};
use tracing::{Level, field::Empty, info_span};

use crate::common::{SAMPLED, TRACE_ID, lines::Lines, request, started};

/// The log lines that are written while this runs, on one thread.
fn logged(run: impl Future<Output = ()>) -> String {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).without_time().with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, || {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run);
    });
    lines.written()
}

async fn handler(_: Request<()>) -> Result<Response<()>, Infallible> {
    tracing::info!("before");
    tokio::task::yield_now().await;
    tracing::info!("after");
    Ok(Response::new(()))
}

#[test]
fn log_lines_of_a_server_carry_the_ids() {
    let span = Arc::new(Mutex::new(None));
    let lines = logged({
        let span = span.clone();
        async move {
            let service = InstrumentRequestLayer::new().layer(service_fn(handler));
            let spy = service_fn(async |request: Request<()>| {
                *span.lock().unwrap() = request.extensions().get::<SpanContext>().cloned();
                service.oneshot(request).await
            });
            let layer = ExtractTraceContextLayer::new(AlwaysOn);
            layer.layer(spy).oneshot(request(&[("traceparent", SAMPLED)])).await.unwrap();
        }
    });
    let id = span.lock().unwrap().take().unwrap().span_id();
    let fields = format!("trace_id={TRACE_ID} span_id={id} sampled=true parent_id=00f067aa0ba902b7}}: ");
    assert_eq!(lines.matches(&fields).count(), 2, "{lines}");
    assert_eq!(lines.lines().count(), 2, "{lines}");
}

#[test]
fn log_lines_of_a_call_carry_the_ids_of_its_own_span() {
    let parent = started();
    let lines = logged({
        let parent = parent.clone();
        async move {
            let service = InstrumentRequestLayer::new().layer(service_fn(handler));
            let mut call = request(&[]);
            call.extensions_mut().insert(parent);
            InjectTraceContextLayer::new().layer(service).oneshot(call).await.unwrap();
        }
    });
    let trace_id = parent.traceparent().trace_id();
    assert_eq!(lines.matches(&format!("trace_id={trace_id} ")).count(), 2, "{lines}");
    assert_eq!(lines.matches(&format!("parent_id={}}}", parent.span_id())).count(), 2, "{lines}");
}

#[test]
fn a_root_has_no_parent_and_a_request_without_a_context_no_ids() {
    let root = started();
    let lines = logged(async move { root.tracing_span().in_scope(|| tracing::info!("root")) });
    assert!(lines.contains("sampled=true}") && !lines.contains("parent_id"), "{lines}");

    let lines = logged(async {
        InstrumentRequestLayer::new().layer(service_fn(handler)).oneshot(request(&[])).await.unwrap();
    });
    assert_eq!(lines.matches("request{http.request.method=\"GET\"}: ").count(), 2, "{lines}");
}

#[test]
fn the_order_of_the_layers_loses_no_ids() {
    let (extract, instrument) = (ExtractTraceContextLayer::new(AlwaysOn), InstrumentRequestLayer::new());
    let fields = [("traceparent", SAMPLED)];
    let inside = logged(async {
        extract.layer(instrument.layer(service_fn(handler))).oneshot(request(&fields)).await.unwrap();
    });
    let outside = logged(async {
        instrument.layer(extract.layer(service_fn(handler))).oneshot(request(&fields)).await.unwrap();
    });
    let call = logged(async {
        let client = instrument.layer(InjectTraceContextLayer::new().layer(service_fn(handler)));
        started().scope(client.oneshot(request(&[]))).await.unwrap();
    });
    for lines in [&inside, &outside] {
        assert_eq!(lines.matches(&format!("trace_id={TRACE_ID} span_id=")).count(), 2, "{lines}");
    }
    for lines in [inside, outside, call] {
        let ids: Vec<_> = lines.lines().map(|line| line.matches("span_id=").count()).collect();
        assert_eq!(ids, [1, 1], "{lines}");
    }
}

/// A body that logs when it is polled.
struct Talkative;

impl Body for Talkative {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        tracing::info!("body");
        Poll::Ready(None)
    }
}

#[test]
fn the_body_is_logged_with_method_status_and_why_a_header_was_refused() {
    let lines = logged(async {
        let service = service_fn(async |_: Request<()>| {
            Ok::<_, Infallible>(Response::builder().status(404).body(Talkative).unwrap())
        });
        let service = ExtractTraceContextLayer::new(AlwaysOn).layer(InstrumentRequestLayer::new().layer(service));
        let response = service.oneshot(request(&[("traceparent", "00-abc")])).await.unwrap();
        response.into_body().collect().await.unwrap();
    });
    for field in ["http.request.method=\"GET\"", "trace_id=", "http.response.status_code=404}: "] {
        assert!(lines.contains(field) && lines.lines().count() == 1, "{lines}");
    }
    assert!(lines.contains(&format!("traceparent.refused={} ", refusal(b"00-abc"))), "{lines}");
}

fn refusal(traceparent: &[u8]) -> String {
    TraceParent::parse(traceparent).unwrap_err().to_string()
}

#[test]
fn level_and_name_can_be_set() {
    let root = started();
    let logged_by = |layer: InstrumentRequestLayer| {
        let mut call = request(&[]);
        call.extensions_mut().insert(root.clone());
        logged(async move { drop(layer.layer(service_fn(handler)).oneshot(call).await.unwrap()) })
    };
    let layer = InstrumentRequestLayer::new();
    assert_eq!(logged_by(layer.make_span_with(|| request_span!(Level::INFO, "handle"))).matches(" handle{").count(), 2);
    // The subscriber shows levels down to info.
    for (level, shown) in [(Level::ERROR, true), (Level::WARN, true), (Level::INFO, true), (Level::DEBUG, false)] {
        assert_eq!(logged_by(layer.level(level)).contains(" request{"), shown, "{level}");
    }
    // Fields that a span does not declare are left out.
    let lines = logged_by(layer.make_span_with(|| info_span!("short", trace_id = Empty)));
    let trace_id = root.traceparent().trace_id();
    assert_eq!(lines.matches(&format!(" short{{trace_id={trace_id}}}: ")).count(), 2, "{lines}");
}

#[cfg(feature = "axum")]
#[test]
fn the_route_that_axum_has_matched_is_logged() {
    let lines = logged(async {
        let app = axum::Router::new()
            .route("/orders/{id}", axum::routing::get(async || tracing::info!("an order")))
            .layer(InstrumentRequestLayer::new())
            .layer(ExtractTraceContextLayer::new(AlwaysOn));
        let request = Request::get("/orders/7").body(axum::body::Body::empty()).unwrap();
        drop(app.oneshot(request).await.unwrap());
    });
    assert!(lines.contains(r#"http.route="/orders/{id}""#) && lines.contains(" trace_id="), "{lines}");
}

/// The recipe of the README: from the inside to the outside, as `Router::layer` takes them.
#[test]
fn the_lines_of_a_trace_layer_inside_carry_the_ids() {
    let lines = logged(async {
        let trace = TraceLayer::new_for_http()
            .on_request(DefaultOnRequest::new().level(Level::INFO))
            .on_response(DefaultOnResponse::new().level(Level::INFO));
        let service = trace.layer(service_fn(async |_: Request<String>| {
            tracing::info!("in the handler");
            Ok::<_, Infallible>(Response::new(String::from("body")))
        }));
        let service = ExtractTraceContextLayer::new(AlwaysOn).layer(InstrumentRequestLayer::new().layer(service));
        let request = Request::builder().header("traceparent", SAMPLED).body(String::new()).unwrap();
        service.oneshot(request).await.unwrap().into_body().collect().await.unwrap();
    });
    for text in ["started processing request", "in the handler", "finished processing request"] {
        let line = lines.lines().find(|line| line.contains(text));
        assert_eq!(line.map(|line| line.matches(&format!("trace_id={TRACE_ID}")).count()), Some(1), "{text} {lines}");
    }
}

#[test]
fn a_declared_field_holds_what_the_sampler_has_added() {
    struct Adds;

    impl Sampler for Adds {
        fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
            SamplingResult::SAMPLE
        }

        fn annotate(&self, _: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
            visit("sampler.name", "adds".into());
            visit("sampler.share", 0.5.into());
            visit("sampler.other", true.into());
        }
    }

    let instrument = InstrumentRequestLayer::new()
        .make_span_with(|| info_span!("request", sampler.name = Empty, sampler.share = Empty));
    let lines = logged(async move {
        let service = ExtractTraceContextLayer::new(&Adds).layer(instrument.layer(service_fn(handler)));
        drop(service.oneshot(request(&[])).await.unwrap());
    });
    assert_eq!(lines.matches(" request{sampler.name=\"adds\" sampler.share=0.5}: ").count(), 2, "{lines}");
}

#[test]
fn a_log_span_names_the_format_that_was_refused() {
    let lines = logged(async {
        let layer = ExtractTraceContextLayer::new(AlwaysOn).propagators("b3".parse().unwrap());
        let service = layer.layer(InstrumentRequestLayer::new().layer(service_fn(handler)));
        drop(service.oneshot(request(&[("b3", "2")])).await.unwrap());
    });
    assert!(lines.contains("traceparent.refused=b3: invalid byte in sampling state at offset 0"), "{lines}");
}
