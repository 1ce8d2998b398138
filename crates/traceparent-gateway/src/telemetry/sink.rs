use std::sync::Arc;

use super::{
    otlp::Inlet,
    queue::{Outlet, Queue},
};
use crate::span::Span;

/// The spans that a sink takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanFilter {
    All,
    /// Those that are sampled, or kept although they are not.
    Exported,
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

    /// Returns whether the sink takes a span that is exported, or one that is not.
    pub(super) fn wants(&self, exported: bool) -> bool {
        exported || matches!(self, Self::Queue(SpanFilter::All, _))
    }

    /// Returns the queue of a sink that shares spans with others.
    pub(super) fn as_queue(&self) -> Option<&Queue<Arc<Span>>> {
        match self {
            Self::Queue(_, queue) => Some(queue),
            Self::Collector(_) => None,
        }
    }
}
