use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use traceparent::TraceId;

/// The number of spans in a window from which on only a portion is taken. A short burst is not cut.
const BURST: usize = 1000;

/// The number of spans of a portion in a window from which on a smaller one is taken. A quarter of it lets the portion grow
/// again.
const MOST: usize = 100;

/// The smallest portion, one in 2 to this power.
const SMALLEST: u32 = 16;

/// A factor that spreads IDs which are not random: an odd number near 2^64 divided by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A portion of the traces, one in a power of two, which adapts to the number of spans.
#[derive(Debug, Default)]
pub(crate) struct Portion {
    /// The power.
    power: AtomicU32,
}

impl Portion {
    /// Returns whether all traces belong to the portion.
    pub(super) fn is_all(&self) -> bool {
        self.power.load(Relaxed) == 0
    }

    /// Returns whether a trace belongs to the portion. A smaller portion is a part of a larger one.
    pub(super) fn contains(&self, trace: TraceId) -> bool {
        let spread = (trace.to_u128() as u64).wrapping_mul(SPREAD);
        spread.leading_zeros() >= self.power.load(Relaxed)
    }

    /// Adapts the portion to the number of its spans in a window of time.
    pub(super) fn adapt(&self, spans: usize) {
        let power = self.power.load(Relaxed);
        let most = if power == 0 { BURST } else { MOST };
        let adapted = if spans >= most {
            (power + 1).min(SMALLEST)
        } else if spans <= MOST / 4 {
            power.saturating_sub(1)
        } else {
            power
        };
        self.power.store(adapted, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contained(portion: &Portion, ids: impl Iterator<Item = u128>) -> usize {
        ids.filter_map(TraceId::from_u128).filter(|id| portion.contains(*id)).count()
    }

    #[test]
    fn many_spans_halve_the_portion_and_few_double_it() {
        let portion = Portion::default();
        assert!(portion.is_all());
        assert_eq!(contained(&portion, 1..=4096), 4096);
        let mut known = Vec::new();
        for (spans, expected) in [(999, 0), (1000, 1), (100, 2), (99, 2), (26, 2), (25, 1), (0, 0), (0, 0)] {
            portion.adapt(spans);
            known.push((portion.power.load(Relaxed), expected));
            let count = contained(&portion, 1..=4096);
            assert!(count.abs_diff(4096 >> expected) < 64, "{count} of 4096 at {expected}");
        }
        assert!(known.iter().all(|(power, expected)| power == expected), "{known:?}");
        for _ in 0..100 {
            portion.adapt(BURST);
        }
        assert_eq!(portion.power.load(Relaxed), SMALLEST);
    }

    #[test]
    fn a_smaller_portion_is_a_part_of_a_larger_one() {
        let (small, large) = (Portion::default(), Portion::default());
        small.power.store(3, Relaxed);
        large.power.store(2, Relaxed);
        let ids: Vec<_> = (1..=1000).filter_map(TraceId::from_u128).collect();
        assert!(ids.iter().all(|id| large.contains(*id) || !small.contains(*id)));
    }
}
