//! Counts by header and verdict, with examples.

use std::collections::BTreeMap;

use super::judge::Verdict;

/// The place of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) input: usize,
    pub(super) offset: u64,
    pub(super) line: u64,
}

/// How often a header has a verdict, and where first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) number: u64,
    pub(super) examples: Vec<Place>,
}

/// All counts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) counts: BTreeMap<(&'static str, Verdict), Count>,
    examples: usize,
}

impl Tally {
    /// Creates an empty tally that keeps this number of examples of each verdict.
    pub(super) const fn new(examples: usize) -> Self {
        Self { counts: BTreeMap::new(), examples }
    }

    /// Counts a header. The place is asked for if it may be an example; a thread finds the places of an input in order.
    pub(super) fn count(&mut self, header: &'static str, verdict: Verdict, place: impl FnOnce() -> Place) {
        let count = self.counts.entry((header, verdict)).or_default();
        count.number += 1;
        if count.examples.len() < self.examples && matches!(verdict, Verdict::Invalid(_)) {
            count.examples.push(place());
        }
    }

    /// Adds the counts of another thread, and keeps the first examples of both.
    pub(super) fn add(&mut self, other: Self) {
        for (key, theirs) in other.counts {
            let count = self.counts.entry(key).or_default();
            count.number += theirs.number;
            count.examples.extend(theirs.examples);
            count.examples.sort_unstable();
            count.examples.truncate(self.examples);
        }
    }
}
