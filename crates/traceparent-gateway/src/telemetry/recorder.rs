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

    /// Returns the limits of recorded spans.
    pub(crate) fn limits(&self) -> SpanLimits {
        self.limits
    }

    /// Returns whether any sink takes a span that is exported, or one that is not. If none does, the span need not be described.
    pub(crate) fn wants(&self, exported: bool) -> bool {
        self.sinks.iter().any(|sink| sink.wants(exported))
    }

    /// Hands a span to all sinks that take it, within the limits.
    pub(crate) fn record(&self, mut span: Span) {
        let exported = span.is_exported();
        span.limit(self.limits);
        let sinks = || self.sinks.iter().filter(|sink| sink.wants(exported));
        for sink in sinks() {
            if let Sink::Collector(inlet) = sink {
                inlet.offer(&span);
            }
        }
        let trace = span.trace_id();
        let mut queues = sinks().filter_map(|sink| sink.queue_of(trace)).peekable();
        if queues.peek().is_some() {
            let span = Arc::new(span);
            queues.for_each(|queue| queue.offer(Arc::clone(&span)));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        span::Attributes,
        telemetry::{SpanFilter, example, portion::Portion},
    };

    #[test]
    fn what_is_dropped_is_counted() {
        let (sink, mut outlet) = Sink::queue("test", SpanFilter::All, 1);
        let recorder = Recorder::new(vec![sink], SpanLimits { attributes: 3, value_length: 2, links: 0 });
        let mut span = example::span(1, 1);
        span.link = Some(span.context.traceparent);
        span.refused = Some("refused".into());
        span.attributes = Attributes::new(recorder.limits());
        for (key, text) in [("text", "abc"), ("short", "d"), ("shorter", ""), ("more", "e"), ("most", "f")] {
            span.attributes.push(key, text);
        }
        recorder.record(span);
        let span = outlet.try_recv().unwrap();
        let values: Vec<_> = span.attributes.iter().map(|(_, value)| value.to_string()).collect();
        assert_eq!(values, ["ab", "d", ""]);
        assert_eq!((span.link, span.refused.as_deref()), (None, Some("re")));
        assert_eq!((span.attributes.dropped(), span.dropped_links), (2, 1));
    }

    #[test]
    fn a_portion_of_the_traces_is_taken_and_the_others_count_as_dropped() {
        let portion = Arc::<Portion>::default();
        let (sink, mut outlet) = Sink::queue("test", SpanFilter::Exported(Arc::clone(&portion)), 1000);
        let recorder = Recorder::new(vec![sink], SpanLimits::default());
        portion.adapt(usize::MAX);
        for trace in 1..=400 {
            recorder.record(example::span(trace, 1));
            recorder.record(example::span(trace, 2));
        }
        let mut taken = Vec::new();
        while let Ok(span) = outlet.try_recv() {
            taken.push(span.trace_id());
        }
        assert!(taken.len().abs_diff(400) < 100, "{}", taken.len());
        assert!(taken.chunks(2).all(|spans| spans[0] == spans[1] && portion.contains(spans[0])));
        let counts = outlet.counts();
        assert_eq!((counts.offered(), counts.dropped()), (800, 800 - taken.len() as u64));
    }
}
