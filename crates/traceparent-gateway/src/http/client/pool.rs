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
    connections: Mutex<Vec<Numbered>>,
    /// How many connections have been opened.
    opened: AtomicU64,
    /// How the last attempt to open a connection failed, if it did.
    opening: tokio::sync::Mutex<Option<Failure>>,
    /// How many attempts there have been.
    attempts: AtomicU64,
    /// Whether the upstream chose HTTP/1.1 for the last connection. Such connections are not shared, so that there is nothing
    /// to wait for.
    is_declined: AtomicBool,
}

/// A connection, with its number among those that have been opened.
#[derive(Debug)]
struct Numbered {
    number: u64,
    connection: Arc<Connection>,
}

/// The connections that a request may go out on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    Any,
    /// Those with a higher number, unless there is no room for one.
    After(u64),
}

impl Age {
    fn allows(self, connection: &Numbered) -> bool {
        match self {
            Self::Any => true,
            Self::After(number) => connection.number > number,
        }
    }
}

impl Pool {
    /// How many connections there are at most; more requests wait for those before them.
    const CONNECTIONS: usize = 16;

    /// Returns a connection with a place on it, a new one if need be.
    pub(super) async fn enter<B, F>(&self, age: Age, open: impl Fn() -> F) -> Result<Acquired<B>, Failure>
    where
        F: Future<Output = Result<Opened<B>, Failure>>,
    {
        if !self.is_declined.load(Relaxed) {
            let attempts = self.attempts.load(Relaxed);
            let mut last = self.opening.lock().await;
            if let Some((connection, slot)) = self.try_enter(age) {
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
            Opened::Http2(connection, slot) => {
                let connection = Arc::new(connection);
                let number = self.opened.fetch_add(1, Relaxed) + 1;
                let kept = Numbered { number, connection: Arc::clone(&connection) };
                self.connections.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
                Acquired::Http2(connection, slot)
            }
        }
    }

    /// Returns the age of connections that are opened from now on.
    pub(super) fn young(&self) -> Age {
        Age::After(self.opened.load(Relaxed))
    }

    /// Returns an open connection of an age that takes one more request.
    pub(super) fn try_enter(&self, age: Age) -> Option<(Arc<Connection>, Slot)> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|kept| !kept.connection.liveness.is_retired());
        let has_room = |kept: &&Numbered| {
            let Connection { liveness, .. } = &*kept.connection;
            age.allows(kept) && !liveness.is_doubtful() && liveness.streams() < kept.connection.capacity()
        };
        let kept = connections.iter().find(has_room).or_else(|| {
            let is_full = connections.len() >= Self::CONNECTIONS;
            let rank = |kept: &&Numbered| (!age.allows(kept), kept.connection.liveness.streams());
            connections.iter().filter(|_| is_full).min_by_key(rank)
        })?;
        Some((Arc::clone(&kept.connection), kept.connection.liveness.enter()?))
    }
}
