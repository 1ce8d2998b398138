//! IDs of `RandomIdGenerator`: all are different, and every bit is one as often as zero.

use std::{collections::HashSet, thread};

use traceparent::{IdGenerator, RandomIdGenerator, SpanId, TraceId};

const N: u32 = 50_000;

/// Deviation of the counts from `expected` each.
fn chi_square(counts: &[u32], expected: f64) -> f64 {
    counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum()
}

#[test]
fn every_bit_is_a_fair_coin() {
    let mut ones = [0_u32; 192];
    for _ in 0..N {
        let trace_id = RandomIdGenerator.new_trace_id().to_u128();
        let span_id = RandomIdGenerator.new_span_id().to_u64();
        for (i, count) in ones.iter_mut().enumerate() {
            *count += u32::from(if i < 128 { trace_id >> i & 1 == 1 } else { span_id >> (i - 128) & 1 == 1 });
        }
    }
    // 192 degrees of freedom, the squares of zeroes and of ones together; each side has p below 1e-9.
    let deviation = 2.0 * chi_square(&ones, f64::from(N) / 2.0);
    assert!((90.0..350.0).contains(&deviation), "{deviation}");
}

#[test]
fn the_right_most_seven_bytes_are_uniform() {
    // W3C 23
    let mut counts = [[0_u32; 256]; 7];
    for _ in 0..N {
        let bytes = RandomIdGenerator.new_trace_id().to_bytes();
        for (count, byte) in counts.iter_mut().zip(&bytes[9..]) {
            count[usize::from(*byte)] += 1;
        }
    }
    // 7 * 255 degrees of freedom; each side has p below 1e-9.
    let deviation: f64 = counts.iter().map(|counts| chi_square(counts, f64::from(N) / 256.0)).sum();
    assert!((1400.0..2200.0).contains(&deviation), "{deviation}");
}

#[test]
fn ids_of_several_threads_are_all_different() {
    // W3C 11, 78; that two of 100 000 span-ids agree has a chance of 3e-10.
    let ids = || (RandomIdGenerator.new_trace_id(), RandomIdGenerator.new_span_id());
    let threads = [(); 4].map(|()| thread::spawn(move || (0..25_000).map(|_| ids()).collect::<Vec<_>>()));
    let ids: Vec<(TraceId, SpanId)> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(ids.iter().map(|ids| ids.0).collect::<HashSet<_>>().len(), 100_000);
    assert_eq!(ids.iter().map(|ids| ids.1).collect::<HashSet<_>>().len(), 100_000);
}
