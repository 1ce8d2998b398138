use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{http2::Connection, liveness::Slot};
use crate::http::Failure;

/// The connections of HTTP/2 to one upstream. A new one is opened when those that are open take no more requests, by
/// one request at a time.
#[derive(Debug, Default)]
pub(super) struct Pool {
    connections: Mutex<Vec<Arc<Connection>>>,
    /// How the last attempt to open a connection failed, if it did.
    opening: tokio::sync::Mutex<Option<Failure>>,
    /// How many attempts there have been.
    attempts: AtomicU64,
}

impl Pool {
    /// How many connections there are at most; more requests wait for those before them.
    const CONNECTIONS: usize = 16;

    /// Returns a connection, with a place on it.
    pub(super) async fn enter<F>(&self, open: impl FnOnce() -> F) -> Result<(Arc<Connection>, Slot), Failure>
    where
        F: Future<Output = Result<Connection, Failure>>,
    {
        if let Some(entered) = self.try_enter() {
            return Ok(entered);
        }
        let attempts = self.attempts.load(Relaxed);
        let mut last = self.opening.lock().await;
        if let Some(entered) = self.try_enter() {
            return Ok(entered);
        }
        if let Some(failure) = last.filter(|_| attempts != self.attempts.load(Relaxed)) {
            return Err(failure);
        }
        let opened = open().await;
        *last = opened.as_ref().err().copied();
        self.attempts.fetch_add(1, Relaxed);
        let connection = Arc::new(opened?);
        let slot = connection.liveness.enter();
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&connection));
        Ok((connection, slot))
    }

    fn try_enter(&self) -> Option<(Arc<Connection>, Slot)> {
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
