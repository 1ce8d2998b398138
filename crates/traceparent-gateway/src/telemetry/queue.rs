use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{
        mpsc::{self, error::TryRecvError},
        oneshot,
    },
    time::timeout,
};

use crate::{operator::tell, span::Span};

/// The memory for each item that a queue has room for, in bytes. An ordinary span takes less, one full of a client's texts
/// more.
pub(super) const BYTES_OF_ITEM: usize = 2048;

/// The least memory of a queue, in bytes, so that some of the largest items have room in the smallest queue.
pub(super) const LEAST_BYTES: usize = 1 << 20;

/// An item of a queue.
pub(crate) trait Item: Send + 'static {
    /// The name of such items.
    const NAME: &'static str;

    /// Returns the approximate memory of the item, in bytes.
    fn memory(&self) -> usize;
}

impl Item for Arc<Span> {
    const NAME: &'static str = "spans";

    fn memory(&self) -> usize {
        Span::memory(self)
    }
}

/// The sending end of a queue that is bounded in items and in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Queue<T> {
    items: mpsc::Sender<T>,
    bytes: usize,
    counts: Arc<Counts>,
}

impl<T: Item> Queue<T> {
    /// Creates a queue with room for this number of items, of [`BYTES_OF_ITEM`] on average, and its outlet, which ends when
    /// all sending ends are gone.
    pub(crate) fn new(name: &'static str, capacity: usize) -> (Self, Outlet<T>) {
        let (sender, items) = mpsc::channel(capacity.max(1));
        let counts = Arc::<Counts>::default();
        let bytes = capacity.saturating_mul(BYTES_OF_ITEM).max(LEAST_BYTES);
        (Self { items: sender, bytes, counts: Arc::clone(&counts) }, Outlet { name, items, counts, told: false })
    }

    /// Puts an item into the queue, or drops it if there is no room.
    pub(crate) fn offer(&self, item: T) {
        let (counts, bytes) = (&self.counts, item.memory());
        counts.offer();
        let waiting = counts.bytes.fetch_add(bytes, Relaxed);
        if bytes > self.bytes.saturating_sub(waiting) || self.items.try_send(item).is_err() {
            counts.bytes.fetch_sub(bytes, Relaxed);
            counts.overflow();
        }
    }

    /// Counts an item that is not put into the queue as dropped.
    pub(super) fn skip(&self) {
        self.counts.offer();
        self.counts.lost(1);
    }
}

/// The counters of a queue's items. Items that are neither taken nor dropped are waiting.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    offered: AtomicU64,
    taken: AtomicU64,
    dropped: AtomicU64,
    /// The memory of the items in the queue.
    bytes: AtomicUsize,
    /// Whether an item has found the queue full.
    overflowed: AtomicBool,
}

impl Counts {
    /// Returns the number of items that were offered.
    pub(crate) fn offered(&self) -> u64 {
        self.offered.load(Relaxed)
    }

    /// Returns the number of items that have arrived.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }

    /// Returns the number of items that found the queue full, or were refused at its other end.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Returns the approximate memory of the items in the queue, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Counts an item that is offered.
    pub(super) fn offer(&self) {
        self.offered.fetch_add(1, Relaxed);
    }

    /// Sets the memory of the items in the queue, in bytes.
    pub(super) fn hold(&self, bytes: usize) {
        self.bytes.store(bytes, Relaxed);
    }

    /// Counts an item that has found the queue full.
    pub(super) fn overflow(&self) {
        self.lost(1);
        self.overflowed.store(true, Relaxed);
    }

    /// Returns whether an item has found the queue full.
    pub(super) fn has_overflowed(&self) -> bool {
        self.overflowed.load(Relaxed)
    }

    pub(crate) fn arrived(&self, items: u64) {
        self.taken.fetch_add(items, Relaxed);
    }

    pub(crate) fn lost(&self, items: u64) {
        self.dropped.fetch_add(items, Relaxed);
    }
}

/// The interval at which a busy queue's thread looks for items, so that it need not be woken for each of them.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// The receiving end of a queue.
#[derive(Debug)]
pub(crate) struct Outlet<T = Arc<Span>> {
    name: &'static str,
    items: mpsc::Receiver<T>,
    counts: Arc<Counts>,
    told: bool,
}

