use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

/// The number of resets that is too many if they are more than half of the requests.
const MOST: usize = 500;

/// The age of a request up to which its reset counts.
const AGE: Duration = Duration::from_secs(1);

/// The requests of a connection that were reset soon after they were made.
///
/// Each makes work for the gateway and for an upstream, and none counts against the limit of concurrent streams.
///
/// [RFC 9113, section 10.5](https://www.rfc-editor.org/rfc/rfc9113#section-10.5)
#[derive(Clone, Debug, Default)]
pub(super) struct Resets(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicUsize,
    resets: AtomicUsize,
}

/// A request whose reset would count.
#[derive(Debug)]
pub(super) struct Started {
    at: Instant,
    resets: Resets,
}

impl Resets {
    pub(super) fn start(&self) -> Started {
        self.0.requests.fetch_add(1, Relaxed);
        Started { at: Instant::now(), resets: self.clone() }
    }

    /// Returns whether the client makes requests to reset them.
    pub(super) fn are_too_many(&self) -> bool {
        let resets = self.0.resets.load(Relaxed);
        resets > MOST && resets > self.0.requests.load(Relaxed) / 2
    }
}

impl Started {
    /// Notes that the request has been reset.
    pub(super) fn reset(&self) {
        self.reset_after(self.at.elapsed());
    }

    fn reset_after(&self, age: Duration) {
        if age < AGE {
            self.resets.0.resets.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_resets_of_most_requests_are_too_many() {
        let resets = Resets::default();
        for _ in 0..MOST {
            resets.start().reset_after(Duration::ZERO);
        }
        assert!(!resets.are_too_many());
        resets.start().reset_after(Duration::ZERO);
        assert!(resets.are_too_many());
        for _ in 0..=MOST {
            resets.start();
        }
        assert!(!resets.are_too_many());
    }

    #[test]
    fn late_resets_are_a_matter_of_patience() {
        let resets = Resets::default();
        for _ in 0..2 * MOST {
            resets.start().reset_after(AGE);
        }
        assert!(!resets.are_too_many());
    }
}
