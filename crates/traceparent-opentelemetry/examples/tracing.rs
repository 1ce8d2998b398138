//! `tracing` with `tracing-opentelemetry`: a service that is called and calls another.
//!
//! `cargo run -p traceparent-opentelemetry --example tracing`

use http::HeaderMap;
use opentelemetry::{global, trace::TracerProvider};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::trace::SdkTracerProvider;
use traceparent_opentelemetry::TraceContextPropagator;
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;

/// Serves a request and returns the headers of the call it makes.
fn serve(request: &HeaderMap) -> HeaderMap {
    let span = info_span!("GET /orders", otel.kind = "server");
    // Before the span is entered, so that its trace is the caller's.
    let parent = global::get_text_map_propagator(|propagator| propagator.extract(&HeaderExtractor(request)));
    if let Err(error) = span.set_parent(parent) {
        eprintln!("the span has no parent: {error}");
    }
    span.in_scope(|| info_span!("GET /stock", otel.kind = "client").in_scope(call))
}

/// Somewhere deep in the service.
fn call() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let cx = Span::current().context();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&cx, &mut HeaderInjector(&mut headers)));
    headers
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let provider = SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("orders"));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;
    global::set_text_map_propagator(TraceContextPropagator::new());

    let mut request = HeaderMap::new();
    println!("a request without a trace: {:#?}", serve(&request));
    request.append("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03".parse()?);
    request.append("tracestate", "foo@@bar=1".parse()?);
    request.append("tracestate", "rojo=2".parse()?);
    let call = serve(&request);
    println!("a request of a trace: {call:#?}");
    // The trace, its random flag and both fields of its list go on.
    assert!(call["traceparent"].to_str()?.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    assert!(call["traceparent"].to_str()?.ends_with("-03"));
    assert_eq!(call["tracestate"], "foo@@bar=1,rojo=2");
    provider.shutdown()?;
    Ok(())
}
