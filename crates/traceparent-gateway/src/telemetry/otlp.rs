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
    config::{Batch, Otlp, OtlpVariables},
    http::{TlsClient, TlsError},
};

mod client;
mod codec;
mod connect;
mod encoder;
mod exporter;
mod resource;
mod settings;
mod tls;

pub(super) use self::resource::resource;
pub(crate) use self::tls::CollectorTls;

/// The size at which a batch is full, in bytes. Collectors refuse messages of more than 4 MiB, and a batch holds untrusted
/// input.
const BATCH_BYTES: usize = 3 << 20;

/// Starts a thread that exports sampled spans in batches, each under the resource of its service. If the collector's URL has
/// `https`, returns the certificates and keys for it, too.
pub(super) fn start(
    collector: Otlp,
    variables: &OtlpVariables,
    batch: Batch,
    resource: Resource,
) -> io::Result<(Sink, Worker, Option<CollectorTls>)> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let settings = Settings::new(collector, variables);
    let tls = settings.tls.clone().map(CollectorTls::new);
    let exporter = {
        let _entered = runtime.enter();
        Exporter::new(settings, tls.as_ref(), resource)
    };
    let (sink, outlet) = Sink::new("otlp", SpanFilter::Exported, batch.queue);
    let worker = Worker::start(outlet, move |outlet| runtime.block_on(export_all(outlet, exporter, batch)));
    Ok((sink, worker, tls))
}

/// Checks the certificates and keys for a collector.
pub(super) fn check(collector: Otlp, variables: &OtlpVariables) -> Result<(), TlsError> {
    let settings = Settings::new(collector, variables);
    settings.tls.as_ref().map(TlsClient::load).transpose()?;
    Ok(())
}

/// Exports spans in batches until all recorders are gone.
async fn export_all(mut spans: Outlet, mut exporter: Exporter, batch: Batch) {
    while let Some(first) = spans.recv().await {
        // A span is encoded at once, so that its memory serves the next ones.
        exporter.push(&first);
        drop(first);
        let due = Instant::now() + batch.delay;
        while exporter.spans() < batch.size && exporter.bytes() < BATCH_BYTES {
            match spans.try_recv() {
                Ok(span) => exporter.push(&span),
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => match due.saturating_duration_since(Instant::now()) {
                    Duration::ZERO => break,
                    left => sleep(left.min(POLL)).await,
                },
            }
        }
        let Exported { taken, lost } = exporter.export(batch.timeout).await;
        spans.counts().arrived(taken);
        spans.counts().lost(lost);
    }
}
