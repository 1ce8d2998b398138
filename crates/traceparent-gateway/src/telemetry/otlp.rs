//! Spans on their way to a collector, by the OpenTelemetry SDK's OTLP exporter.
//!
//! The exporter is handed finished spans with the IDs, flags and `tracestate` that were sent; it decides nothing.
//! [OTLP exporter](https://opentelemetry.io/docs/specs/otel/protocol/exporter/)

use std::{
    io,
    time::{Duration, Instant},
};

use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::Resource;
use tokio::{runtime, sync::mpsc::error::TryRecvError, time::sleep};

use self::{exporters::Exporters, settings::Settings};
use super::{
    queue::{Outlet, POLL, Worker},
    sink::{Sink, SpanFilter},
};
use crate::config::{Batch, Otlp, OtlpVariables};

mod exporters;
mod resource;
mod settings;
mod span_data;

pub(super) use self::resource::resource;

/// The approximate size limit of a batch, in bytes. Collectors refuse messages of more than 4 MiB, and a batch holds
/// untrusted input.
const BATCH_BYTES: usize = 3 << 20;

/// The error returned when spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OtlpError {
    /// The endpoint is not a plain HTTP URL.
    #[error("the OTLP endpoint is not a URL of the form http://host:port; for https, put a collector between")]
    Endpoint,
    /// The exporter cannot be built.
    #[error("cannot create the OTLP exporter: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// The exporter's runtime cannot be started.
    #[error("cannot start the OTLP exporter: {0}")]
    System(#[from] io::Error),
}

/// Starts a thread that exports sampled spans in batches, each under the resource of its service. Must be called within a
/// Tokio runtime.
pub(super) fn start(
    collector: Otlp,
    variables: &OtlpVariables,
    batch: Batch,
    resource: Resource,
) -> Result<(Sink, Worker), OtlpError> {
    let settings = Settings::new(collector, variables)?;
    // An error of the settings is returned now instead of with the first batch.
    settings.exporter(&resource)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let exporters = Exporters::new(settings, resource);
    let (sink, outlet) = Sink::new("otlp", SpanFilter::Sampled, batch.queue);
    let worker = Worker::start(outlet, move |outlet| runtime.block_on(export_all(outlet, exporters, batch)));
    Ok((sink, worker))
}

/// Exports spans in batches until all recorders are gone.
async fn export_all(mut spans: Outlet, mut exporters: Exporters, batch: Batch) {
    let mut gathered = Vec::with_capacity(batch.size);
    while let Some(first) = spans.recv().await {
        let mut bytes = first.size();
        gathered.push(first);
        let due = Instant::now() + batch.delay;
        while gathered.len() < batch.size && bytes < BATCH_BYTES {
            match spans.try_recv() {
                Ok(span) => {
                    bytes += span.size();
                    gathered.push(span);
                }
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => match due.saturating_duration_since(Instant::now()) {
                    Duration::ZERO => break,
                    left => sleep(left.min(POLL)).await,
                },
            }
        }
        let exported = exporters.export(&mut gathered, batch.timeout).await;
        spans.counts().arrived(exported.0);
        spans.counts().lost(exported.1);
    }
}
