//! ID generators: random ones, and ones with a fixed source.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    sync::Mutex,
    thread,
};

use proptest::{collection::vec, prelude::*};
use traceparent::{
    IdGenerator, IdsFrom, Incoming, NumberSource, Policy, RandomIdGenerator, SpanId, TraceId, U32Pairs, XRayIds,
    sampler::AlwaysOn,
};

/// A fixed sequence of numbers: splitmix64.
fn numbers(seed: u64) -> impl Fn() -> u64 {
    let state = Cell::new(seed);
    move || {
        state.set(state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let z = state.get();
        let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

/// These numbers, then nothing but zero.
fn script(numbers: Vec<u64>) -> impl Fn() -> u64 {
    let next = Cell::new(0);
    move || {
        next.set(next.get() + 1);
        numbers.get(next.get() - 1).copied().unwrap_or_default()
    }
}

/// The random flag of a trace that starts with such ids.
fn flag(ids: &dyn IdGenerator) -> bool {
    Policy::new(AlwaysOn).apply(Incoming::Absent, ids).traceparent().flags().is_random()
}

// W3C 11, 12, 74, 78: unique, and random at least on the right.
#[test]
fn random_ids_of_four_threads_are_unique_and_use_every_bit() {
    const IDS: usize = 50_000;
    let ids: Vec<(TraceId, SpanId)> = thread::scope(|scope| {
        let draw = || (RandomIdGenerator.new_trace_id(), RandomIdGenerator.new_span_id());
        let threads = [(); 4].map(|()| scope.spawn(move || (0..IDS).map(|_| draw()).collect::<Vec<_>>()));
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(ids.iter().map(|(trace, _)| trace).collect::<HashSet<_>>().len(), 4 * IDS);
    assert_eq!(ids.iter().map(|(_, span)| span).collect::<HashSet<_>>().len(), 4 * IDS);

    // Of 200,000 coins the standard deviation is 224; seven of them happen once in 10^11.
    let half = |count: usize| count.abs_diff(2 * IDS) < 7 * 224;
    for bit in 0..128 {
        assert!(
            half(ids.iter().filter(|(trace, _)| trace.to_u128() >> bit & 1 == 1).count()),
            "bit {bit} of trace-ids"
        );
    }
    for bit in 0..64 {
        assert!(half(ids.iter().filter(|(_, span)| span.to_u64() >> bit & 1 == 1).count()), "bit {bit} of span-ids");
    }
}

// W3C 13, 25: random bytes, random flag.
#[test]
fn random_ids_set_the_random_flag() {
    assert!(RandomIdGenerator.is_random());
    assert!(flag(&RandomIdGenerator));
}

#[test]
fn seeding_anew_changes_what_follows() {
    let mut seen = HashSet::new();
    for _ in 0..100 {
        RandomIdGenerator::reseed();
        assert!(seen.insert(RandomIdGenerator.new_trace_id()));
        assert!(seen.insert(RandomIdGenerator.new_trace_id()));
    }
}

// W3C 74: what is not random stands on the left.
#[test]
fn x_ray_ids_begin_with_the_time_and_end_as_the_other_generators() {
    let (x_ray, plain) = (XRayIds::with_clock(IdsFrom::random(numbers(1)), || 0x5759_e988), IdsFrom::new(numbers(1)));
    for _ in 0..1_000 {
        let (id, other) = (x_ray.new_trace_id().to_u128(), plain.new_trace_id().to_u128());
        assert_eq!(id >> 96, 0x5759_e988);
        assert_eq!(id << 32, other << 32);
        assert_eq!(x_ray.new_span_id(), plain.new_span_id());
    }
    let now = XRayIds::new(RandomIdGenerator).new_trace_id().to_u128() >> 96;
    // 2024 to 2106.
    assert!(now > 0x6592_0080, "{now:x}");
}

// W3C 23-25
#[test]
fn x_ray_ids_are_as_random_as_the_other_generators() {
    let clock = || 1;
    assert!(flag(&XRayIds::with_clock(RandomIdGenerator, clock)));
    assert!(flag(&XRayIds::with_clock(IdsFrom::random(numbers(2)), clock)));
    assert!(!flag(&XRayIds::with_clock(IdsFrom::new(numbers(2)), clock)));
    assert!(XRayIds::new(RandomIdGenerator).is_random());
}

// W3C 9: never all zero.
#[test]
fn x_ray_ids_are_never_zero() {
    for time in [0, 1, u32::MAX] {
        for (high, low) in [(0, 0), (1 << 32, 0), (u64::MAX << 32, 0), (0, 1), (1, 0)] {
            let ids = XRayIds::with_clock(IdsFrom::new(script(vec![high, low])), || time);
            let id = ids.new_trace_id();
            assert_ne!(id.to_u128(), 0);
            let rest = (u128::from(high) << 64 | u128::from(low)) << 32;
            assert!((high, low) == (0, 0) || id.to_u128() << 32 == rest);
        }
    }
}

/// A source that changes what it captures.
fn counting() -> impl FnMut() -> u64 {
    let mut number = 0;
    move || {
        number += 1;
        number
    }
}

#[test]
fn sources_that_change_stand_in_a_cell_or_a_lock() {
    let generators: [&dyn IdGenerator; 2] =
        [&IdsFrom::new(RefCell::new(counting())), &IdsFrom::random(Mutex::new(counting()))];
    for ids in generators {
        assert_eq!(ids.new_trace_id().to_u128(), 1 << 64 | 2);
        assert_eq!(ids.new_span_id().to_u64(), 3);
    }
    let shared = IdsFrom::new(Mutex::new(counting()));
    let drawn: HashSet<SpanId> = thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(|| (0..100).map(|_| shared.new_span_id()).collect::<Vec<_>>()));
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(drawn, (1..=400).map(|number| SpanId::from_u64(number).unwrap()).collect());
}

#[test]
fn a_source_in_a_lock_outlives_a_panic() {
    let mut number = 0;
    let ids = IdsFrom::new(Mutex::new(|| {
        number += 1;
        assert_ne!(number, 1, "the first number is missing");
        number
    }));
    assert!(thread::scope(|scope| scope.spawn(|| ids.new_span_id()).join()).is_err());
    assert_eq!(ids.new_span_id().to_u64(), 2);
}

#[test]
fn a_source_that_is_being_called_has_no_number() {
    let source = RefCell::new(counting());
    let held = source.borrow_mut();
    assert_eq!(source.next_u64(), 0);
    drop(held);
    assert_eq!(source.next_u64(), 1);
}

#[test]
fn numbers_of_32_bits_are_joined_from_left_to_right() {
    let next = Cell::new(0_u32);
    let ids = IdsFrom::random(U32Pairs(|| {
        next.set(next.get() + 1);
        next.get()
    }));
    assert_eq!(ids.new_trace_id().to_string(), "00000001000000020000000300000004");
    assert_eq!(ids.new_span_id().to_string(), "0000000500000006");
    assert!(ids.is_random());
}

#[test]
fn zeroes_are_drawn_again() {
    let ids = IdsFrom::new(script(vec![0, 0, 0, 0, 0, 7, 0, 0, 9, 3, 0]));
    assert_eq!(ids.new_trace_id().to_u128(), 7);
    assert_eq!(ids.new_span_id().to_u64(), 9);
    assert_eq!(ids.new_trace_id().to_u128(), 3 << 64);
}

#[test]
fn a_source_of_nothing_but_zeroes_makes_valid_ids_all_the_same() {
    let ids = IdsFrom::random(|| 0);
    assert_eq!(TraceId::from_bytes(ids.new_trace_id().to_bytes()), Some(ids.new_trace_id()));
    assert_eq!(SpanId::from_bytes(ids.new_span_id().to_bytes()), Some(ids.new_span_id()));
    assert!(Policy::new(AlwaysOn).apply(Incoming::Absent, &XRayIds::with_clock(ids, || 0)).decision().is_sampled());
}

#[test]
fn the_random_flag_of_a_source_is_what_it_says() {
    assert!(flag(&IdsFrom::random(numbers(3))));
    assert!(!flag(&IdsFrom::new(numbers(3))));
}

#[test]
fn generators_work_behind_references_and_as_objects() {
    let ids = IdsFrom::random(|| 5);
    let object: &dyn IdGenerator = &ids;
    let generators: [&dyn IdGenerator; 4] = [&ids, &&ids, &object, &&&object];
    for generator in generators {
        assert_eq!(generator.new_trace_id(), ids.new_trace_id());
        assert_eq!(generator.new_span_id(), ids.new_span_id());
        assert!(generator.is_random());
    }
    assert!(!(&IdsFrom::new(|| 5) as &dyn IdGenerator).is_random());
    assert!(flag(&object));
}

/// How far counts of equally likely bytes are from even; 255 is to be expected, give or take 23.
fn chi_square(bytes: impl Iterator<Item = u8>) -> f64 {
    let mut counts = [0_u32; 256];
    bytes.for_each(|byte| counts[usize::from(byte)] += 1);
    let mean = f64::from(counts.iter().sum::<u32>()) / 256.0;
    counts.iter().map(|count| (f64::from(*count) - mean).powi(2) / mean).sum()
}

// W3C 23: uniform over the right-most 7 bytes.
#[test]
fn every_byte_of_ids_is_as_even_as_its_source() {
    let ids = IdsFrom::random(numbers(4));
    let traces: Vec<_> = (0..100_000).map(|_| ids.new_trace_id().to_bytes()).collect();
    let spans: Vec<_> = (0..100_000).map(|_| ids.new_span_id().to_bytes()).collect();
    let traces = (0..16).map(|at| chi_square(traces.iter().map(|id| id[at])));
    let spans = (0..8).map(|at| chi_square(spans.iter().map(|id| id[at])));
    for chi_square in traces.chain(spans) {
        assert!((255.0 - 5.0 * 23.0..255.0 + 5.0 * 23.0).contains(&chi_square), "{chi_square}");
    }
}

/// A system whose own trace-ids have 4 bytes, too few for 7 random ones.
struct FourBytes;

impl IdGenerator for FourBytes {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from_u128(0x0e0e_4736).unwrap()
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from_static("00f067aa0ba902b7")
    }
}

// W3C 75, 76
#[test]
fn short_ids_are_padded_on_the_left_and_random_only_where_seven_bytes_are() {
    let start = |ids: &dyn IdGenerator| Policy::new(AlwaysOn).apply(Incoming::Absent, ids).traceparent().to_string();
    assert_eq!(start(&FourBytes), "00-0000000000000000000000000e0e4736-00f067aa0ba902b7-01");
    let eight_bytes = IdsFrom::random(script(vec![0, 0xa3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7]));
    assert_eq!(start(&eight_bytes), "00-0000000000000000a3ce929d0e0e4736-00f067aa0ba902b7-03");
}

// W3C 77
#[test]
fn the_low_half_of_a_trace_ids_number_is_its_right_most_part() {
    let id = TraceId::from_static("4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(id.to_u128() as u64, 0xa3ce_929d_0e0e_4736);
    assert_eq!(id.to_bytes()[8..], 0xa3ce_929d_0e0e_4736_u64.to_be_bytes());
    assert_eq!(id.randomness().to_string(), "ce929d0e0e4736");
}

proptest! {
    #[test]
    fn an_id_is_what_the_source_said(first in 1..=u64::MAX, second in any::<u64>(), third in 1..=u64::MAX) {
        let ids = IdsFrom::new(script(vec![first, second, third]));
        prop_assert_eq!(ids.new_trace_id().to_u128(), u128::from(first) << 64 | u128::from(second));
        prop_assert_eq!(ids.new_span_id().to_u64(), third);
    }

    #[test]
    fn ids_of_any_source_are_valid(source in vec(prop_oneof![Just(0), any::<u64>()], 0..80)) {
        let ids = IdsFrom::new(script(source));
        for _ in 0..8 {
            prop_assert_ne!(ids.new_trace_id().to_u128(), 0);
            prop_assert_ne!(ids.new_span_id().to_u64(), 0);
        }
    }
}
