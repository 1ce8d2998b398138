//! Which members to drop so that a list fits a budget.

use core::fmt;

use super::TraceStateEdit;
use crate::tracestate::grammar;

/// Members longer than this, key and `=` included, are the first to go.
const LONG: usize = 128;

impl TraceStateEdit<'_> {
    /// Returns the entries to drop, one bit each: some for the budget, and the 33rd and all after it. However far the
    /// bits are shifted to the right, the last one stays set.
    pub(super) fn evicted(&self) -> i64 {
        let mut evicted = -1 << grammar::MAX_MEMBERS;
        if self.budget == usize::MAX {
            return evicted;
        }
        let mut lengths = [0; grammar::MAX_MEMBERS];
        let mut ours = 0;
        // Noting cannot fail.
        let _ = self.ours(|entry| {
            if let Some(slot) = lengths.get_mut(ours) {
                *slot = entry.len() + 1;
                ours += 1;
            }
            Ok(())
        });
        let mut count = ours;
        for (slot, member) in lengths.iter_mut().skip(ours).zip(self.others()) {
            *slot = member.len() + 1;
            count += 1;
        }
        // One comma too many, as if the last member had one.
        let mut excess = lengths.iter().sum::<usize>().saturating_sub(self.budget.saturating_add(1));
        let passes = [(ours..count, LONG), (ours..count, 0), (0..ours, 0)];
        for (range, longer_than) in passes {
            for i in range.rev() {
                let length = lengths.get(i).copied().unwrap_or_default();
                if excess > 0 && evicted & 1 << i == 0 && length > longer_than + 1 {
                    evicted |= 1 << i;
                    excess = excess.saturating_sub(length);
                }
            }
        }
        evicted
    }
}

/// The error returned when a budget for `tracestate` is below 512 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetTooSmall(pub(super) ());

impl fmt::Display for BudgetTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tracestate budget is at least 512 characters, which every service should propagate")
    }
}

impl core::error::Error for BudgetTooSmall {}
