use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::{message::encoded, run::Run};
use crate::{
    span::{
        Span,
        protobuf::{field_length, messages},
    },
    telemetry::queue::{Counts, LEAST_BYTES, tell_of_overflow},
};

/// The memory for each span that a queue has room for, in bytes. An ordinary one takes some 650, one full of a client's texts
/// more.
const BYTES_OF_SPAN: usize = 1024;

/// The memory that a run keeps for the next spans of a service, in bytes.
const KEPT_BYTES: usize = 1 << 20;

/// Creates a queue of spans with room for this number of them, of [`BYTES_OF_SPAN`] on average, and its outlet.
///
/// Spans are encoded where they end, so that no memory goes from thread to thread with each of them.
pub(super) fn pending(name: &'static str, capacity: usize) -> (Inlet, Outlet) {
    let capacity = capacity.max(1);
    let shared = Arc::new(Shared {
        capacity,
        bytes: capacity.saturating_mul(BYTES_OF_SPAN).max(LEAST_BYTES),
        state: Mutex::default(),
        filled: Notify::new(),
        counts: Arc::default(),
    });
    (Inlet(Arc::clone(&shared)), Outlet { name, shared, run: Run::default(), next: (0, 0), taken: (0, 0), told: false })
}

#[derive(Debug)]
struct Shared {
    capacity: usize,
    bytes: usize,
    state: Mutex<State>,
    /// Notified by the first span of a run, and by the end.
    filled: Notify,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct State {
    run: Run,
    /// The number of spans that wait, here or at the outlet.
    spans: usize,
    /// Their memory, in bytes.
    bytes: usize,
    is_closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of the queue that takes spans.
#[derive(Debug)]
pub(in crate::telemetry) struct Inlet(Arc<Shared>);

impl Inlet {
    /// Puts a span into the queue, or drops it if there is no room.
    pub(in crate::telemetry) fn offer(&self, span: &Span) {
        if encoded(span, |message| self.0.offer(&span.service, message)) {
            self.0.filled.notify_one();
        }
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.filled.notify_one();
    }
}

impl Shared {
    /// Puts an encoded span into the queue, or drops it if there is no room. Returns whether it is the first of a run.
    fn offer(&self, service: &Arc<str>, span: &[u8]) -> bool {
        let bytes = field_length(span.len());
        let mut state = self.lock();
        self.counts.offer();
        if state.spans >= self.capacity || bytes > self.bytes.saturating_sub(state.bytes) {
            self.counts.overflow();
            return false;
        }
        let is_first = state.run.is_empty();
        state.run.push(service, span);
        state.spans += 1;
        state.bytes += bytes;
        self.counts.hold(state.bytes);
        is_first
    }
}

/// The end of the queue that returns spans.
#[derive(Debug)]
pub(super) struct Outlet {
    name: &'static str,
    shared: Arc<Shared>,
    run: Run,
    /// The place of the next span: that of its service, and that in its fields.
    next: (usize, usize),
    /// The number and the memory of the spans that were taken since the queue was told.
    taken: (usize, usize),
    told: bool,
}

impl Outlet {
    /// Waits for spans. Returns `false` if none wait and none can come.
    pub(super) async fn wait(&self) -> bool {
        loop {
            {
                let state = self.shared.lock();
                if state.is_closed || !state.run.is_empty() {
                    return !state.run.is_empty();
                }
            }
            self.shared.filled.notified().await;
        }
    }

    /// Fetches all spans that wait, once the last ones have been taken. Returns whether none can come after them.
    pub(super) fn fetch(&mut self) -> bool {
        self.run.clear();
        self.run.shrink_to(KEPT_BYTES);
        self.next = (0, 0);
        let is_closed = {
            let mut state = self.shared.lock();
            mem::swap(&mut state.run, &mut self.run);
            state.is_closed
        };
        if !self.told && self.shared.counts.has_overflowed() {
            self.told = true;
            tell_of_overflow("spans", self.name);
        }
        is_closed
    }

    /// Takes the next of the fetched spans, with the name of its service.
    pub(super) fn take(&mut self) -> Option<(&Arc<str>, &[u8])> {
        while self.run.services().get(self.next.0).is_some_and(|service| self.next.1 >= service.spans.len()) {
            self.next = (self.next.0 + 1, 0);
        }
        let service = self.run.services().get(self.next.0)?;
        let span = messages(service.spans.get(self.next.1..)?).next()?;
        let bytes = field_length(span.len());
        self.next.1 += bytes;
        self.taken = (self.taken.0 + 1, self.taken.1 + bytes);
        Some((&service.name, span))
    }

    /// Gives the room of the taken spans back.
    pub(super) fn release(&mut self) {
        let (spans, bytes) = mem::take(&mut self.taken);
        let mut state = self.shared.lock();
        state.spans -= spans;
        state.bytes -= bytes;
        self.shared.counts.hold(state.bytes);
    }

    pub(super) fn counts(&self) -> &Arc<Counts> {
        &self.shared.counts
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::telemetry::example;

    fn named(service: &str, length: usize) -> Span {
        Span { service: service.into(), name: "n".repeat(length).into(), ..example::span(1, 1) }
    }

    /// The services of the spans that wait.
    fn taken(outlet: &mut Outlet) -> Vec<String> {
        outlet.fetch();
        let mut services = Vec::new();
        while let Some((service, span)) = outlet.take() {
            let is_whole = encoded(&named(service, 1), |message| message.len() <= span.len());
            assert!(is_whole);
            services.push(service.to_string());
        }
        outlet.release();
        services
    }

    #[test]
    fn queues_are_bounded_in_spans() {
        let (inlet, mut outlet) = pending("test", 2);
        for service in ["a", "b", "a"] {
            inlet.offer(&named(service, 1));
        }
        let counts = Arc::clone(outlet.counts());
        assert_eq!((counts.offered(), counts.dropped()), (3, 1));
        let held = counts.bytes();
        // Spans that have been fetched have their room until they are taken and released.
        outlet.fetch();
        inlet.offer(&named("c", 1));
        assert_eq!((counts.offered(), counts.dropped(), counts.bytes()), (4, 2, held));
        assert_eq!(outlet.take().unwrap().0.as_ref(), "a");
        outlet.release();
        inlet.offer(&named("c", 1));
        assert_eq!((counts.dropped(), counts.bytes()), (2, held));
        assert_eq!(outlet.take().unwrap().0.as_ref(), "b");
        assert!(outlet.take().is_none());
        assert_eq!(taken(&mut outlet), ["c"]);
        assert_eq!((counts.dropped(), counts.bytes()), (2, 0));
        assert!(taken(&mut outlet).is_empty());
    }

    #[test]
    fn queues_are_bounded_in_bytes() {
        let (inlet, mut outlet) = pending("test", 1024);
        let limit = 1024 * BYTES_OF_SPAN;
        for _ in 0..10 {
            inlet.offer(&named("a", limit / 4));
        }
        let counts = Arc::clone(outlet.counts());
        assert_eq!((counts.offered(), counts.dropped()), (10, 7));
        assert!(counts.bytes() <= limit && counts.bytes() > limit / 4 * 3);
        // What is left takes a small span, and a large one once others have gone.
        inlet.offer(&named("a", 1));
        assert_eq!(counts.dropped(), 7);
        assert_eq!(taken(&mut outlet).len(), 4);
        inlet.offer(&named("a", limit / 4));
        assert_eq!(counts.dropped(), 7);
    }

    #[test]
    fn memory_is_kept_within_bounds() {
        let (inlet, mut outlet) = pending("test", 8192);
        for _ in 0..4 {
            inlet.offer(&named("a", KEPT_BYTES));
        }
        assert_eq!(taken(&mut outlet).len(), 4);
        outlet.fetch();
        outlet.fetch();
        let kept = outlet.run.services().iter().map(|service| service.spans.capacity()).sum::<usize>();
        assert!(kept <= KEPT_BYTES, "{kept}");
    }

    #[tokio::test]
    async fn the_end_comes_after_the_last_span() {
        let (inlet, mut outlet) = pending("test", 0);
        inlet.offer(&named("a", 64 * 1024));
        assert!(outlet.wait().await);
        assert!(!outlet.fetch());
        assert!(outlet.take().is_some());
        outlet.release();
        let end = tokio::spawn(async move { outlet.wait().await.then_some(outlet) });
        inlet.offer(&named("a", 1));
        let mut outlet = end.await.unwrap().unwrap();
        drop(inlet);
        assert!(outlet.wait().await);
        assert!(outlet.fetch());
        assert!(outlet.take().is_some());
        assert!(!outlet.wait().await);
    }
}
