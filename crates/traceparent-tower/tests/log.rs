//! The IDs in log lines.
#![cfg(feature = "tracing-subscriber")]
#![allow(clippy::unwrap_used)]

mod common;

use std::convert::Infallible;

use http::{Request, Response};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::Value;
use tokio_stream::StreamExt;
use tower::{Layer, ServiceExt, service_fn};
use traceparent::sampler::AlwaysOn;
use traceparent_tower::{
    ExtractTraceContextLayer, InTraceExt, InstrumentRequestLayer, LogFields, TraceContextFormat, spawn,
};
use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;

use crate::common::{SAMPLED, TRACE_ID, lines::Lines, request};

impl Lines {
    fn json(fields: LogFields) -> (Self, impl Subscriber + Send + Sync) {
        let lines = Self::default();
        let format = |inner| TraceContextFormat::json(inner).fields(fields);
        let subscriber = tracing_subscriber::fmt().json().with_writer(lines.clone()).map_event_format(format).finish();
        (lines, subscriber)
    }

    fn text() -> (Self, impl Subscriber + Send + Sync) {
        let lines = Self::default();
        let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).without_time().with_ansi(false);
        (lines, subscriber.map_event_format(TraceContextFormat::text).finish())
    }

    fn all(&self) -> Vec<String> {
        self.written().lines().map(str::to_owned).collect()
    }
}

fn run(subscriber: impl Subscriber + Send + Sync + 'static, future: impl Future<Output = ()>) {
    tracing::subscriber::with_default(subscriber, || {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
    });
}

/// Writes a line itself, in a task, in a stream, and with text that looks like a field.
async fn handler(_: Request<()>) -> Result<Response<()>, Infallible> {
    tracing::info!(user = 7, "in the handler");
    spawn(async { tracing::info!("in a task") }).await.unwrap();
    let stream = tokio_stream::iter([()]).map(|()| tracing::info!("in a stream")).in_current_trace();
    tokio::spawn(async { stream.map(drop).collect::<Vec<_>>().await }).await.unwrap();
    tracing::info!(r#"a text, "trace_id":"{TRACE_ID}","#);
    Ok(Response::new(()))
}

async fn serve(instrument: bool) {
    let layer = ExtractTraceContextLayer::new(AlwaysOn);
    let request = request(&[("traceparent", SAMPLED)]);
    if instrument {
        let service = InstrumentRequestLayer::new().layer(service_fn(handler));
        layer.layer(service).oneshot(request).await.unwrap();
    } else {
        layer.layer(service_fn(handler)).oneshot(request).await.unwrap();
    }
}

/// The fields of a line, and how often it has the name of the ID.
fn parsed(line: &str) -> (Value, usize) {
    (serde_json::from_str(line).unwrap(), line.matches("\"trace_id\":").count())
}

#[test]
fn every_event_of_a_request_has_the_ids_once() {
    for instrument in [false, true] {
        let (lines, subscriber) = Lines::json(LogFields::OpenTelemetry);
        run(subscriber, serve(instrument));
        let lines = lines.all();
        assert_eq!(lines.len(), 4);
        let span_id = parsed(&lines[0]).0["span_id"].clone();
        for line in &lines {
            let (fields, count) = parsed(line);
            assert_eq!(
                (&fields["trace_id"], &fields["trace_flags"], count),
                (&TRACE_ID.into(), &"01".into(), 1),
                "{line}"
            );
            assert_eq!(fields["span_id"], span_id);
            assert_eq!(line.matches(span_id.as_str().unwrap()).count(), 1, "{line}");
            assert_eq!(fields["span"]["sampled"], if instrument { Value::Bool(true) } else { Value::Null });
        }
        assert_eq!(parsed(&lines[0]).0["fields"]["user"], 7);
        assert_eq!(parsed(&lines[3]).0["fields"]["message"], format!(r#"a text, "trace_id":"{TRACE_ID}","#));
    }
}

#[test]
fn lines_of_text_have_the_ids_in_front_or_in_their_log_span() {
    for instrument in [false, true] {
        let (lines, subscriber) = Lines::text();
        run(subscriber, serve(instrument));
        for line in &lines.all()[..3] {
            assert_eq!(line.matches(TRACE_ID).count(), 1, "{line}");
            assert_eq!(line.starts_with(&format!("trace_id={TRACE_ID} span_id=")), !instrument, "{line}");
        }
    }
}

#[test]
fn lines_outside_of_a_trace_and_with_ids_of_their_own_stay() {
    let (lines, subscriber) = Lines::json(LogFields::OpenTelemetry);
    run(subscriber, async {
        tracing::info!("outside");
        let service = service_fn(async |_: Request<()>| {
            tracing::info!(trace_id = "mine", "with an ID of its own");
            Ok::<_, Infallible>(Response::new(()))
        });
        ExtractTraceContextLayer::new(AlwaysOn).layer(service).oneshot(Request::new(())).await.unwrap();
    });
    let lines = lines.all();
    let [(outside, _), (own, count)] = [parsed(&lines[0]), parsed(&lines[1])];
    assert_eq!((outside.get("trace_id"), own.get("trace_id"), count), (None, None, 1));
    assert_eq!(own["fields"]["trace_id"], "mine");
}

#[test]
fn vendors_have_names_of_their_own() {
    let first = |fields| {
        let (lines, subscriber) = Lines::json(fields);
        run(subscriber, serve(false));
        parsed(&lines.all()[0]).0
    };
    let datadog = first(LogFields::Datadog);
    // The low half of the trace ID: a3ce929d0e0e4736.
    assert_eq!(datadog["dd.trace_id"], 0xa3ce_929d_0e0e_4736_u64.to_string());
    assert!(datadog["dd.span_id"].as_str().unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(datadog.get("trace_id"), None);

    let google = first(LogFields::google_cloud("my-\"project"));
    assert_eq!(google["logging.googleapis.com/trace"], format!("projects/my-_project/traces/{TRACE_ID}"));
    assert_eq!(google["logging.googleapis.com/trace_sampled"], true);
    assert_eq!(google["logging.googleapis.com/spanId"].as_str().unwrap().len(), 16);
}

#[test]
fn spans_of_opentelemetry_are_the_source_where_they_are() {
    let lines = Lines::default();
    let provider = SdkTracerProvider::builder().build();
    let format = tracing_subscriber::fmt::layer()
        .json()
        .with_writer(lines.clone())
        .map_event_format(|inner| TraceContextFormat::json(inner).current(traceparent_opentelemetry::current));
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(spans).with(format);
    run(subscriber, async {
        tracing::info!("outside");
        tracing::info_span!("outer").in_scope(|| {
            tracing::info!("in the outer span");
            tracing::info_span!("inner").in_scope(|| tracing::info!("in the inner span"));
            tracing::info!("in the outer span again");
        });
    });
    let lines: Vec<_> = lines.all().iter().map(|line| parsed(line)).collect();
    let ids = |index: usize| (&lines[index].0["trace_id"], &lines[index].0["span_id"]);
    assert_eq!(lines.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [0, 1, 1, 1]);
    assert_eq!(ids(1), ids(3));
    assert_eq!(ids(1).0, ids(2).0);
    assert_ne!(ids(1).1, ids(2).1);
}
