//! The spans of `tracing`.
#![cfg(feature = "tracing")]
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    convert::Infallible,
    io::Write,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use traceparent::sampler::AlwaysOn;
use traceparent_tower::{ExtractTraceContextLayer, InjectTraceContextLayer, InstrumentRequestLayer, SpanContext};
use tracing_subscriber::fmt::MakeWriter;

use crate::common::{SAMPLED, TRACE_ID, request, started};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The log lines that are written while this runs, on one thread.
fn logged(run: impl Future<Output = ()>) -> String {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).without_time().with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, || {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run);
    });
    let lines = lines.0.lock().unwrap();
    String::from_utf8(lines.clone()).unwrap()
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
    let fields = format!("request{{trace_id={TRACE_ID} span_id={id} sampled=true parent_id=00f067aa0ba902b7}}: ");
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
fn a_root_has_no_parent_and_a_request_without_a_context_no_span() {
    let root = started();
    let lines = logged(async move { root.tracing_span().in_scope(|| tracing::info!("root")) });
    assert!(lines.contains("sampled=true}") && !lines.contains("parent_id"), "{lines}");

    let lines = logged(async {
        InstrumentRequestLayer::new().layer(service_fn(handler)).oneshot(request(&[])).await.unwrap();
    });
    assert!(!lines.contains("trace_id") && lines.lines().count() == 2, "{lines}");
}
