use core::{sync::atomic::AtomicU64, time::Duration};

mod bucket;
#[cfg(all(feature = "std", not(all(target_family = "wasm", target_os = "unknown"))))]
pub(super) mod monotonic;

use self::bucket::Bucket;
use super::{Sampler, SamplingInput, SamplingResult, ThresholdChange, span::AttributeValue};

/// A clock that never goes back.
///
/// It is implemented for closures, so that targets without `std` and `wasm32-unknown-unknown` hand in their timer.
/// With the feature `std` and a system that has a clock, there is `MonotonicClock`.
pub trait Clock {
    /// Returns the time since any moment that stays the same.
    fn now(&self) -> Duration;
}

impl<F: Fn() -> Duration> Clock for F {
    fn now(&self) -> Duration {
        self()
    }
}

/// Samples what another sampler samples, up to a rate: a token bucket.
///
/// The bucket holds a burst of tokens, starts full and is refilled evenly. A span that is sampled takes a
/// token, and is dropped if there is none. In any stretch of time no more spans are sampled than the burst
/// plus the rate times that stretch, for any number of threads. There is no lock: the state is one atomic
/// number. The resulting probability is unknown, so the threshold in `tracestate` is erased.
///
/// Put a cheap decision inside, so that spans that are dropped anyway take no token.
///
/// ```
/// use core::time::Duration;
/// use std::cell::Cell;
/// use traceparent::{TraceId, sampler::{AlwaysOn, RateLimited, Sampler, SamplingInput}};
///
/// let now = Cell::new(Duration::ZERO);
/// // Ten a second, at most two of them at once.
/// let sampler = RateLimited::new(AlwaysOn, 10, Duration::from_secs(1), || now.get()).with_burst(2);
/// let input = SamplingInput::root(TraceId::from_static("4bf92f3577b34da6a3ce929d0e0e4736"));
/// let sampled = || sampler.should_sample(&input).decision.is_sampled();
///
/// assert_eq!([sampled(), sampled(), sampled()], [true, true, false]);
/// now.set(Duration::from_millis(100));
/// assert_eq!([sampled(), sampled()], [true, false]);
/// ```
#[derive(Debug)]
pub struct RateLimited<S, C> {
    sampler: S,
    clock: C,
    bucket: Bucket,
}

impl<S: Sampler, C: Clock> RateLimited<S, C> {
    /// Creates a sampler around another one, with a bucket that holds `limit` tokens and gets as many back in
    /// each `period`.
    ///
    /// With a limit of 0 nothing is sampled. The clock's first 584 years are counted, and nothing is sampled
    /// after them. The interval between tokens is rounded up to whole nanoseconds, so a limit of more than one
    /// a nanosecond is one a nanosecond.
    pub const fn new(sampler: S, limit: u32, period: Duration, clock: C) -> Self {
        let interval = match (limit, nanos(period)) {
            (0, _) => None,
            (_, 0) => Some(1),
            (limit, nanos) => Some(nanos.div_ceil(limit as u64)),
        };
        Self { sampler, clock, bucket: Bucket { interval, burst: limit, full_at: AtomicU64::new(0) } }
    }

    /// Sets how many spans may be sampled at once after a pause; 0 counts as 1.
    #[must_use]
    pub fn with_burst(self, burst: u32) -> Self {
        Self { bucket: Bucket { burst: burst.max(1), ..self.bucket }, ..self }
    }
}

/// Returns the duration in nanoseconds, at most the 584 years that fit.
const fn nanos(duration: Duration) -> u64 {
    let nanos = duration.as_nanos();
    if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 }
}

impl<S: Sampler, C: Clock> Sampler for RateLimited<S, C> {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        let result = self.sampler.should_sample(input);
        if !result.decision.is_sampled() {
            result
        } else if self.bucket.take(nanos(self.clock.now())) {
            result.with_threshold(ThresholdChange::Erase)
        } else {
            SamplingResult::DROP
        }
    }

    fn annotate(&self, input: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
        self.sampler.annotate(input, visit);
    }
}
