use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// The time from which idle connections count.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The requests of one connection, and whether it has to give way to another one.
#[derive(Debug)]
pub(super) struct Activity {
    under_way: AtomicU64,
    ended: AtomicU64,
    /// The nanoseconds from [`START`] to the end of the last request, or to the beginning of the connection.
    since: AtomicU64,
    /// The number of idle connections in the same table.
    idle: Arc<AtomicI64>,
    evicted: AtomicBool,
    eviction: Notify,
}

impl Activity {
    /// Creates the activity of a new connection, which is idle.
    pub(super) fn new(idle: Arc<AtomicI64>) -> Self {
        idle.fetch_add(1, Relaxed);
        Self {
            under_way: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            since: AtomicU64::new(now()),
            idle,
            evicted: AtomicBool::new(false),
            eviction: Notify::new(),
        }
    }

    /// Counts a request that has started.
    pub(super) fn start(&self) {
        if self.under_way.fetch_add(1, Relaxed) == 0 {
            self.idle.fetch_sub(1, Relaxed);
        }
    }

    /// Counts a request that has ended.
    pub(super) fn end(&self) {
        self.ended.fetch_add(1, Relaxed);
        self.since.store(now(), Relaxed);
        if self.under_way.fetch_sub(1, Relaxed) == 1 {
            self.idle.fetch_add(1, Relaxed);
        }
    }

    /// Returns whether a request is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.under_way.load(Relaxed) > 0
    }

    /// Returns the number of requests that have ended.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Relaxed)
    }

    /// Returns since when no request has been under way, or `None` if one is or the connection has been evicted.
    pub(super) fn idle_since(&self) -> Option<Duration> {
        let is_idle = !self.is_busy() && !self.evicted.load(Relaxed);
        is_idle.then(|| Duration::from_nanos(self.since.load(Relaxed)))
    }

    /// Returns how long no request has been under way, or `None` if one is or the connection has been evicted.
    pub(super) fn idle_for(&self) -> Option<Duration> {
        let since = self.idle_since()?;
        Some(START.elapsed().saturating_sub(since))
    }

    /// Ends the connection.
    pub(super) fn evict(&self) {
        self.evicted.store(true, Relaxed);
        self.eviction.notify_one();
    }

    /// Returns whether the connection has to end.
    pub(super) fn is_evicted(&self) -> bool {
        self.evicted.load(Relaxed)
    }

    /// Waits until the connection has to end.
    pub(super) async fn evicted(&self) {
        self.eviction.notified().await;
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        if !self.is_busy() {
            self.idle.fetch_sub(1, Relaxed);
        }
    }
}

fn now() -> u64 {
    START.elapsed().as_nanos() as u64
}
