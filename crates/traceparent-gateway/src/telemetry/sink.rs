use std::sync::Arc;

use traceparent::TraceId;

use super::{
    otlp::Inlet,
    portion::Portion,
    queue::{Outlet, Queue},
};
use crate::span::Span;

/// The spans that a sink takes.
#[derive(Clone, Debug)]
pub(crate) enum SpanFilter {
    All,
    /// Those that are sampled, or kept although they are not, of a portion of the traces.
    Exported(Arc<Portion>),
}

/// A place where finished spans go.
#[derive(Debug)]
pub(crate) enum Sink {
    /// An exporter, which takes exported spans, and encodes them at once.
    Collector(Inlet),
    /// A queue, and the spans that it takes.
    Queue(SpanFilter, Queue<Arc<Span>>),
}

impl Sink {
    /// Creates a queue with room for this number of spans, and its outlet, which ends when all recorders are gone.
    pub(crate) fn queue(name: &'static str, filter: SpanFilter, capacity: usize) -> (Self, Outlet) {
        let (queue, outlet) = Queue::new(name, capacity);
        (Self::Queue(filter, queue), outlet)
    }

    /// Returns whether the sink takes spans that are exported, or those that are not.
    pub(super) fn wants(&self, exported: bool) -> bool {
        exported || matches!(self, Self::Queue(SpanFilter::All, _))
    }

    /// Returns the queue for a span of a trace; `None` if the sink has none, or does not take the span. In the latter case,
    /// the span counts as dropped.
    pub(super) fn queue_of(&self, trace: TraceId) -> Option<&Queue<Arc<Span>>> {
        match self {
            Self::Queue(SpanFilter::Exported(portion), queue) if !portion.contains(trace) => {
                queue.skip();
                None
            }
            Self::Queue(_, queue) => Some(queue),
            Self::Collector(_) => None,
        }
    }
}
