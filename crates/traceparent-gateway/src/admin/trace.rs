use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Serialize, Serializer, ser::SerializeStruct};
use traceparent::TraceId;

use crate::span::{Row, Span, rows};

/// The known spans of one trace, in the order in which they are shown.
#[derive(Debug)]
pub(crate) struct Trace<'a> {
    pub(crate) id: TraceId,
    pub(crate) start: SystemTime,
    pub(crate) duration: Duration,
    /// Depth first, siblings by their start.
    pub(crate) rows: Vec<Row<'a>>,
}

impl<'a> Trace<'a> {
    /// Creates the trace of these spans, or returns `None` without spans.
    pub(crate) fn new(spans: &'a [Arc<Span>]) -> Option<Self> {
        let start = spans.iter().map(|span| span.start).min()?;
        let end = spans.iter().map(|span| span.start + span.duration).max()?;
        let rows = rows(spans.iter().map(|span| &**span));
        let id = rows.first()?.span.trace_id();
        Some(Self { id, start, duration: end.duration_since(start).unwrap_or_default(), rows })
    }

    /// Returns the first root.
    pub(crate) fn root(&self) -> Option<&'a Span> {
        self.rows.first().map(|row| row.span)
    }

    /// Returns the names of all services, in the order of their first spans.
    pub(crate) fn services(&self) -> Vec<&'a str> {
        let mut services = Vec::new();
        for service in self.rows.iter().map(|row| &*row.span.service) {
            if !services.contains(&service) {
                services.push(service);
            }
        }
        services
    }

    pub(crate) fn errors(&self) -> usize {
        self.rows.iter().filter(|row| row.span.is_error()).count()
    }

    /// Returns when a span started, counted from the start of the trace.
    pub(crate) fn offset(&self, span: &Span) -> Duration {
        span.start.duration_since(self.start).unwrap_or_default()
    }
}

impl Serialize for Trace<'_> {
    /// Serializes a summary, without the spans.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let root = self.root();
        let mut object = serializer.serialize_struct("Trace", 8)?;
        object.serialize_field("trace_id", &self.id.to_string())?;
        object.serialize_field("start", &humantime::format_rfc3339_micros(self.start).to_string())?;
        object.serialize_field("duration_ms", &(self.duration.as_micros() as f64 / 1e3))?;
        object.serialize_field("service", &root.map(|root| &*root.service))?;
        object.serialize_field("name", &root.map(|root| &*root.name))?;
        object.serialize_field("services", &self.services())?;
        object.serialize_field("spans", &self.rows.len())?;
        object.serialize_field("errors", &self.errors())?;
        object.end()
    }
}
