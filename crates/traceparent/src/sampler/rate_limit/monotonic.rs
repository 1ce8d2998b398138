use core::time::Duration;
use std::time::Instant;

use super::{Clock, RateLimited};
use crate::sampler::Sampler;

/// The operating system's monotonic clock, counted from the creation of the value.
///
/// `wasm32-unknown-unknown` has no clock, and this type does not exist there, even with the feature `std`: hand the
/// host's clock to [`RateLimited::new`].
///
/// ```
/// use traceparent::sampler::{Clock, MonotonicClock};
///
/// let clock = MonotonicClock::new();
/// assert!(clock.now() <= clock.now());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MonotonicClock(Instant);

impl MonotonicClock {
    /// Creates a clock that starts to count now.
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for MonotonicClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

impl<S: Sampler> RateLimited<S, MonotonicClock> {
    /// Creates a sampler around another one that samples at most `limit` spans a second, and as many at once, by the
    /// system's clock.
    ///
    /// `wasm32-unknown-unknown` has no clock, and there is no such constructor there.
    pub fn per_second(sampler: S, limit: u32) -> Self {
        Self::new(sampler, limit, Duration::from_secs(1), MonotonicClock::new())
    }
}
