use std::{env, io::Write, mem, sync::Arc, time::Duration};

use opentelemetry_sdk::Resource;
use tokio::time::Instant;

use crate::{
    admin::AdminService,
    config::{Batch, Otlp, Tracing},
};

mod json_lines;
pub(crate) mod metrics;
mod otlp;
pub(crate) mod recorder;
pub(crate) mod store;

pub use self::otlp::OtlpError;
use self::{
    json_lines::write_lines,
    metrics::Metrics,
    otlp::resource::resource,
    recorder::{Outlet, Recorder, Report, Sink, Wanted, Worker},
    store::Store,
};

/// What happens to finished spans, beside the traffic: one thread for each place where they go.
#[derive(Debug)]
pub(crate) struct Telemetry {
    resource: Resource,
    metrics: Arc<Metrics>,
    store: Option<Arc<Store>>,
    sinks: Vec<Sink>,
    workers: Vec<Worker>,
}

impl Telemetry {
    /// Makes one whose spans go nowhere yet.
    pub(crate) fn new(tracing: &Tracing) -> Self {
        let resource = resource(tracing);
        Self { resource, metrics: Arc::default(), store: None, sinks: Vec::new(), workers: Vec::new() }
    }

    /// Sends spans where configuration and environment say: to a collector where one of them names one, and as JSON
    /// lines to `out` where none does. `OTEL_TRACES_EXPORTER` may say `otlp`, `console`, both, or `none` instead.
    pub(crate) fn send(&mut self, collector: Option<Otlp>, out: impl Write + Send + 'static) -> Result<(), OtlpError> {
        let exporters = env::var("OTEL_TRACES_EXPORTER").ok().filter(|list| !list.trim().is_empty());
        let asked = |name: &str, usual| {
            exporters.as_ref().map_or(usual, |list| list.split(',').any(|exporter| exporter.trim() == name))
        };
        let named = collector.is_some() || otlp::in_environment();
        if collector.is_some() || asked("otlp", named) {
            self.export(collector.unwrap_or_default())?;
        }
        if asked("console", !named) {
            self.write(out);
        }
        Ok(())
    }

    /// Exports sampled spans to a collector.
    pub(crate) fn export(&mut self, collector: Otlp) -> Result<(), OtlpError> {
        let (sink, worker) = otlp::start(collector, self.resource.clone(), Batch::from_environment())?;
        self.sinks.push(sink);
        self.workers.push(worker);
        Ok(())
    }

    /// Writes all spans as JSON lines.
    fn write(&mut self, out: impl Write + Send + 'static) {
        let outlet = self.collect(Wanted::All, json_lines::CAPACITY);
        self.workers.push(Worker::start("console", outlet, |outlet| write_lines(outlet, out)));
    }

    /// Keeps the last sampled traces in memory.
    pub(crate) fn keep(&mut self) {
        let store = Arc::<Store>::default();
        self.store = Some(Arc::clone(&store));
        let outlet = self.collect(Wanted::Sampled, store::CAPACITY);
        self.workers.push(Worker::start("store", outlet, move |outlet| store.fill(outlet)));
    }

    /// Leaves spans to the caller: so many of them.
    pub(crate) fn collect(&mut self, wanted: Wanted, capacity: usize) -> Outlet {
        let (sink, outlet) = Sink::new(wanted, capacity);
        self.sinks.push(sink);
        outlet
    }

    /// Hands over what takes the spans, once it is said where they go.
    pub(crate) fn recorder(&mut self) -> Recorder {
        Recorder::new(mem::take(&mut self.sinks), Arc::clone(&self.metrics))
    }

    /// Returns what operators are shown; `None` where no traces are kept.
    pub(crate) fn admin(&self) -> Option<AdminService> {
        let counts = self.workers.iter().map(|worker| (worker.name(), Arc::clone(worker.counts()))).collect();
        Some(AdminService { metrics: Arc::clone(&self.metrics), counts, store: Arc::clone(self.store.as_ref()?) })
    }

    /// Waits until the last spans have arrived, once all recorders are gone, but no longer than this; returns what
    /// became of them, by where they were to go.
    pub(crate) async fn finish(mut self, limit: Duration) -> Vec<(&'static str, Report)> {
        let deadline = Instant::now() + limit;
        let mut reports = Vec::with_capacity(self.workers.len());
        for worker in &mut self.workers {
            let left = deadline.saturating_duration_since(Instant::now());
            reports.push((worker.name(), worker.finish(left).await));
        }
        reports
    }
}

/// Tells what became of the spans.
pub(crate) fn told(reports: &[(&'static str, Report)]) -> String {
    let told = reports.iter().filter_map(|(name, Report { taken, dropped })| match *name {
        "console" => Some(format!("{taken} spans written, {dropped} dropped")),
        "otlp" => Some(format!("{taken} spans exported, {dropped} dropped")),
        _ => None,
    });
    told.collect::<Vec<_>>().join("; ")
}
