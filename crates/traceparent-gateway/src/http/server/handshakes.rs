use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use super::{counts::ConnectionCounts, rarely::Rarely};
use crate::{
    http::{TlsFailure, TlsPeer},
    operator::tell,
};

/// The handshakes of a listener: counted, and those that fail told now and then, each kind of failure for itself.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    counts: Arc<ConnectionCounts>,
    rarely: [Mutex<Rarely>; TlsFailure::OF_CLIENTS.len()],
}

impl Handshakes {
    pub(super) fn new(counts: Arc<ConnectionCounts>) -> Self {
        Self { counts, ..Self::default() }
    }

    /// Counts a handshake that has been completed.
    pub(super) fn completed(&self) {
        self.counts.handshake_completed();
    }

    /// Counts a handshake that has failed.
    pub(super) fn failed(&self, client: IpAddr, failure: TlsFailure) {
        self.counts.handshake_failed(failure);
        if let Some(message) = self.message(client, failure, Instant::now()) {
            tell(message);
        }
    }

    fn message(&self, client: IpAddr, failure: TlsFailure, now: Instant) -> Option<String> {
        let kinds = TlsFailure::OF_CLIENTS.iter().zip(&self.rarely);
        let (_, rarely) = kinds.into_iter().find(|(kind, _)| **kind == failure)?;
        let mut rarely = rarely.lock().unwrap_or_else(PoisonError::into_inner);
        let client = client.to_canonical();
        rarely.message(format_args!("no TLS with {client}: {}", failure.of(TlsPeer::Client)), now)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::rarely::SILENCE, *};

    #[test]
    fn each_kind_of_failure_is_told_for_itself() {
        let (handshakes, client, now) = (Handshakes::default(), IpAddr::from([192, 0, 2, 1]), Instant::now());
        let message = |failure, now| handshakes.message(client, failure, now);
        let late = "no TLS with 192.0.2.1: the TLS handshake with the client took too long";
        assert_eq!(message(TlsFailure::Late, now).as_deref(), Some(late));
        assert_eq!(message(TlsFailure::Late, now), None);
        let expired = "no TLS with 192.0.2.1: the client's certificate has expired";
        assert_eq!(message(TlsFailure::Expired, now).as_deref(), Some(expired));
        let again = format!("{late} (1 more failures since the last message)");
        assert_eq!(message(TlsFailure::Late, now + SILENCE), Some(again));
        for failure in TlsFailure::OF_CLIENTS {
            message(failure, now);
            assert_eq!(message(failure, now), None, "{failure:?}");
        }
    }
}
