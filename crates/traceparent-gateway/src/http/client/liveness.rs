use std::{
    future::poll_fn,
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use h2::{Ping, client::Connection};
use hyper::body::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    select,
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::transport::Transport;
use crate::http::watch::AnswerStates;

/// When a connection of HTTP/2 is looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LivenessOptions {
    /// How long nothing may be received, or taken of what waits, while requests are under way before a PING is sent.
    pub(crate) ping_interval: Duration,
    /// How long nothing may be received or taken after a PING.
    pub(crate) ping_timeout: Duration,
    /// How long a connection stays open without a request.
    pub(crate) idle_timeout: Duration,
}

/// Whether a connection of HTTP/2 can be used, and by how many requests it is.
#[derive(Debug)]
pub(super) struct Liveness {
    pub(super) transport: Arc<Transport>,
    /// The number of requests, or [`IDLE_FOR_TOO_LONG`].
    streams: AtomicUsize,
    sent: AtomicUsize,
    idle_since: Mutex<Instant>,
    is_retired: AtomicBool,
    /// How much had been received when a request was given up; nothing has come since if it is still so.
    doubt: AtomicU64,
    /// Wakes the task that sends PINGs.
    given_up: Notify,
}

/// What no connection receives.
const NO_DOUBT: u64 = u64::MAX;

/// In the place of a number of requests: there are none, and none may begin.
const IDLE_FOR_TOO_LONG: usize = usize::MAX;

impl Liveness {
    /// Creates the state of a new connection, with the slot of its first request.
    pub(super) fn new(transport: Arc<Transport>) -> (Arc<Self>, Slot) {
        let liveness = Arc::new(Self {
            transport,
            streams: AtomicUsize::new(1),
            sent: AtomicUsize::new(1),
            idle_since: Mutex::new(Instant::now()),
            is_retired: AtomicBool::new(false),
            doubt: AtomicU64::new(NO_DOUBT),
            given_up: Notify::new(),
        });
        let slot = Slot { liveness: Arc::clone(&liveness), is_reused: false };
        (liveness, slot)
    }

    /// Keeps new requests away; those under way stay.
    pub(super) fn retire(&self) {
        self.is_retired.store(true, Relaxed);
    }

    pub(super) fn is_retired(&self) -> bool {
        self.is_retired.load(Relaxed) || self.streams() == IDLE_FOR_TOO_LONG || self.transport.is_write_closed()
    }

    /// Returns whether a request was given up on, and nothing has been received since.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubt.load(Relaxed) == self.transport.received()
    }

    pub(super) fn streams(&self) -> usize {
        self.streams.load(Relaxed)
    }

    /// Counts a request in, unless the connection is about to end for want of one.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Slot> {
        let count = |streams| (streams != IDLE_FOR_TOO_LONG).then(|| streams + 1);
        self.streams.fetch_update(Relaxed, Relaxed, count).ok()?;
        let is_reused = self.sent.fetch_add(1, Relaxed) > 0;
        Some(Slot { liveness: Arc::clone(self), is_reused })
    }

    /// Lets no request begin if there is none.
    fn try_end(&self) -> bool {
        self.streams.compare_exchange(0, IDLE_FOR_TOO_LONG, Relaxed, Relaxed).is_ok()
    }

    fn idle_for(&self) -> Duration {
        self.idle_since.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

/// A request's place on a connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    liveness: Arc<Liveness>,
    is_reused: bool,
}

impl Slot {
    /// Starts to wait for an answer.
    pub(super) fn wait(self) -> Waiting {
        Waiting { received: self.liveness.transport.received(), slot: Some(self) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.liveness.streams.fetch_sub(1, Relaxed) == 1 {
            *self.liveness.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }
}

/// A request that waits for its answer. If it is dropped before that, a PING is sent, and the connection is in
/// doubt if nothing has been received meanwhile.
#[derive(Debug)]
pub(super) struct Waiting {
    received: u64,
    slot: Option<Slot>,
}

impl Waiting {
    /// Returns whether the connection had been used before.
    pub(super) fn is_reused(&self) -> bool {
        self.slot.as_ref().is_some_and(|slot| slot.is_reused)
    }

    /// Ends the wait.
    pub(super) fn end(mut self) -> Option<Slot> {
        self.slot.take()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(Slot { liveness, .. }) = &self.slot else { return };
        if liveness.transport.received() == self.received {
            liveness.doubt.store(self.received, Relaxed);
        }
        liveness.given_up.notify_one();
    }
}

/// Drives a connection until it ends, is idle for too long, or no longer answers PINGs.
pub(super) async fn watch<S>(
    mut connection: Connection<S, Bytes>,
    liveness: Arc<Liveness>,
    answers: AnswerStates,
    options: LivenessOptions,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let _retired = RetireOnDrop(Arc::clone(&liveness));
    let Some(mut pings) = connection.ping_pong() else { return };
    let mut signs = liveness.transport.signs_of_life();
    // Until when there has to be something after a PING.
    let mut deadline: Option<Instant> = None;
    let pause = options.ping_interval.min(options.idle_timeout);
    loop {
        let next = deadline.unwrap_or_else(|| Instant::now() + pause);
        let is_asked = select! {
            _ = &mut connection => return,
            _ = poll_fn(|context| pings.poll_pong(context)), if deadline.is_some() => {
                deadline = None;
                continue;
            }
            () = liveness.given_up.notified() => true,
            () = sleep_until(next) => false,
        };
        let before = mem::replace(&mut signs, liveness.transport.signs_of_life());
        let is_silent = before == signs;
        let is_late = deadline.is_some_and(|deadline| deadline <= Instant::now());
        let is_idle = liveness.streams() == 0;
        if is_late && is_silent || is_idle && liveness.idle_for() >= options.idle_timeout && liveness.try_end() {
            answers.give_up();
            return;
        }
        let asks = deadline.is_none() && (is_asked || is_silent && !is_idle) && pings.send_ping(Ping::opaque()).is_ok();
        if asks || is_late {
            deadline = Some(Instant::now() + options.ping_timeout);
        }
    }
}

struct RetireOnDrop(Arc<Liveness>);

impl Drop for RetireOnDrop {
    fn drop(&mut self) {
        self.0.retire();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::empty;

    use super::*;
    use crate::http::client::{Protocol, connect::Connected, transport::TransportStream};

    #[test]
    fn a_connection_ends_for_want_of_requests_only_without_one() {
        let peer = SocketAddr::from(([192, 0, 2, 1], 80));
        let connected = Connected { stream: empty(), peer, protocol: Protocol::Http2, place: None };
        let (liveness, first) = Liveness::new(TransportStream::new(connected).1);
        assert!(!first.is_reused);
        assert!(!liveness.try_end());
        drop(first);
        let second = liveness.enter().unwrap();
        assert!(second.is_reused);
        assert!(!liveness.try_end() && !liveness.is_retired());
        drop(second);
        assert!(liveness.try_end() && liveness.is_retired());
        assert!(liveness.enter().is_none());
    }
}
