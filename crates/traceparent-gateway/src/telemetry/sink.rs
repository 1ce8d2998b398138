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

/// Which spans a sink takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanFilter {
    All,
    Sampled,
}

/// Where finished spans go: a queue with room for so many, and a thread at its other end that nobody waits for.
#[derive(Debug)]
pub(crate) struct Sink {
    filter: SpanFilter,
    queue: mpsc::Sender<Arc<Span>>,
    counts: Arc<Counts>,
}

impl Sink {
    /// Makes a sink and its other end; spans come out until all recorders are gone.
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

/// What became of a sink's spans. Those neither taken nor dropped wait.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    offered: AtomicU64,
    taken: AtomicU64,
    dropped: AtomicU64,
}

impl Counts {
    /// How many spans there were.
    pub(crate) fn offered(&self) -> u64 {
        self.offered.load(Relaxed)
    }

    /// How many have arrived where they were to go.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }

    /// How many found no room to wait in, and how many were refused at the other end.
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

/// How often a sink's thread looks for spans while some come: nobody has to wake it for each of them.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// The end of a sink where spans come out.
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
    /// Starts a thread that takes spans until there are no more.
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

    /// Waits until the last span is taken, once all recorders are gone, but no longer than this.
    pub(crate) async fn finish(&mut self, limit: Duration) -> Report {
        let _ = timeout(limit, &mut self.done).await;
        let taken = self.counts.taken();
        Report { taken, dropped: self.counts.offered().saturating_sub(taken) }
    }
}

/// What became of a sink's spans in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) taken: u64,
    /// All others.
    pub(crate) dropped: u64,
}
