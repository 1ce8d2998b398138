use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::span::Span;

/// The spans that a sink takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanFilter {
    All,
    Sampled,
}

/// The sending end of a bounded queue of finished spans.
#[derive(Debug)]
pub(crate) struct Sink {
    filter: SpanFilter,
    queue: mpsc::Sender<Arc<Span>>,
    counts: Arc<Counts>,
}

impl Sink {
    /// Creates a sink and its outlet, which ends when all recorders are gone.
    pub(crate) fn new(filter: SpanFilter, capacity: usize) -> (Self, Outlet) {
        let (queue, spans) = mpsc::channel(capacity.max(1));
        let counts = Arc::<Counts>::default();
        (Self { filter, queue, counts: Arc::clone(&counts) }, Outlet { spans, counts })
    }

    pub(super) fn wants(&self, sampled: bool) -> bool {
        sampled || self.filter == SpanFilter::All
    }

    pub(super) fn offer(&self, span: Arc<Span>) {
        self.counts.offered.fetch_add(1, Relaxed);
        if self.queue.try_send(span).is_err() {
            self.counts.dropped.fetch_add(1, Relaxed);
        }
    }
}

/// The counters of a sink's spans. Spans that are neither taken nor dropped are waiting.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    offered: AtomicU64,
    taken: AtomicU64,
    dropped: AtomicU64,
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
    pub(crate) spans: mpsc::Receiver<Arc<Span>>,
    pub(crate) counts: Arc<Counts>,
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
    pub(crate) fn start(name: &'static str, outlet: Outlet, work: impl FnOnce(Outlet) + Send + 'static) -> Self {
        let counts = Arc::clone(&outlet.counts);
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
