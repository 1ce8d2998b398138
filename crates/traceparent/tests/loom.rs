//! The rate limiter under every order in which threads can run: `.ci/run loom`.
#![cfg(loom)]
#![allow(clippy::unwrap_used)]

use loom::{
    sync::{Arc, atomic::AtomicU64},
    thread,
};

#[path = "../src/sampler/rate_limit/bucket.rs"]
mod bucket;

use bucket::Bucket;

/// How many of these takes, one list a thread, find a token.
fn taken(bucket: &Arc<Bucket>, threads: &[&'static [u64]]) -> usize {
    let spawn = |times: &'static [u64]| {
        let bucket = bucket.clone();
        thread::spawn(move || times.iter().filter(|now| bucket.take(**now)).count())
    };
    let threads: Vec<_> = threads.iter().copied().map(spawn).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
}

fn bucket(interval: u64, burst: u32) -> Arc<Bucket> {
    Arc::new(Bucket { interval: Some(interval), burst, full_at: AtomicU64::new(0) })
}

#[test]
fn as_many_tokens_as_there_are_are_taken() {
    loom::model(|| assert_eq!(taken(&bucket(10, 2), &[&[0, 0], &[0, 0]]), 2));
    loom::model(|| assert_eq!(taken(&bucket(10, 1), &[&[0], &[0], &[0]]), 1));
    loom::model(|| assert_eq!(taken(&bucket(10, 4), &[&[0, 0], &[0, 0]]), 4));
}

#[test]
fn tokens_that_come_back_are_taken_once() {
    loom::model(|| {
        let bucket = bucket(10, 2);
        assert!(bucket.take(0) && bucket.take(0));
        assert_eq!(taken(&bucket, &[&[10, 10], &[10]]), 1);
        assert_eq!(taken(&bucket, &[&[30], &[30, 30]]), 2);
    });
}

#[test]
fn threads_whose_clocks_differ_never_take_more_than_the_later_time_allows() {
    loom::model(|| {
        // Two at first and one more by 10, in whatever order the threads read the clock.
        let taken = taken(&bucket(10, 2), &[&[0, 10], &[0, 10]]);
        assert!((2..=3).contains(&taken), "{taken}");
    });
}
