use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::http::TlsFailure;

/// The counters of connections of clients.
#[derive(Debug, Default)]
pub(crate) struct ConnectionCounts {
    opened: AtomicU64,
    closed: AtomicU64,
    evicted: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
    handshakes_completed: AtomicU64,
    handshakes_failed: [AtomicU64; TlsFailure::OF_CLIENTS.len()],
}

/// The reason for which a new connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// As many connections as the listener may have are busy.
    ListenerFull,
    /// As many connections as one address may have are busy.
    AddressFull,
}

impl Refusal {
    pub(crate) const ALL: [Self; 2] = [Self::ListenerFull, Self::AddressFull];

    /// Returns the name of the limit.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ListenerFull => "connections",
            Self::AddressFull => "connections_per_address",
        }
    }
}

impl ConnectionCounts {
    pub(super) fn opened(&self) {
        self.opened.fetch_add(1, Relaxed);
    }

    pub(super) fn closed(&self) {
        self.closed.fetch_add(1, Relaxed);
    }

    pub(super) fn evicted(&self) {
        self.evicted.fetch_add(1, Relaxed);
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        if let Some(count) = self.refused.get(refusal as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn handshake_completed(&self) {
        self.handshakes_completed.fetch_add(1, Relaxed);
    }

    pub(super) fn handshake_failed(&self, failure: TlsFailure) {
        let mut kinds = TlsFailure::OF_CLIENTS.iter().zip(&self.handshakes_failed);
        if let Some((_, count)) = kinds.find(|(kind, _)| **kind == failure) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Returns the number of connections that are open.
    pub(crate) fn open(&self) -> u64 {
        let closed = self.closed.load(Relaxed);
        self.accepted().saturating_sub(closed)
    }

    /// Returns the number of connections that got a place.
    pub(crate) fn accepted(&self) -> u64 {
        self.opened.load(Relaxed)
    }

    /// Returns the number of idle connections that had to give way.
    pub(crate) fn evictions(&self) -> u64 {
        self.evicted.load(Relaxed)
    }

    /// Returns the number of connections that were refused for this reason.
    pub(crate) fn refusals(&self, refusal: Refusal) -> u64 {
        self.refused.get(refusal as usize).map_or(0, |count| count.load(Relaxed))
    }

    /// Returns the number of TLS handshakes with clients that were completed.
    pub(crate) fn completed_handshakes(&self) -> u64 {
        self.handshakes_completed.load(Relaxed)
    }

    /// Returns the numbers of TLS handshakes with clients that failed, for each kind of failure.
    pub(crate) fn failed_handshakes(&self) -> impl Iterator<Item = (TlsFailure, u64)> {
        let counts = self.handshakes_failed.iter().map(|count| count.load(Relaxed));
        TlsFailure::OF_CLIENTS.into_iter().zip(counts)
    }
}
