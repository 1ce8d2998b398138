//! Finished spans, beside the traffic: counted, kept in memory, written as lines, exported.

use std::{
    io::{self, Write},
    mem,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use opentelemetry_sdk::Resource;
use tokio::time::Instant;

use crate::{
    config::{self, Environment, Exporters, Otlp, Tracing},
    http::TlsError,
};

mod access_log;
#[cfg(test)]
pub(crate) mod example;
mod json_lines;
mod metrics;
mod otlp;
mod portion;
mod queue;
mod recorder;
mod sink;
mod store;

pub(crate) use self::{
    access_log::{AccessLog, AccessRecord, TraceRecord},
    metrics::{FormatOutcome, Metrics, MetricsFormat},
    queue::{Counts, Outlet, Report},
    recorder::Recorder,
    sink::SpanFilter,
    store::Store,
};
use self::{otlp::CollectorTls, queue::Worker, sink::Sink};

/// The ways of finished spans: one thread for each place where they go.
#[derive(Debug)]
pub(crate) struct Telemetry {
    resource: Resource,
    environment: Environment,
    metrics: Arc<Metrics>,
    store: Option<Arc<Store>>,
    sinks: Vec<Sink>,
    workers: Vec<Worker>,
    /// `None` without a collector over TLS.
    collector: Option<CollectorTls>,
    access_log: Option<Worker>,
}

impl Telemetry {
    /// Creates one whose spans go nowhere yet.
    pub(crate) fn new(tracing: &Tracing, environment: Environment) -> Self {
        Self {
            resource: otlp::resource(tracing),
            environment,
            metrics: Arc::default(),
            store: None,
            sinks: Vec::new(),
            workers: Vec::new(),
            collector: None,
            access_log: None,
        }
    }

    /// Sends spans to the exporters of the environment. By default, they go to a collector if the configuration or the
    /// environment names one, and as JSON lines to `out` if not. A collector of the configuration always counts.
    ///
    /// Sends no spans if the environment disables them.
    pub(crate) fn send(&mut self, collector: Option<Otlp>, out: impl Write + Send + 'static) -> io::Result<()> {
        if self.environment.is_disabled {
            return Ok(());
        }
        let named = collector.is_some() || self.environment.otlp.endpoint.is_some();
        let Exporters { otlp, console } =
            self.environment.exporters.unwrap_or(Exporters { otlp: named, console: !named });
        if otlp || collector.is_some() {
            self.export(collector.unwrap_or_default())?;
        }
        if console {
            self.write(out);
        }
        Ok(())
    }

    /// Checks the certificates and keys for a collector.
    pub(crate) fn check(collector: Option<Otlp>, environment: &Environment) -> Result<(), TlsError> {
        let named = collector.is_some() || environment.otlp.endpoint.is_some();
        if named { otlp::check(collector.unwrap_or_default(), &environment.otlp) } else { Ok(()) }
    }

    /// Exports sampled spans to a collector.
    pub(crate) fn export(&mut self, collector: Otlp) -> io::Result<()> {
        let Environment { otlp, batch, .. } = &self.environment;
        let (sink, worker, tls) = otlp::start(collector, otlp, *batch, self.resource.clone())?;
        self.collector = tls;
        self.sinks.push(sink);
        self.workers.push(worker);
        Ok(())
    }

    /// Returns the files of certificates and keys for the collector.
    pub(crate) fn tls_files(&self) -> Vec<PathBuf> {
        self.collector.iter().flat_map(CollectorTls::files).cloned().collect()
    }

    /// Reads these files again, and returns whether they can be used. If not, that is reported to the operator.
    pub(crate) fn reload_tls(&self) -> bool {
        self.collector.as_ref().is_none_or(CollectorTls::reload)
    }

    /// Writes all spans as JSON lines.
    fn write(&mut self, out: impl Write + Send + 'static) {
        let outlet = self.collect("console", SpanFilter::All, json_lines::CAPACITY);
        self.workers.push(Worker::start(outlet, |outlet| json_lines::write(outlet, out)));
    }

    /// Opens the access log.
    pub(crate) fn log(&mut self, config: &config::AccessLog) -> io::Result<AccessLog> {
        let (log, worker) = AccessLog::open(config)?;
        self.metrics.log(Arc::clone(worker.counts()));
        self.access_log = Some(worker);
        Ok(log)
    }

    /// Keeps the last sampled traces in memory, or a portion of them while there are many.
    pub(crate) fn keep(&mut self) {
        let store = Arc::<Store>::default();
        self.store = Some(Arc::clone(&store));
        let outlet = self.collect("store", SpanFilter::Exported(store.portion()), store::CAPACITY);
        self.workers.push(Worker::start(outlet, move |outlet| store.fill(outlet)));
    }

    /// Returns the end of a new sink, with room for this number of spans.
    pub(crate) fn collect(&mut self, name: &'static str, filter: SpanFilter, capacity: usize) -> Outlet {
        let (sink, outlet) = Sink::queue(name, filter, capacity);
        self.sinks.push(sink);
        outlet
    }

    /// Returns the recorder that feeds all sinks. Sinks that are added later are not part of it.
    pub(crate) fn recorder(&mut self) -> Recorder {
        Recorder::new(mem::take(&mut self.sinks), self.environment.limits)
    }

    /// Returns the counters of requests.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Returns the kept traces, or `None` if none are kept.
    pub(crate) fn store(&self) -> Option<&Arc<Store>> {
        self.store.as_ref()
    }

    /// Returns the counters of spans for each sink with a thread of its own.
    pub(crate) fn counts(&self) -> Vec<(&'static str, Arc<Counts>)> {
        self.workers.iter().map(|worker| (worker.name(), Arc::clone(worker.counts()))).collect()
    }

    /// Waits until the last spans and lines have arrived, once all that sends them is gone, but no longer than the limit.
    /// Returns a report for each thread.
    pub(crate) async fn finish(mut self, limit: Duration) -> Vec<(&'static str, Report)> {
        let deadline = Instant::now() + limit;
        let mut reports = Vec::with_capacity(self.workers.len());
        for worker in self.workers.iter_mut().chain(&mut self.access_log) {
            let left = deadline.saturating_duration_since(Instant::now());
            reports.push((worker.name(), worker.finish(left).await));
        }
        reports
    }
}

/// Returns what became of the exported and written spans, in words.
pub(crate) fn summary(reports: &[(&'static str, Report)]) -> String {
    let parts = reports.iter().filter_map(|(name, Report { taken, dropped })| match *name {
        "console" => Some(format!("{taken} spans written, {dropped} dropped")),
        "otlp" => Some(format!("{taken} spans exported, {dropped} dropped")),
        "access_log" => Some(format!("{taken} requests logged, {dropped} not")),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("; ")
}
