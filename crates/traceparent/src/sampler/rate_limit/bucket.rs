//! The token bucket, apart from everything else, so that a test can swap its atomic number for a checked one.

use core::sync::atomic::Ordering;

use super::AtomicU64;

#[derive(Debug)]
pub(super) struct Bucket {
    /// Nanoseconds until one token is back, or `None` if the bucket never has any.
    pub(super) interval: Option<u64>,
    /// How many tokens fit in, at least one if there is an interval.
    pub(super) burst: u32,
    /// When the bucket will be full again, in nanoseconds.
    pub(super) full_at: AtomicU64,
}

impl Bucket {
    /// Takes a token if there is one at this time, in nanoseconds.
    pub(super) fn take(&self, now: u64) -> bool {
        let Some(interval) = self.interval else {
            return false;
        };
        // With one token left, the bucket is full after all others are back.
        let latest = now.saturating_add(interval.saturating_mul(u64::from(self.burst) - 1));
        let take = |full_at| if full_at <= latest { now.max(full_at).checked_add(interval) } else { None };
        // One number stands for the whole bucket, so nothing else has to be ordered around it.
        self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}
