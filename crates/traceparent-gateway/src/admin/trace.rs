use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Serialize, Serializer, ser::SerializeStruct};
use traceparent::{SpanId, TraceId};

use crate::span::Span;

/// What is known of one trace, in the order in which it is shown.
#[derive(Debug)]
pub(crate) struct Trace<'a> {
    pub(crate) id: TraceId,
    pub(crate) start: SystemTime,
    pub(crate) duration: Duration,
    /// Depth first, siblings by their start.
    pub(crate) rows: Vec<Row<'a>>,
}

/// A span at its place in the tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) span: &'a Span,
    pub(crate) depth: usize,
}

impl<'a> Trace<'a> {
    /// Puts the spans of one trace in order; `None` without spans. A span whose parent is not there is a root: the
    /// parent is in another process, or has not ended yet.
    pub(crate) fn new(spans: &'a [Arc<Span>]) -> Option<Self> {
        let start = spans.iter().map(|span| span.start).min()?;
        let end = spans.iter().map(|span| span.start + span.duration).max()?;
        let rows = rows(spans);
        let id = rows.first()?.span.trace_id();
        Some(Self { id, start, duration: end.duration_since(start).unwrap_or_default(), rows })
    }

    /// Returns the span that everything hangs from, as far as is known.
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

fn rows(spans: &[Arc<Span>]) -> Vec<Row<'_>> {
    let ids: BTreeSet<SpanId> = spans.iter().map(|span| span.span_id()).collect();
    let mut children: HashMap<Option<SpanId>, Vec<&Span>> = HashMap::new();
    for span in spans {
        children.entry(span.parent_id.filter(|parent| ids.contains(parent))).or_default().push(span);
    }
    for siblings in children.values_mut() {
        siblings.sort_by_key(|span| std::cmp::Reverse(span.start));
    }
    let mut rows = Vec::with_capacity(spans.len());
    loop {
        // What hangs from no root hangs from itself: a lie of somebody's, to be shown all the same.
        let next =
            children.remove(&None).or_else(|| children.keys().next().copied().and_then(|key| children.remove(&key)));
        let Some(roots) = next else { return rows };
        let mut waiting: Vec<_> = roots.into_iter().map(|span| Row { span, depth: 0 }).collect();
        while let Some(row) = waiting.pop() {
            rows.push(row);
            let below = children.remove(&Some(row.span.span_id())).unwrap_or_default();
            waiting.extend(below.into_iter().map(|span| Row { span, depth: row.depth + 1 }));
        }
    }
}

impl Serialize for Trace<'_> {
    /// Tells about the trace without its spans.
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
