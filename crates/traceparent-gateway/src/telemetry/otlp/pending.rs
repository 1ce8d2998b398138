use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::{
    message::encoded,
    run::{Run, RunSize},
};
use crate::{
    span::{Span, protobuf::field_length},
    telemetry::queue::{Counts, LEAST_BYTES, tell_of_overflow},
};

/// The memory for each span that a queue has room for, in bytes. An ordinary one takes some 650, one full of a client's texts
/// more.
const BYTES_OF_SPAN: usize = 1024;

/// The memory that a run keeps for the next spans of a service, in bytes.
const KEPT_BYTES: usize = 2 << 20;

/// Creates a queue of spans with room for this number of them, of [`BYTES_OF_SPAN`] on average, and its outlet, which returns
/// them in batches of a size.
///
/// Spans are encoded where they end, so that no memory goes from thread to thread with each of them.
pub(super) fn pending(name: &'static str, capacity: usize, batch: RunSize) -> (Inlet, Outlet) {
    let room = RunSize { spans: capacity.max(1), bytes: capacity.saturating_mul(BYTES_OF_SPAN).max(LEAST_BYTES) };
    // One half of the queue takes spans while the other goes out.
    let batch = RunSize { spans: batch.spans.min(room.spans / 2), bytes: batch.bytes.min(room.bytes / 2) };
    let state = Mutex::default();
    let shared = Arc::new(Shared { room, batch, state, changed: Notify::new(), counts: Arc::default() });
    (Inlet(Arc::clone(&shared)), Outlet { name, shared, run: Run::default(), told: false })
}

#[derive(Debug)]
struct Shared {
    room: RunSize,
    /// The size at which a batch is full.
    batch: RunSize,
    state: Mutex<State>,
    /// Notified by the first span of a batch, by the last one, and by the end.
    changed: Notify,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct State {
    full: VecDeque<Run>,
    /// The batch that is not full.
    next: Run,
    /// An empty run, with the memory of an earlier one.
    spare: Run,
    /// The spans that wait, here or at the outlet.
    waiting: RunSize,
    is_closed: bool,
}

impl State {
    fn is_empty(&self) -> bool {
        self.full.is_empty() && self.next.is_empty()
    }

    /// Starts the next batch, and returns the one before.
    fn turn(&mut self) -> Run {
        mem::replace(&mut self.next, mem::take(&mut self.spare))
    }
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
            self.0.changed.notify_one();
        }
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_one();
    }
}

impl Shared {
    /// Puts an encoded span into the queue, or drops it if there is no room. Returns whether it is the first or the last of a
    /// batch.
    fn offer(&self, service: &Arc<str>, span: &[u8]) -> bool {
        let bytes = field_length(span.len());
        let mut state = self.lock();
        self.counts.offer();
        if state.waiting.spans >= self.room.spans || bytes > self.room.bytes.saturating_sub(state.waiting.bytes) {
            self.counts.overflow();
            return false;
        }
        state.next.push(service, span);
        state.waiting.spans += 1;
        state.waiting.bytes += bytes;
        self.counts.hold(state.waiting.bytes);
        let size = state.next.size();
        let is_full = size.spans >= self.batch.spans || size.bytes >= self.batch.bytes;
        if is_full {
            let mut full = state.turn();
            if !state.full.is_empty() {
                // It waits for more than one request.
                full.shrink_to_fit();
            }
            state.full.push_back(full);
        }
        is_full || size.spans == 1
    }
}

/// The end of the queue that returns spans.
#[derive(Debug)]
pub(super) struct Outlet {
    name: &'static str,
    shared: Arc<Shared>,
    run: Run,
    told: bool,
}

impl Outlet {
    /// Waits for spans. Returns `false` if none wait and none can come.
    pub(super) async fn wait(&self) -> bool {
        self.wait_until(|state| !state.is_empty()).await;
        !self.shared.lock().is_empty()
    }

    /// Waits for a full batch, or for the last span.
    pub(super) async fn wait_for_batch(&self) {
        self.wait_until(|state| !state.full.is_empty()).await;
    }

    async fn wait_until(&self, is_reached: impl Fn(&State) -> bool) {
        loop {
            {
                let state = self.shared.lock();
                if state.is_closed || is_reached(&state) {
                    return;
                }
            }
            self.shared.changed.notified().await;
        }
    }

    /// Fetches the next batch: the oldest full one, or else what waits.
    pub(super) fn fetch(&mut self) -> &Run {
        self.run = {
            let mut state = self.shared.lock();
            state.full.pop_front().unwrap_or_else(|| state.turn())
        };
        if !self.told && self.shared.counts.has_overflowed() {
            self.told = true;
            tell_of_overflow("spans", self.name);
        }
        &self.run
    }

    /// Gives the room of the fetched batch back.
    pub(super) fn release(&mut self) {
        let mut run = mem::take(&mut self.run);
        let RunSize { spans, bytes } = run.size();
        run.clear(KEPT_BYTES);
        let mut state = self.shared.lock();
        state.waiting.spans -= spans;
        state.waiting.bytes -= bytes;
        state.spare = run;
        self.shared.counts.hold(state.waiting.bytes);
    }

