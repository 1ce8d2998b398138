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

/// The memory for each span that a place has room for, in bytes. An ordinary span takes less, one full of a client's texts
/// more.
pub(super) const BYTES_OF_SPAN: usize = 2048;

/// The least memory of a queue, in bytes, so that some of the largest spans have room in the smallest queue.
const LEAST_BYTES: usize = 1 << 20;

/// The spans that a sink takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanFilter {
    All,
    Sampled,
}

/// The sending end of a queue of finished spans, which is bounded in spans and in bytes.
#[derive(Debug)]
pub(crate) struct Sink {
    filter: SpanFilter,
    queue: mpsc::Sender<Arc<Span>>,
    bytes: usize,
    counts: Arc<Counts>,
}

impl Sink {
    /// Creates a sink with room for this number of spans, of [`BYTES_OF_SPAN`] on average, and its outlet, which ends when
    /// all recorders are gone.
    pub(crate) fn new(name: &'static str, filter: SpanFilter, capacity: usize) -> (Self, Outlet) {
        let (queue, spans) = mpsc::channel(capacity.max(1));
        let counts = Arc::<Counts>::default();
        let bytes = capacity.saturating_mul(BYTES_OF_SPAN).max(LEAST_BYTES);
        (Self { filter, queue, bytes, counts: Arc::clone(&counts) }, Outlet { name, spans, counts, told: false })
    }

    pub(super) fn wants(&self, sampled: bool) -> bool {
        sampled || self.filter == SpanFilter::All
    }

    pub(super) fn offer(&self, span: Arc<Span>) {
        let (counts, bytes) = (&self.counts, span.memory());
        counts.offered.fetch_add(1, Relaxed);
        let waiting = counts.bytes.fetch_add(bytes, Relaxed);
        if bytes > self.bytes.saturating_sub(waiting) || self.queue.try_send(span).is_err() {
            counts.bytes.fetch_sub(bytes, Relaxed);
            counts.lost(1);
            counts.overflowed.store(true, Relaxed);
        }
    }
}

/// The counters of a sink's spans. Spans that are neither taken nor dropped are waiting.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    offered: AtomicU64,
    taken: AtomicU64,
    dropped: AtomicU64,
    /// The memory of the spans in the queue.
    bytes: AtomicUsize,
    /// Whether a span has found the queue full.
    overflowed: AtomicBool,
}

impl Counts {
    /// Returns the number of spans that were offered.
    pub(crate) fn offered(&self) -> u64 {
        self.offered.load(Relaxed)
    }

    /// Returns the number of spans that have arrived.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }

    /// Returns the number of spans that found the queue full, or were refused at its other end.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Returns the approximate memory of the spans in the queue, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    pub(crate) fn arrived(&self, spans: u64) {
        self.taken.fetch_add(spans, Relaxed);
    }

    pub(crate) fn lost(&self, spans: u64) {
        self.dropped.fetch_add(spans, Relaxed);
    }
}

/// The interval at which a busy sink's thread looks for spans, so that it need not be woken for each of them.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// The receiving end of a sink.
#[derive(Debug)]
pub(crate) struct Outlet {
    name: &'static str,
    spans: mpsc::Receiver<Arc<Span>>,
    counts: Arc<Counts>,
    told: bool,
}

impl Outlet {
    /// Waits for the next span, or returns `None` when all recorders are gone.
    pub(crate) async fn recv(&mut self) -> Option<Arc<Span>> {
        let span = self.spans.recv().await?;
        Some(self.taken(span))
    }

    /// Blocks the thread until the next span, or returns `None` when all recorders are gone.
    pub(crate) fn blocking_recv(&mut self) -> Option<Arc<Span>> {
        let span = self.spans.blocking_recv()?;
        Some(self.taken(span))
    }

    /// Returns the next span if one waits.
    pub(crate) fn try_recv(&mut self) -> Result<Arc<Span>, TryRecvError> {
        let span = self.spans.try_recv()?;
        Ok(self.taken(span))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub(crate) fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Gives a span's memory back to the queue. Reports here that the queue was full, because requests do not wait for
    /// standard error.
    fn taken(&mut self, span: Arc<Span>) -> Arc<Span> {
        self.counts.bytes.fetch_sub(span.memory(), Relaxed);
        if !self.told && self.counts.overflowed.load(Relaxed) {
            self.told = true;
            tell(format_args!("the queue of spans for {} was full, dropping what finds no room", self.name));
        }
        span
    }
}

/// A sink's thread.
#[derive(Debug)]
pub(crate) struct Worker {
    name: &'static str,
    counts: Arc<Counts>,
    done: oneshot::Receiver<()>,
}

impl Worker {
    /// Starts a thread that takes spans until all recorders are gone.
    pub(crate) fn start(outlet: Outlet, work: impl FnOnce(Outlet) + Send + 'static) -> Self {
        let (name, counts) = (outlet.name, Arc::clone(&outlet.counts));
        let (end, done) = oneshot::channel();
        std::thread::spawn(move || {
            work(outlet);
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

    /// Waits until the last span is taken, once all recorders are gone, but no longer than the limit.
    pub(crate) async fn finish(&mut self, limit: Duration) -> Report {
        let _ = timeout(limit, &mut self.done).await;
        let taken = self.counts.taken();
        Report { taken, dropped: self.counts.offered().saturating_sub(taken) }
    }
}

/// The final counts of a sink's spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) taken: u64,
    /// The number of all other spans.
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
    fn queues_are_bounded_in_spans() {
        let (sink, mut outlet) = Sink::new("test", SpanFilter::All, 2);
        for _ in 0..3 {
            sink.offer(named(1));
        }
        assert_eq!((outlet.counts().offered(), outlet.counts().dropped()), (3, 1));
        assert_eq!(outlet.counts().bytes(), 2 * named(1).memory());
        assert!(outlet.try_recv().is_ok() && outlet.try_recv().is_ok() && outlet.try_recv().is_err());
        assert_eq!(outlet.counts().bytes(), 0);
    }

    #[test]
    fn queues_are_bounded_in_bytes() {
        let (sink, mut outlet) = Sink::new("test", SpanFilter::All, 1024);
        let limit = 1024 * BYTES_OF_SPAN;
        let large = named(limit / 4);
        for _ in 0..10 {
            sink.offer(Arc::clone(&large));
        }
        assert_eq!((outlet.counts().offered(), outlet.counts().dropped()), (10, 7));
        assert!(outlet.counts().bytes() <= limit);
        // What is left takes a small span, and a large one once another has gone.
        sink.offer(named(1));
        assert_eq!(outlet.counts().dropped(), 7);
        assert_eq!(outlet.try_recv().unwrap().name, large.name);
        sink.offer(Arc::clone(&large));
        assert_eq!(outlet.counts().dropped(), 7);
        while outlet.try_recv().is_ok() {}
        assert_eq!(outlet.counts().bytes(), 0);
    }

    #[test]
    fn the_smallest_queue_has_room_for_a_large_span() {
        let (sink, outlet) = Sink::new("test", SpanFilter::All, 0);
        sink.offer(named(64 * 1024));
        assert_eq!(outlet.counts().dropped(), 0);
    }
}
