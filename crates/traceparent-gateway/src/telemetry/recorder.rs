use std::sync::Arc;

use super::sink::Sink;
use crate::{config::SpanLimits, span::Span};

/// Hands finished spans to all sinks without waiting.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    sinks: Arc<[Sink]>,
    limits: SpanLimits,
}

impl Recorder {
    pub(super) fn new(sinks: Vec<Sink>, limits: SpanLimits) -> Self {
        Self { sinks: sinks.into(), limits }
    }

    /// Returns whether any sink takes a span that is exported, or one that is not. If none does, the span need not be described.
    pub(crate) fn wants(&self, exported: bool) -> bool {
        self.sinks.iter().any(|sink| sink.wants(exported))
    }

    /// Hands a span to all sinks that take it, within the limits.
    pub(crate) fn record(&self, mut span: Span) {
        let exported = span.is_exported();
        span.limit(self.limits);
        let span = Arc::new(span);
        for sink in self.sinks.iter().filter(|sink| sink.wants(exported)) {
            sink.offer(Arc::clone(&span));
        }
    }
}
