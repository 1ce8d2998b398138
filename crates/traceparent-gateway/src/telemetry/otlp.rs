//! Spans on their way to a collector, in OpenTelemetry's own messages.
//!
//! The exporter is handed finished spans with the IDs, flags and `tracestate` that were sent; it decides nothing. It is not
//! the one of the SDK, which reads the environment itself, and keeps the rejection of spans to itself.
//! [OTLP exporter](https://opentelemetry.io/docs/specs/otel/protocol/exporter/)

use std::{
    io,
    time::{Duration, Instant},
};

use opentelemetry_sdk::Resource;
use tokio::{runtime, sync::mpsc::error::TryRecvError, time::sleep};

use self::{
    exporter::{Exported, Exporter},
    settings::Settings,
};
use super::{
    queue::{Outlet, POLL, Worker},
    sink::{Sink, SpanFilter},
};
use crate::{
    config::{Batch, Otlp, OtlpVariables, SpanLimits},
    http::{TlsClient, TlsError},
};

mod client;
mod connect;
mod exporter;
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
    /// The exporter's runtime cannot be started.
    #[error("cannot start the OTLP exporter: {0}")]
    System(#[from] io::Error),
    /// A certificate or a key cannot be used.
    #[error("cannot set up TLS to the collector: {0}")]
    Tls(#[from] TlsError),
}

/// Starts a thread that exports sampled spans in batches, each under the resource of its service.
pub(super) fn start(
    collector: Otlp,
    variables: &OtlpVariables,
    batch: Batch,
    limits: SpanLimits,
    resource: Resource,
) -> Result<(Sink, Worker), OtlpError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let exporter = {
        let _entered = runtime.enter();
        Exporter::new(&Settings::new(collector, variables), resource, limits)?
    };
    let (sink, outlet) = Sink::new("otlp", SpanFilter::Exported, batch.queue);
    let worker = Worker::start(outlet, move |outlet| runtime.block_on(export_all(outlet, exporter, batch)));
    Ok((sink, worker))
}

/// Checks the certificates and keys for a collector.
pub(super) fn check(collector: Otlp, variables: &OtlpVariables) -> Result<(), OtlpError> {
    let settings = Settings::new(collector, variables);
    settings.tls.as_ref().map(TlsClient::load).transpose()?;
    Ok(())
}

/// Exports spans in batches until all recorders are gone.
async fn export_all(mut spans: Outlet, mut exporter: Exporter, batch: Batch) {
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
        let Exported { taken, lost } = exporter.export(&mut gathered, batch.timeout).await;
        spans.counts().arrived(taken);
        spans.counts().lost(lost);
    }
}
