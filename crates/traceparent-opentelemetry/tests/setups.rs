//! The ways in which services put OpenTelemetry together.
#![allow(clippy::unwrap_used)]

mod common;

use http::HeaderMap;
use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt,
    global,
    propagation::{TextMapCompositePropagator, TextMapPropagator},
    trace::{FutureExt, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::{propagation::BaggagePropagator, trace::SdkTracerProvider};
use traceparent_opentelemetry::{SdkIdGenerator, TraceContextPropagator};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;

use crate::common::{MemoryExporter, Outcome, TRACE_ID, extract, headers, hop, inject};

/// A request that stock types cannot hold, and the list that has to go out.
fn request() -> HeaderMap {
    headers(&[&common::SAMPLED.replace("-01", "-03")], &["foo@@bar=1", "rojo=2"])
}

#[track_caller]
fn assert_exact(call: &HeaderMap) {
    let tracestate = Some("foo@@bar=1,rojo=2".to_owned());
    assert_eq!(Outcome::of(call), Outcome { continued: true, flags: "03".to_owned(), tracestate });
}

#[test]
fn it_is_installed_globally() {
    global::set_text_map_propagator(TraceContextPropagator::new());
    global::set_tracer_provider(SdkTracerProvider::default());
    let request = request();
    let parent = global::get_text_map_propagator(|propagator| propagator.extract(&HeaderExtractor(&request)));
    let span = global::tracer("test").start_with_context("serve", &parent);
    let mut call = HeaderMap::new();
    let cx = parent.with_span(span);
    global::get_text_map_propagator(|propagator| propagator.inject_context(&cx, &mut HeaderInjector(&mut call)));
    assert_exact(&call);
}

#[test]
fn it_works_beside_baggage_in_either_order() {
    let ours = || Box::new(TraceContextPropagator::new()) as Box<dyn TextMapPropagator + Send + Sync>;
    let baggage = || Box::new(BaggagePropagator::new()) as Box<dyn TextMapPropagator + Send + Sync>;
    for propagators in [vec![ours(), baggage()], vec![baggage(), ours()]] {
        let composite = TextMapCompositePropagator::new(propagators);
        let mut fields: Vec<_> = composite.fields().collect();
        fields.sort_unstable();
        assert_eq!(fields, ["baggage", "traceparent", "tracestate"]);

        let mut request = request();
        request.insert("baggage", "user=42".parse().unwrap());
        let cx = extract(&composite, &request);
        assert_eq!(cx.baggage().get("user").unwrap().as_str(), "42");
        let cx = cx.with_baggage([KeyValue::new("more", "1")]);
        let call = inject(&composite, &cx);
        assert_exact(&call);
        assert_eq!(call["baggage"], "more=1");
    }
}

#[test]
fn it_carries_the_context_of_the_current_span() {
    // The extracted context is attached, and the span becomes current in it.
    let tracer = SdkTracerProvider::default().tracer("test");
    let propagator = TraceContextPropagator::new();
    let _guard = extract(&propagator, &request()).attach();
    tracer.in_span("serve", |_| {
        tracer.in_span("call", |cx| assert_exact(&inject(&propagator, &cx)));
        let mut call = HeaderMap::new();
        propagator.inject(&mut HeaderInjector(&mut call));
        assert_exact(&call);
    });
}

#[test]
fn it_follows_a_future_to_other_threads() {
    let provider = SdkTracerProvider::default();
    let propagator = TraceContextPropagator::new();
    let parent = extract(&propagator, &request());
    let span = provider.tracer("test").start_with_context("serve", &parent);
    let future = async move { inject(&propagator, &Context::current()) }.with_context(parent.with_span(span));
    let call = std::thread::spawn(|| futures_executor::block_on(future)).join().unwrap();
    assert_exact(&call);
}

#[test]
fn it_works_with_tracing() {
    let provider = SdkTracerProvider::default();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let propagator = TraceContextPropagator::new();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let serve = tracing::info_span!("serve");
        serve.set_parent(extract(&propagator, &request())).unwrap();
        serve.in_scope(|| {
            let call = tracing::info_span!("call");
            assert_exact(&inject(&propagator, &call.context()));
            call.in_scope(|| assert_exact(&inject(&propagator, &tracing::Span::current().context())));
        });

        let root = tracing::info_span!("root").in_scope(|| inject(&propagator, &tracing::Span::current().context()));
        assert_eq!(Outcome::of(&root).flags, "03");
    });
}

#[test]
fn exported_spans_are_the_ones_that_went_out() {
    let exporter = MemoryExporter::default();
    let simple = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let batch = SdkTracerProvider::builder().with_batch_exporter(exporter.clone()).build();
    for provider in [simple, batch] {
        let call = hop(&TraceContextPropagator::new(), &provider, &request());
        provider.force_flush().unwrap();
        let span = exporter.take().remove(0);
        assert_exact(&call);
        assert_eq!(span.span_context.trace_id().to_string(), TRACE_ID);
        assert_eq!(call["traceparent"].to_str().unwrap()[36..52], span.span_context.span_id().to_string());
        assert_eq!((span.parent_span_id.to_string().as_str(), span.parent_span_is_remote), ("00f067aa0ba902b7", true));
        assert_eq!(span.span_context.trace_state().header(), "rojo=2");
        provider.shutdown().unwrap();
    }
}

#[test]
fn our_ids_are_the_ones_that_go_out() {
    // W3C 13, 24
    let ids = || traceparent::IdsFrom::new(|| 0x2a);
    let provider = SdkTracerProvider::builder().with_id_generator(SdkIdGenerator::new(ids())).build();
    let random = traceparent::IdGenerator::is_random(&ids());
    let call = hop(&TraceContextPropagator::new().with_random_ids(random), &provider, &HeaderMap::new());
    assert_eq!(call["traceparent"], "00-000000000000002a000000000000002a-000000000000002a-01");
}
