use std::{collections::HashMap, mem, sync::Arc, time::Duration};

use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::{Resource, error::OTelSdkError, trace::SpanExporter as _};
use tokio::time::timeout;

use super::{resource::resource_of, settings::Settings, span_data::to_span_data};
use crate::{operator::tell, span::Span};

/// One exporter for each service, because an exporter has one resource.
#[derive(Debug)]
pub(super) struct Exporters {
    settings: Settings,
    resource: Resource,
    by_service: HashMap<Arc<str>, SpanExporter>,
    failing: bool,
}

impl Exporters {
    pub(super) fn new(settings: Settings, resource: Resource) -> Self {
        Self { settings, resource, by_service: HashMap::new(), failing: false }
    }

    /// Exports spans, and returns the number of those that arrived and of those that did not.
    pub(super) async fn export(&mut self, spans: &mut Vec<Arc<Span>>, limit: Duration) -> (u64, u64) {
        let (mut exported, mut lost) = (0, 0);
        while let Some(service) = spans.first().map(|span| Arc::clone(&span.service)) {
            let (ours, others) = mem::take(spans).into_iter().partition::<Vec<_>, _>(|span| span.service == service);
            *spans = others;
            let count = ours.len() as u64;
            let result = self.export_one(service, ours, limit).await;
            match &result {
                Ok(()) => exported += count,
                Err(_) => lost += count,
            }
            self.report_changes(result.err());
        }
        (exported, lost)
    }

    async fn export_one(&mut self, service: Arc<str>, spans: Vec<Arc<Span>>, limit: Duration) -> Result<(), Failed> {
        if !self.by_service.contains_key(&service) {
            let resource = resource_of(&service, &self.resource);
            self.by_service.insert(Arc::clone(&service), self.settings.exporter(&resource)?);
        }
        let Some(exporter) = self.by_service.get(&service) else { return Ok(()) };
        let spans = spans.into_iter().map(|span| to_span_data(Arc::unwrap_or_clone(span))).collect();
        timeout(limit, exporter.export(spans)).await.map_err(|_| Failed::Late)?.map_err(Failed::Refused)
    }

    /// Reports to the operator that exporting has begun to fail, or has recovered.
    fn report_changes(&mut self, failed: Option<Failed>) {
        match (failed, self.failing) {
            (Some(error), false) => tell(format_args!("export failed, dropping spans: {error}")),
            (None, true) => tell("export recovered"),
            (Some(_), true) | (None, false) => return,
        }
        self.failing = !self.failing;
    }
}

/// The error returned when a batch is not exported.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the collector did not answer in time")]
    Late,
    #[error("{0}")]
    Refused(OTelSdkError),
    #[error("{0}")]
    Exporter(#[from] ExporterBuildError),
}
