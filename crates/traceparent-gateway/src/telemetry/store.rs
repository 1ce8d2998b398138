use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::sleep,
    time::{Duration, Instant},
};

use tokio::sync::mpsc::error::TryRecvError;
use traceparent::TraceId;

use super::{
    portion::Portion,
    queue::{BYTES_OF_ITEM, Outlet, POLL},
};
use crate::span::Span;

/// The largest number of spans that wait to be kept.
pub(super) const CAPACITY: usize = 4096;

/// The largest number of kept traces.
const TRACES: usize = 200;

/// The largest number of kept spans, in all traces together.
const SPANS: usize = 4096;

/// The largest number of kept spans of one trace.
const SPANS_OF_ONE: usize = 1024;

/// The memory limit of all kept spans, in bytes.
const BYTES: usize = SPANS * BYTES_OF_ITEM;

/// The memory limit of the kept spans of one trace, in bytes.
const BYTES_OF_ONE: usize = SPANS_OF_ONE * BYTES_OF_ITEM;

/// The time in which the spans are counted that decide about the portion.
const WINDOW: Duration = Duration::from_millis(100);

/// The last sampled traces, in memory.
///
/// Once more than 10,000 spans end per second, a portion of the traces is kept, of at most 1,000 spans per second: the others
/// would be replaced at once.
#[derive(Debug, Default)]
pub(crate) struct Store {
    traces: Mutex<Traces>,
    portion: Arc<Portion>,
}

#[derive(Debug, Default)]
struct Traces {
    by_id: HashMap<TraceId, Trace>,
    /// In the order in which the first span of each was kept.
    order: VecDeque<TraceId>,
    spans: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Trace {
    spans: Vec<Arc<Span>>,
    bytes: usize,
}

impl Store {
    /// Returns the portion of the traces that are kept.
    pub(super) fn portion(&self) -> Arc<Portion> {
        Arc::clone(&self.portion)
    }

    /// Keeps spans until all recorders are gone.
    pub(super) fn fill(&self, mut spans: Outlet) {
        let (mut since, mut count) = (Instant::now(), 0);
        loop {
            let mut next = match spans.try_recv() {
                Ok(span) => Some(span),
                Err(TryRecvError::Disconnected) => return,
                // A portion grows while no span comes.
                Err(TryRecvError::Empty) if !self.portion.is_all() => None,
                Err(TryRecvError::Empty) => {
                    let Some(span) = spans.blocking_recv() else { return };
                    (since, count) = (Instant::now(), 0);
                    Some(span)
                }
            };
            while let Some(span) = next {
                let kept = self.lock().keep(span);
                spans.counts().arrived(kept.into());
                spans.counts().lost((!kept).into());
                count += 1;
                next = spans.try_recv().ok();
            }
            // A portion of the spans are few, for which the thread need not wake so often.
            sleep(if self.portion.is_all() { POLL } else { WINDOW });
            if since.elapsed() >= WINDOW {
                self.portion.adapt(count);
                (since, count) = (Instant::now(), 0);
            }
        }
    }

    /// Returns the number of traces.
    pub(crate) fn len(&self) -> usize {
        self.lock().order.len()
    }

    /// Returns a part of the traces, the last one first; their spans are in the order in which they ended.
    pub(crate) fn traces(&self, range: Range<usize>) -> Vec<Vec<Arc<Span>>> {
        let traces = self.lock();
        let ids = traces.order.iter().rev().skip(range.start).take(range.len());
        ids.filter_map(|id| Some(traces.by_id.get(id)?.spans.clone())).collect()
    }

    /// Returns the spans of one trace, in the order in which they ended.
    pub(crate) fn trace(&self, id: TraceId) -> Option<Vec<Arc<Span>>> {
        Some(self.lock().by_id.get(&id)?.spans.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Traces> {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Traces {
    /// Keeps a span unless its trace is full, and removes the oldest traces while there are too many.
    fn keep(&mut self, span: Arc<Span>) -> bool {
        let (id, bytes) = (span.trace_id(), span.memory());
        let trace = self.by_id.entry(id).or_insert_with(|| {
            self.order.push_back(id);
            Trace::default()
        });
        let kept = trace.spans.len() < SPANS_OF_ONE && trace.bytes + bytes <= BYTES_OF_ONE;
        if kept {
            trace.spans.push(span);
            trace.bytes += bytes;
            self.spans += 1;
            self.bytes += bytes;
        }
        while self.order.len() > TRACES || self.spans > SPANS || self.bytes > BYTES {
            let Some(oldest) = self.order.pop_front().and_then(|id| self.by_id.remove(&id)) else { break };
            self.spans -= oldest.spans.len();
            self.bytes -= oldest.bytes;
        }
        kept
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        config::SpanLimits,
        span::Attributes,
        telemetry::{SpanFilter, example, sink::Sink},
    };

    fn span(trace: u64, id: u64) -> Arc<Span> {
        Arc::new(example::span(trace, id))
    }

    fn large(trace: u64, id: u64) -> Arc<Span> {
        let mut attributes = Attributes::new(SpanLimits::default());
        attributes.push("key", &"v".repeat(32 * 1024));
        Arc::new(Span { attributes, ..example::span(trace, id) })
    }

    #[test]
    fn the_last_traces_are_kept() {
        let mut traces = Traces::default();
        for trace in 1..=300 {
            assert!(traces.keep(span(trace, 1)));
        }
        assert_eq!((traces.order.len(), traces.by_id.len(), traces.spans), (TRACES, TRACES, TRACES));
        assert_eq!(traces.order.front().unwrap(), &span(101, 1).trace_id());
    }

    #[test]
    fn spans_are_bounded() {
        let mut traces = Traces::default();
        let taken = (1..=SPANS_OF_ONE as u64 + 5).filter(|id| traces.keep(span(1, *id))).count();
        assert_eq!(taken, SPANS_OF_ONE);
        for trace in 2..=5 {
            for id in 1..=SPANS_OF_ONE as u64 {
                assert!(traces.keep(span(trace, id)));
            }
        }
        assert_eq!((traces.spans, traces.order.len()), (SPANS, 4));
    }

    #[test]
    fn bytes_are_bounded() {
        let mut traces = Traces::default();
        let taken = (1..=100).filter(|id| traces.keep(large(1, *id))).count();
        assert!((60..64).contains(&taken), "{taken}");
        for trace in 2..=100 {
            for id in 1..=50 {
                assert!(traces.keep(large(trace, id)));
                assert!(traces.bytes <= BYTES);
            }
        }
        let held = traces.by_id.values().flat_map(|trace| &trace.spans).map(|span| span.memory()).sum::<usize>();
        assert_eq!(traces.bytes, held);
        assert_eq!((traces.order.len(), traces.by_id.len()), (5, 5));
    }

    #[test]
    fn a_portion_grows_while_no_span_comes() {
        let store = Arc::<Store>::default();
        let (sink, outlet) = Sink::queue("test", SpanFilter::Exported(store.portion()), CAPACITY);
        for _ in 0..3 {
            store.portion.adapt(usize::MAX);
        }
        let filled = Arc::clone(&store);
        let thread = std::thread::spawn(move || filled.fill(outlet));
        while !store.portion.is_all() {
            sleep(POLL);
        }
        drop(sink);
        thread.join().unwrap();
    }
}
