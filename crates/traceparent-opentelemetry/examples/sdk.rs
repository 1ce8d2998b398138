//! The OpenTelemetry SDK with the carriers of `opentelemetry-http`: a service that is called and calls another.
//!
//! `cargo run -p traceparent-opentelemetry --example sdk`

use http::HeaderMap;
use opentelemetry::{
    global,
    trace::{SpanKind, TraceContextExt, Tracer},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::trace::SdkTracerProvider;
use traceparent::sampler::{ParentBased, ProbabilitySampler};
use traceparent_opentelemetry::{SdkSampler, TraceContextPropagator};

/// Serves a request and returns the headers of the call it makes.
fn serve(request: &HeaderMap) -> HeaderMap {
    let tracer = global::tracer("orders");
    let parent = global::get_text_map_propagator(|propagator| propagator.extract(&HeaderExtractor(request)));
    let span = tracer.span_builder("GET /orders").with_kind(SpanKind::Server).start_with_context(&tracer, &parent);
    let cx = parent.with_span(span);

    let call = tracer.span_builder("GET /stock").with_kind(SpanKind::Client).start_with_context(&tracer, &cx);
    let mut headers = HeaderMap::new();
    let cx = cx.with_span(call);
    global::get_text_map_propagator(|propagator| propagator.inject_context(&cx, &mut HeaderInjector(&mut headers)));
    headers
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Half of the traces that start here; callers' decisions are followed.
    let half = ProbabilitySampler::from_ratio(1, 2).ok_or("not a probability")?;
    let provider = SdkTracerProvider::builder().with_sampler(SdkSampler::new(ParentBased::new(half))).build();
    global::set_tracer_provider(provider.clone());
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
