//! Counts the allocations of reading and writing.

use std::hint::black_box;

use traceparent::{
    IdsFrom, Policy,
    sampler::{Sampler, SamplingInput, SamplingResult},
};
use traceparent_formats::{Format, Propagators};

use crate::common::vectors::{read, values};

struct Samples;

impl Sampler for Samples {
    fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
        SamplingResult::SAMPLE
    }
}

fn count<T>(run: impl FnOnce() -> T) -> u64 {
    allocation_counter::measure(|| drop(black_box(run()))).count_total
}

#[test]
fn the_counter_counts() {
    assert_eq!(count(|| Box::new(1)), 1);
}

/// F 13.
#[test]
fn reading_deciding_and_writing_allocate_nothing() {
    const ALL: Propagators = Propagators::new(&Format::ALL, &Format::ALL);
    for vector in read() {
        let allocations = count(|| {
            let extracted = ALL.extract(|name| values(&vector.fields, name));
            let refused = extracted.refused().count();
            let outgoing = Policy::new(Samples).apply(extracted.incoming().clone(), &IdsFrom::new(|| 7));
            let mut bytes = 0;
            ALL.inject(&outgoing, extracted.carried(&outgoing), |_, value| bytes += value.map_or(0, str::len));
            (refused, bytes)
        });
        assert_eq!(allocations, 0, "line {}", vector.line);
    }
}
