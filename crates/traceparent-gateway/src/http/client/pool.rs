use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use super::{Acquired, Opened, http2::Connection, liveness::Slot};
use crate::http::Failure;

/// The connections of HTTP/2 to one upstream. A new one is opened when those that are open take no more requests, by
/// one request at a time, unless the upstream chooses HTTP/1.1.
#[derive(Debug, Default)]
pub(super) struct Pool {
    connections: Mutex<Vec<Arc<Connection>>>,
    /// How the last attempt to open a connection failed, if it did.
    opening: tokio::sync::Mutex<Option<Failure>>,
    /// How many attempts there have been.
    attempts: AtomicU64,
    /// Whether the upstream chose HTTP/1.1 for the last connection. Such connections are not shared, so that there is nothing
    /// to wait for.
    is_declined: AtomicBool,
}

impl Pool {
    /// How many connections there are at most; more requests wait for those before them.
    const CONNECTIONS: usize = 16;

    /// Returns a connection with a place on it, a new one if need be.
    pub(super) async fn enter<B, F>(&self, open: impl Fn() -> F) -> Result<Acquired<B>, Failure>
    where
        F: Future<Output = Result<Opened<B>, Failure>>,
    {
        if !self.is_declined.load(Relaxed) {
            let attempts = self.attempts.load(Relaxed);
            let mut last = self.opening.lock().await;
            if let Some((connection, slot)) = self.try_enter() {
                return Ok(Acquired::Http2(connection, slot));
            }
            if let Some(failure) = last.filter(|_| attempts != self.attempts.load(Relaxed)) {
                return Err(failure);
            }
            if !self.is_declined.load(Relaxed) {
                let opened = open().await;
                *last = opened.as_ref().err().copied();
                self.attempts.fetch_add(1, Relaxed);
                return opened.map(|opened| self.note(opened));
            }
        }
        open().await.map(|opened| self.note(opened))
    }

    /// Notes which protocol the upstream has chosen.
    fn note<B>(&self, opened: Opened<B>) -> Acquired<B> {
        self.is_declined.store(matches!(opened, Opened::Http1(_)), Relaxed);
        self.keep(opened)
    }

    /// Returns a place on a new connection, which is kept for others if they can share it.
    pub(super) fn keep<B>(&self, opened: Opened<B>) -> Acquired<B> {
        match opened {
            Opened::Http1(connection) => Acquired::Http1(connection),
            Opened::Http2(connection) => {
                let connection = Arc::new(connection);
                let slot = connection.liveness.enter();
                self.connections.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&connection));
                Acquired::Http2(connection, slot)
            }
        }
    }

    /// Returns an open connection that takes one more request.
    pub(super) fn try_enter(&self) -> Option<(Arc<Connection>, Slot)> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|connection| !connection.liveness.is_retired());
        let has_room = |connection: &&Arc<Connection>| {
            !connection.liveness.is_doubtful() && connection.liveness.streams() < connection.capacity()
        };
        let connection = connections.iter().find(has_room).or_else(|| {
            let is_full = connections.len() >= Self::CONNECTIONS;
            connections.iter().filter(|_| is_full).min_by_key(|connection| connection.liveness.streams())
        })?;
        Some((Arc::clone(connection), connection.liveness.enter()))
    }
}
