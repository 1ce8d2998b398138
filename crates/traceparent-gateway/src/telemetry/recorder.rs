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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use opentelemetry::{Array, KeyValue, Value};

    use super::*;
    use crate::{
        span::Dropped,
        telemetry::{SpanFilter, example},
    };

    #[test]
    fn what_is_dropped_is_counted() {
        let array = Value::Array(Array::String(vec!["abc".into(), "d".into()]));
        let mut span = example::span(1, 1);
        span.link = Some(span.context.traceparent);
        span.refused = Some("refused".into());
        span.attributes = vec![
            KeyValue::new("text", "abc"),
            KeyValue::new("number", 12345),
            KeyValue::new("texts", array),
            KeyValue::new("more", 1),
            KeyValue::new("most", 1),
        ];
        let (sink, mut outlet) = Sink::new("test", SpanFilter::All, 1);
        let limits = SpanLimits { attributes: 3, value_length: 2, links: 0 };
        Recorder::new(vec![sink], limits).record(span);
        let span = outlet.try_recv().unwrap();
        let values: Vec<_> = span.attributes.iter().map(|attribute| attribute.value.as_str().into_owned()).collect();
        assert_eq!(values, ["ab", "12345", "[\"ab\",\"d\"]"]);
        assert_eq!((span.link, span.refused.as_deref()), (None, Some("re")));
        assert_eq!(span.dropped, Dropped { attributes: 2, links: 1 });
    }
}
