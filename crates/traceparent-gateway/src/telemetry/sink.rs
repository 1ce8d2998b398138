use std::sync::Arc;

use super::queue::{Outlet, Queue};
use crate::span::Span;

/// The spans that a sink takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanFilter {
    All,
    /// Those that are sampled, or kept although they are not.
    Exported,
}

/// A queue of finished spans, and which of them it takes.
#[derive(Debug)]
pub(crate) struct Sink {
    filter: SpanFilter,
    queue: Queue<Arc<Span>>,
}

impl Sink {
    /// Creates a sink with room for this number of spans, and its outlet, which ends when all recorders are gone.
    pub(crate) fn new(name: &'static str, filter: SpanFilter, capacity: usize) -> (Self, Outlet) {
        let (queue, outlet) = Queue::new(name, capacity);
        (Self { filter, queue }, outlet)
    }

    pub(super) fn wants(&self, exported: bool) -> bool {
        exported || self.filter == SpanFilter::All
    }

    pub(super) fn offer(&self, span: Arc<Span>) {
        self.queue.offer(span);
    }
}
