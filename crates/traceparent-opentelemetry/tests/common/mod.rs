#![allow(dead_code, clippy::unwrap_used)]

pub(crate) mod differences;

use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::TextMapPropagator,
    trace::{TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SdkTracerProvider, ShouldSample, SpanData, SpanExporter},
};

pub(crate) const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(crate) const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

pub(crate) fn headers(traceparents: &[&str], tracestates: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, values) in [("traceparent", traceparents), ("tracestate", tracestates)] {
        for value in values {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
    }
    headers
}

pub(crate) fn extract(propagator: &dyn TextMapPropagator, request: &HeaderMap) -> Context {
    propagator.extract_with_context(&Context::new(), &HeaderExtractor(request))
}

pub(crate) fn inject(propagator: &dyn TextMapPropagator, cx: &Context) -> HeaderMap {
    let mut call = HeaderMap::new();
    propagator.inject_context(cx, &mut HeaderInjector(&mut call));
    call
}

pub(crate) fn provider(sampler: impl ShouldSample + 'static) -> SdkTracerProvider {
    SdkTracerProvider::builder().with_sampler(sampler).build()
}

/// An exporter that keeps the spans in memory.
///
/// The SDK's own is behind its feature `testing`, with which it and all crates above it would be compiled again.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryExporter(Arc<Mutex<Vec<SpanData>>>);

impl MemoryExporter {
    /// Returns the spans that were exported since the last call.
    pub(crate) fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl SpanExporter for MemoryExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// Serves a request with a span of its own and returns the headers of the call it makes.
pub(crate) fn hop(propagator: &dyn TextMapPropagator, provider: &SdkTracerProvider, request: &HeaderMap) -> HeaderMap {
    let parent = extract(propagator, request);
    let span = provider.tracer("test").start_with_context("serve", &parent);
    inject(propagator, &parent.with_span(span))
}

/// What an outgoing call says about the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) continued: bool,
    pub(crate) flags: String,
    pub(crate) tracestate: Option<String>,
}

impl Outcome {
    pub(crate) fn of(call: &HeaderMap) -> Self {
        let traceparent = call["traceparent"].to_str().unwrap();
        let tracestate = call.get("tracestate").map(|list| list.to_str().unwrap().to_owned());
        Self {
            continued: traceparent.starts_with(&format!("00-{TRACE_ID}-")),
            flags: traceparent[53..].to_owned(),
            tracestate,
        }
    }
}
