use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::sleep,
};

use traceparent::TraceId;

use super::sink::{Outlet, POLL};
use crate::span::Span;

/// The largest number of spans that wait to be kept.
pub(super) const CAPACITY: usize = 4096;

/// The largest number of kept traces.
const TRACES: usize = 200;

/// The largest number of kept spans, in all traces together.
const SPANS: usize = 4096;

/// The largest number of kept spans of one trace.
const SPANS_OF_ONE: usize = 1024;

/// The last sampled traces, in memory.
#[derive(Debug, Default)]
pub(crate) struct Store {
    traces: Mutex<Traces>,
}

#[derive(Debug, Default)]
struct Traces {
    spans_of: HashMap<TraceId, Vec<Arc<Span>>>,
    /// In the order in which the first span of each was kept.
    order: VecDeque<TraceId>,
    spans: usize,
}

impl Store {
    /// Keeps spans until all recorders are gone.
    pub(super) fn fill(&self, outlet: Outlet) {
        let Outlet { mut spans, counts } = outlet;
        while let Some(span) = spans.blocking_recv() {
            let mut next = Some(span);
            while let Some(span) = next {
                let kept = self.lock().keep(span);
                counts.arrived(kept.into());
                counts.lost((!kept).into());
                next = spans.try_recv().ok();
            }
            sleep(POLL);
        }
    }

    /// Returns all traces, the last one first; their spans are in the order in which they ended.
    pub(crate) fn traces(&self) -> Vec<Vec<Arc<Span>>> {
        let traces = self.lock();
        traces.order.iter().rev().filter_map(|id| traces.spans_of.get(id).cloned()).collect()
    }

    /// Returns the spans of one trace, in the order in which they ended.
    pub(crate) fn trace(&self, id: TraceId) -> Option<Vec<Arc<Span>>> {
        self.lock().spans_of.get(&id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Traces> {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Traces {
    /// Keeps a span unless its trace is full, and removes the oldest traces while there are too many.
    fn keep(&mut self, span: Arc<Span>) -> bool {
        let id = span.trace_id();
        let trace = self.spans_of.entry(id).or_default();
        if trace.is_empty() {
            self.order.push_back(id);
        }
        let kept = trace.len() < SPANS_OF_ONE;
        if kept {
            trace.push(span);
            self.spans += 1;
        }
        while self.order.len() > TRACES || self.spans > SPANS {
            let Some(oldest) = self.order.pop_front() else { break };
            self.spans -= self.spans_of.remove(&oldest).map_or(0, |spans| spans.len());
        }
        kept
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, SystemTime};

    use traceparent::{Origin, SpanId, TraceContext, TraceFlags, TraceParent, TraceState, sampler::SpanKind};

    use super::*;

    fn span(trace: u64, id: u64) -> Arc<Span> {
        let trace_id = TraceId::from_bytes(u128::from(trace).to_be_bytes()).unwrap();
        let traceparent = TraceParent::new(trace_id, SpanId::from_u64(id).unwrap(), TraceFlags::SAMPLED);
        Arc::new(Span {
            service: "s".into(),
            kind: SpanKind::Server,
            name: "GET".into(),
            start: SystemTime::UNIX_EPOCH,
            duration: Duration::ZERO,
            context: TraceContext::new(traceparent, TraceState::EMPTY),
            parent_id: None,
            origin: Origin::Started,
            link: None,
            refused: None,
            status: Some(200),
            failure: None,
            attributes: Vec::new(),
        })
    }

    #[test]
    fn the_last_traces_are_kept() {
        let mut traces = Traces::default();
        for trace in 1..=300 {
            assert!(traces.keep(span(trace, 1)));
        }
        assert_eq!((traces.order.len(), traces.spans_of.len(), traces.spans), (TRACES, TRACES, TRACES));
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
}