    pub(super) fn counts(&self) -> &Arc<Counts> {
        &self.shared.counts
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{span::protobuf::messages, telemetry::example};

    fn named(service: &str, length: usize) -> Span {
        Span { service: service.into(), name: "n".repeat(length).into(), ..example::span(1, 1) }
    }

    const BATCH: RunSize = RunSize { spans: 1024, bytes: usize::MAX };

    /// The numbers of spans in the batches that wait, by service.
    fn taken(outlet: &mut Outlet) -> Vec<Vec<(String, usize)>> {
        let mut batches = Vec::new();
        while !outlet.shared.lock().is_empty() {
            let services = outlet.fetch().services().iter();
            let counted = services.map(|service| (service.name.to_string(), messages(&service.spans).count()));
            batches.push(counted.filter(|(_, count)| *count > 0).collect());
            outlet.release();
        }
        batches
    }

    fn count(batches: &[Vec<(String, usize)>]) -> usize {
        batches.iter().flatten().map(|(_, count)| count).sum()
    }

    #[test]
    fn queues_are_bounded_in_spans() {
        let (inlet, mut outlet) = pending("test", 2, BATCH);
        for service in ["a", "b", "a"] {
            inlet.offer(&named(service, 1));
        }
        let counts = Arc::clone(outlet.counts());
        assert_eq!((counts.offered(), counts.dropped()), (3, 1));
        let held = counts.bytes();
        // Spans that have been fetched have their room until they are released.
        assert_eq!(outlet.fetch().services()[0].name.as_ref(), "a");
        inlet.offer(&named("c", 1));
        assert_eq!((counts.offered(), counts.dropped(), counts.bytes()), (4, 2, held));
        outlet.release();
        inlet.offer(&named("c", 1));
        assert_eq!((counts.dropped(), counts.bytes()), (2, held));
        assert_eq!(taken(&mut outlet), [[("b".to_owned(), 1)], [("c".to_owned(), 1)]]);
        assert_eq!((counts.dropped(), counts.bytes()), (2, 0));
        assert!(taken(&mut outlet).is_empty());
    }

    #[test]
    fn queues_are_bounded_in_bytes() {
        let (inlet, mut outlet) = pending("test", 1024, BATCH);
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
        assert_eq!(count(&taken(&mut outlet)), 4);
        inlet.offer(&named("a", limit / 4));
        assert_eq!(counts.dropped(), 7);
    }

    #[test]
    fn batches_are_bounded_and_have_their_spans_by_service() {
        let (inlet, mut outlet) = pending("test", 1024, RunSize { spans: 3, bytes: 4096 });
        for service in ["a", "b", "a", "b"] {
            inlet.offer(&named(service, 1));
        }
        let (a, b) = ("a".to_owned(), "b".to_owned());
        assert_eq!(taken(&mut outlet), [vec![(a.clone(), 2), (b.clone(), 1)], vec![(b, 1)]]);
        for _ in 0..3 {
            inlet.offer(&named("a", 2048));
        }
        assert_eq!(taken(&mut outlet), [[(a.clone(), 2)], [(a, 1)]]);
    }

    #[test]
    fn memory_is_kept_within_bounds() {
        let (inlet, mut outlet) = pending("test", 16_384, BATCH);
        for _ in 0..4 {
            inlet.offer(&named("a", KEPT_BYTES));
        }
        assert_eq!(count(&taken(&mut outlet)), 4);
        let state = outlet.shared.lock();
        let runs = [&state.next, &state.spare, &outlet.run];
        let kept = runs.iter().flat_map(|run| run.services()).map(|service| service.spans.capacity()).sum::<usize>();
        assert!(kept <= 2 * KEPT_BYTES, "{kept}");
    }

    #[test]
    fn batches_that_wait_take_no_more_memory_than_their_spans() {
        let (inlet, outlet) = pending("test", 1024, RunSize { spans: 9, ..BATCH });
        for _ in 0..27 {
            inlet.offer(&named("a", 1000));
        }
        let state = outlet.shared.lock();
        let spare: Vec<_> =
            state.full.iter().map(|run| &run.services()[0].spans).map(|spans| spans.capacity() - spans.len()).collect();
        assert!(matches!(spare[..], [first, 0, 0] if first > 0), "{spare:?}");
    }

    #[tokio::test]
    async fn the_end_comes_after_the_last_span() {
        let (inlet, mut outlet) = pending("test", 0, BATCH);
        inlet.offer(&named("a", 64 * 1024));
        assert!(outlet.wait().await);
        outlet.wait_for_batch().await;
        assert_eq!(count(&taken(&mut outlet)), 1);
        let end = tokio::spawn(async move { outlet.wait().await.then_some(outlet) });
        inlet.offer(&named("a", 1));
        let mut outlet = end.await.unwrap().unwrap();
        drop(inlet);
        assert!(outlet.wait().await);
        outlet.wait_for_batch().await;
        assert_eq!(count(&taken(&mut outlet)), 1);
        assert!(!outlet.wait().await);
    }

    #[tokio::test]
    async fn a_full_batch_ends_the_wait() {
        let (inlet, outlet) = pending("test", 1024, RunSize { spans: 2, ..BATCH });
        inlet.offer(&named("a", 1));
        assert!(outlet.wait().await);
        let full = tokio::spawn(async move { outlet.wait_for_batch().await });
        inlet.offer(&named("a", 1));
        full.await.unwrap();
    }
}
