//! Spans on their way to a collector, in OpenTelemetry's own messages.
//!
//! The exporter is handed finished spans with the IDs, flags and `tracestate` that were sent; it decides nothing. It is not
//! the one of the SDK, which reads the environment itself, and keeps the rejection of spans to itself.
//! [OTLP exporter](https://opentelemetry.io/docs/specs/otel/protocol/exporter/)

use std::{io, sync::Arc};

use opentelemetry_sdk::Resource;
use tokio::{runtime, time::timeout};

use self::{
    exporter::{Exported, Exporter},
    pending::{Outlet, pending},
    run::RunSize,
    settings::Settings,
};
use super::{queue::Worker, sink::Sink};
use crate::{
    config::{Batch, Otlp, OtlpVariables},
    http::{TlsClient, TlsError},
};

mod client;
mod codec;
mod connect;
mod encoder;
mod exporter;
mod message;
mod pending;
mod resource;
mod run;
mod settings;
mod tls;

pub(crate) use self::tls::CollectorTls;
pub(super) use self::{pending::Inlet, resource::resource};

/// The size at which a batch is full, in bytes. Collectors refuse messages of more than 4 MiB, and a batch holds untrusted
/// input.
const BATCH_BYTES: usize = 3 << 20;

/// The name of the sink.
const NAME: &str = "otlp";

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
    let (inlet, outlet) = pending(NAME, batch.queue, RunSize { spans: batch.size, bytes: BATCH_BYTES });
    let counts = Arc::clone(outlet.counts());
    let worker = Worker::spawn(NAME, counts, move || runtime.block_on(export_all(outlet, exporter, batch)));
    Ok((Sink::Collector(inlet), worker, tls))
}

/// Checks the certificates and keys for a collector.
pub(super) fn check(collector: Otlp, variables: &OtlpVariables) -> Result<(), TlsError> {
    let settings = Settings::new(collector, variables);
    settings.tls.as_ref().map(TlsClient::load).transpose()?;
    Ok(())
}

/// Exports spans in batches until all recorders are gone. A batch that does not fill goes out after the delay.
async fn export_all(mut spans: Outlet, mut exporter: Exporter, batch: Batch) {
    while spans.wait().await {
        let _ = timeout(batch.delay, spans.wait_for_batch()).await;
        let encoded = exporter.encode(spans.fetch());
        spans.release();
        let Exported { taken, lost } = exporter.export(encoded, batch.timeout).await;
        spans.counts().arrived(taken);
        spans.counts().lost(lost);
    }
}