impl<T: Item> Outlet<T> {
    /// Waits for the next item, or returns `None` when all sending ends are gone.
    pub(crate) async fn recv(&mut self) -> Option<T> {
        let item = self.items.recv().await?;
        Some(self.taken(item))
    }

    /// Blocks the thread until the next item, or returns `None` when all sending ends are gone.
    pub(crate) fn blocking_recv(&mut self) -> Option<T> {
        let item = self.items.blocking_recv()?;
        Some(self.taken(item))
    }

    /// Returns the next item if one waits.
    pub(crate) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let item = self.items.try_recv()?;
        Ok(self.taken(item))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Gives an item's memory back to the queue. Reports here that the queue was full, because requests do not wait for
    /// standard error.
    fn taken(&mut self, item: T) -> T {
        self.counts.bytes.fetch_sub(item.memory(), Relaxed);
        if !self.told && self.counts.has_overflowed() {
            self.told = true;
            tell_of_overflow(T::NAME, self.name);
        }
        item
    }
}

/// Reports that a queue was full.
pub(super) fn tell_of_overflow(items: &str, name: &str) {
    tell(format_args!("the queue of {items} for {name} was full, dropping what finds no room"));
}

/// The thread at the receiving end of a queue.
#[derive(Debug)]
pub(crate) struct Worker {
    name: &'static str,
    counts: Arc<Counts>,
    done: oneshot::Receiver<()>,
}

impl Worker {
    /// Starts a thread that takes items until all sending ends are gone.
    pub(crate) fn start<T: Item>(outlet: Outlet<T>, work: impl FnOnce(Outlet<T>) + Send + 'static) -> Self {
        let (name, counts) = (outlet.name, Arc::clone(&outlet.counts));
        Self::spawn(name, counts, move || work(outlet))
    }

    /// Starts a thread that works until all sending ends of the queue with these counters are gone.
    pub(super) fn spawn(name: &'static str, counts: Arc<Counts>, work: impl FnOnce() + Send + 'static) -> Self {
        let (end, done) = oneshot::channel();
        std::thread::spawn(move || {
            work();
            let _ = end.send(());
        });
        Self { name, counts, done }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Waits until the last item is taken, once all sending ends are gone, but no longer than the limit.
    pub(crate) async fn finish(&mut self, limit: Duration) -> Report {
        let _ = timeout(limit, &mut self.done).await;
        let taken = self.counts.taken();
        Report { taken, dropped: self.counts.offered().saturating_sub(taken) }
    }
}

/// The final counts of a queue's items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) taken: u64,
    /// The number of all other items.
    pub(crate) dropped: u64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::telemetry::example;

    fn named(length: usize) -> Arc<Span> {
        Arc::new(Span { name: "n".repeat(length).into(), ..example::span(1, 1) })
    }

    #[test]
    fn queues_are_bounded_in_items() {
        let (queue, mut outlet) = Queue::new("test", 2);
        for _ in 0..3 {
            queue.offer(named(1));
        }
        assert_eq!((outlet.counts().offered(), outlet.counts().dropped()), (3, 1));
        assert_eq!(outlet.counts().bytes(), 2 * named(1).memory());
        assert!(outlet.try_recv().is_ok() && outlet.try_recv().is_ok() && outlet.try_recv().is_err());
        assert_eq!(outlet.counts().bytes(), 0);
    }

    #[test]
    fn queues_are_bounded_in_bytes() {
        let (queue, mut outlet) = Queue::new("test", 1024);
        let limit = 1024 * BYTES_OF_ITEM;
        let large = named(limit / 4);
        for _ in 0..10 {
            queue.offer(Arc::clone(&large));
        }
        assert_eq!((outlet.counts().offered(), outlet.counts().dropped()), (10, 7));
        assert!(outlet.counts().bytes() <= limit);
        // What is left takes a small span, and a large one once another has gone.
        queue.offer(named(1));
        assert_eq!(outlet.counts().dropped(), 7);
        assert_eq!(outlet.try_recv().unwrap().name, large.name);
        queue.offer(Arc::clone(&large));
        assert_eq!(outlet.counts().dropped(), 7);
        while outlet.try_recv().is_ok() {}
        assert_eq!(outlet.counts().bytes(), 0);
    }

    #[test]
    fn the_smallest_queue_has_room_for_a_large_span() {
        let (queue, outlet) = Queue::new("test", 0);
        queue.offer(named(64 * 1024));
        assert_eq!(outlet.counts().dropped(), 0);
    }
}
