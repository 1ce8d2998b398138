//! The rate limit: one atomic number against a bucket that is counted out, alone and from four threads.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use proptest::{collection::vec, prelude::*};
use traceparent::{
    IdsFrom, Incoming, Policy, SpanId, TraceContext, TraceFlags, TraceId, TraceParent, TraceState, Trust,
    sampler::{
        AlwaysOff, AlwaysOn, AlwaysRecord, AttributeValue, ParentBased, ProbabilitySampler, RateLimited, Sampler,
        SamplingDecision, SamplingInput, SamplingResult, SpanDetails,
    },
};

const SECOND: Duration = Duration::from_secs(1);
const SPAN: SpanId = SpanId::from_static("00f067aa0ba902b7");
const ROOT: SamplingInput<'static> = SamplingInput::root(TraceId::from_static("4bf92f3577b34da6a3ce929d0e0e4736"));

fn is_sampled(sampler: &impl Sampler) -> bool {
    sampler.should_sample(&ROOT).decision.is_sampled()
}

/// Returns the number of sampled spans.
fn sampled(sampler: &impl Sampler, spans: usize) -> usize {
    (0..spans).filter(|_| is_sampled(sampler)).count()
}

#[test]
fn the_bucket_starts_full_and_is_refilled_evenly() {
    for start in [Duration::ZERO, Duration::from_secs(86_400)] {
        let now = Cell::new(start);
        let sampler = RateLimited::new(AlwaysOn, 10, SECOND, || now.get()).with_burst(3);
        assert_eq!(sampled(&sampler, 10), 3);
        for _ in 0..20 {
            now.set(now.get() + Duration::from_millis(99));
            assert!(!is_sampled(&sampler), "a token too early");
            now.set(now.get() + Duration::from_millis(1));
            assert_eq!(sampled(&sampler, 5), 1);
        }
        now.set(now.get() + Duration::from_millis(250));
        assert_eq!(sampled(&sampler, 5), 2);
        now.set(now.get() + Duration::from_millis(50));
        assert_eq!(sampled(&sampler, 5), 1, "the half token was lost");
    }
}

#[test]
fn the_burst_is_the_limit_unless_it_is_set() {
    let now = Cell::new(Duration::ZERO);
    let sampler = RateLimited::new(AlwaysOn, 10, SECOND, || now.get());
    assert_eq!(sampled(&sampler, 100), 10);
    // However long the pause.
    now.set(Duration::from_secs(1_000_000));
    assert_eq!(sampled(&sampler, 100), 10);
    now.set(now.get() + Duration::from_millis(500));
    assert_eq!(sampled(&sampler, 100), 5);
}

#[test]
fn a_limit_of_nothing_samples_nothing_and_a_burst_of_nothing_is_one() {
    let now = Cell::new(Duration::ZERO);
    let never = RateLimited::new(AlwaysOn, 0, SECOND, || now.get());
    let still_never = RateLimited::new(AlwaysOn, 0, Duration::ZERO, || now.get()).with_burst(5);
    let single = RateLimited::new(AlwaysOn, 10, SECOND, || now.get()).with_burst(0);
    for _ in 0..3 {
        assert_eq!((sampled(&never, 5), sampled(&still_never, 5), sampled(&single, 5)), (0, 0, 1));
        now.set(now.get() + SECOND);
    }
}

#[test]
fn a_period_of_nothing_is_a_token_every_nanosecond() {
    let now = Cell::new(Duration::ZERO);
    for period in [Duration::ZERO, Duration::from_nanos(1)] {
        let sampler = RateLimited::new(AlwaysOn, 2, period, || now.get());
        now.set(Duration::ZERO);
        assert_eq!(sampled(&sampler, 9), 2);
        now.set(Duration::from_nanos(1));
        assert_eq!(sampled(&sampler, 9), 1);
    }
}

// The documented bound: burst + rate * time, whatever the numbers.
#[test]
fn numbers_beyond_the_clock_keep_the_bound() {
    const ENDS: [Duration; 3] = [Duration::from_nanos(u64::MAX - 1), Duration::from_nanos(u64::MAX), Duration::MAX];
    for end in ENDS {
        for (limit, period, burst) in [
            (1, SECOND, 1),
            (u32::MAX, SECOND, 3),
            (1, Duration::MAX, 1),
            (1, Duration::MAX, 2),
            (3, Duration::from_secs(u64::from(u32::MAX) * 2), 7),
        ] {
            let now = Cell::new(Duration::ZERO);
            let sampler = RateLimited::new(AlwaysOn, limit, period, || now.get()).with_burst(burst);
            let first = sampled(&sampler, 100);
            assert!((1..=burst as usize).contains(&first), "{first} at once: {limit} in {period:?}, {burst}");
            now.set(end);
            let last = sampled(&sampler, 100);
            assert!(last <= burst as usize, "{last} at {end:?}: {limit} in {period:?}, {burst}");
        }
    }
    let now = Cell::new(Duration::ZERO);
    let sampler = RateLimited::new(AlwaysOn, u32::MAX, Duration::ZERO, || now.get()).with_burst(u32::MAX);
    assert_eq!(sampled(&sampler, 1_000), 1_000);
}

#[test]
fn a_clock_that_goes_back_gives_no_token_away() {
    let now = Cell::new(Duration::from_secs(100));
    let sampler = RateLimited::new(AlwaysOn, 10, SECOND, || now.get()).with_burst(2);
    assert_eq!(sampled(&sampler, 5), 2);
    now.set(Duration::from_secs(50));
    assert_eq!(sampled(&sampler, 5), 0);
    now.set(Duration::from_secs(100));
    assert_eq!(sampled(&sampler, 5), 0);
    now.set(Duration::from_millis(100_100));
    assert_eq!(sampled(&sampler, 5), 1);
}

#[test]
fn what_is_dropped_inside_takes_no_token() {
    let open = Cell::new(false);
    let inner =
        |input: &SamplingInput<'_>| if open.get() { AlwaysOn.should_sample(input) } else { SamplingResult::DROP };
    let sampler = RateLimited::new(By(inner), 2, SECOND, || Duration::ZERO);
    assert_eq!(sampled(&sampler, 100), 0);
    open.set(true);
    assert_eq!(sampled(&sampler, 100), 2);

    // Recording without sampling is not limited.
    let sampler = RateLimited::new(AlwaysRecord::new(AlwaysOff), 0, SECOND, || Duration::ZERO);
    assert_eq!(sampler.should_sample(&ROOT).decision, SamplingDecision::RecordOnly);
}

/// A sampler made of a closure.
struct By<F>(F);

impl<F: Fn(&SamplingInput<'_>) -> SamplingResult> Sampler for By<F> {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        self.0(input)
    }

    fn annotate(&self, input: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
        visit("name", input.span().name().into());
    }
}

// OTel 12: "A stage whose probability is unknown erases it"
#[test]
fn the_threshold_is_erased_with_a_token_and_without() {
    let traceparent = TraceParent::from_static("00-4bf92f3577b34da6a3ffffffffffffff-00f067aa0ba902b7-01");
    let limited = RateLimited::new(ProbabilitySampler::from_ratio(1, 4).unwrap(), 2, SECOND, || Duration::ZERO);
    let policy = Policy::new(limited).with_trust(Trust::Resample);
    let apply = |incoming: Incoming<'static>| {
        let outgoing = policy.apply(incoming, &IdsFrom::new(|| u64::MAX));
        (outgoing.decision().is_sampled(), outgoing.tracestate().to_string())
    };
    let parent = || TraceContext::new(traceparent, TraceState::from_static("a=b,ot=th:8;x:1")).into();
    assert_eq!(apply(parent()), (true, "ot=x:1,a=b".to_owned()));
    assert_eq!(apply(Incoming::Absent), (true, String::new()));
    assert_eq!(apply(parent()), (false, "ot=x:1,a=b".to_owned()));
}

// W3C 85
#[test]
fn callers_who_all_ask_for_sampling_get_no_more_than_the_limit() {
    let limited = RateLimited::new(ParentBased::new(AlwaysOff), 10, SECOND, || SECOND).with_burst(3);
    let policy = Policy::new(limited).with_trust(Trust::Resample);
    let forced = |trace: u128| {
        let caller = TraceParent::new(TraceId::from_u128(trace).unwrap(), SPAN, TraceFlags::SAMPLED);
        let outgoing = policy.apply(TraceContext::new(caller, TraceState::EMPTY).into(), &IdsFrom::new(|| 7));
        outgoing.traceparent().flags().is_sampled()
    };
    assert_eq!((1..=100).filter(|trace| forced(*trace)).count(), 3);
}

#[test]
fn annotations_come_from_inside() {
    let sampler = RateLimited::new(By(|_: &SamplingInput<'_>| SamplingResult::SAMPLE), 1, SECOND, || SECOND);
    let mut seen = Vec::new();
    let input = ROOT.with_span(SpanDetails::new("inner"));
    sampler.annotate(&input, &mut |key, value| seen.push(format!("{key}={value}")));
    assert_eq!(seen, ["name=inner"]);
}

#[cfg(feature = "std")]
#[test]
fn the_systems_clock_fills_the_bucket_first() {
    let sampler = RateLimited::per_second(AlwaysOn, 1);
    assert!(is_sampled(&sampler));
    assert_eq!(sampled(&RateLimited::per_second(AlwaysOn, 0), 5), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn the_bucket_is_that_of_the_model(
        limit in prop_oneof![1..20_u32, 1..=u32::MAX],
        period in prop_oneof![Just(1_000_000_000_u64), 1..5_000_u64, 1..=1_000_000_000_000_u64],
        burst in 0..6_u32,
        steps in vec((0..4_u64, 0..=16_u64, -2..=2_i64), 1..60),
    ) {
        // Tokens are counted in nanoseconds, each worth the interval, rounded up.
        let interval = period.div_ceil(u64::from(limit));
        let room = u64::from(burst.max(1)) * interval;
        let now = Cell::new(Duration::ZERO);
        let sampler =
            RateLimited::new(AlwaysOn, limit, Duration::from_nanos(period), || now.get()).with_burst(burst);
        let (mut time, mut level) = (0_u64, room);
        let mut taken = Vec::new();
        for (whole, sixteenths, off) in steps {
            let step = (whole * interval + interval * sixteenths / 16).saturating_add_signed(off);
            time += step;
            level = (level + step).min(room);
            now.set(Duration::from_nanos(time));
            let model = level >= interval;
            level -= if model { interval } else { 0 };
            prop_assert_eq!(is_sampled(&sampler), model, "at {}", time);
            if model {
                taken.push(time);
            }
        }
        // In no window more than burst + limit * time / period, in rational numbers.
        for (i, from) in taken.iter().enumerate() {
            for (j, to) in taken.iter().enumerate().skip(i) {
                let over = (j - i + 1) as u128 - (j - i + 1).min(burst.max(1) as usize) as u128;
                prop_assert!(over * u128::from(period) <= u128::from(limit) * u128::from(to - from));
            }
        }
    }

    #[test]
    fn a_clock_that_jumps_keeps_the_bound(times in vec(0..2_000_u64, 1..200), burst in 1..5_u32) {
        let now = Cell::new(Duration::ZERO);
        let sampler = RateLimited::new(AlwaysOn, 10, SECOND, || now.get()).with_burst(burst);
        let total = times.iter().filter(|time| {
            now.set(Duration::from_millis(**time));
            is_sampled(&sampler)
        }).count() as u64;
        let stretch = times.iter().max().unwrap() - times.iter().min().unwrap();
        prop_assert!(total <= u64::from(burst) + stretch / 100, "{} in {} ms", total, stretch);
    }
}

/// How many spans four threads sample together.
fn from_four_threads(sampler: &(impl Sampler + Sync), spans: usize) -> usize {
    thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(|| sampled(sampler, spans)));
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn four_threads_share_one_burst() {
    for burst in [1, 7, 1_000] {
        let sampler = RateLimited::new(AlwaysOn, 10, SECOND, || SECOND).with_burst(burst);
        assert_eq!(from_four_threads(&sampler, 2_000), burst as usize);
    }
}

#[test]
fn four_threads_share_every_token_of_a_clock_that_runs() {
    // Each look at the clock moves it by a fraction of a token, so the bucket is never full again.
    for (step, burst) in [(1, 2), (13, 64), (20, 500)] {
        let (time, tick) = (AtomicU64::new(0), AtomicU64::new(step));
        let clock = || Duration::from_nanos(time.fetch_add(tick.load(Ordering::Relaxed), Ordering::Relaxed));
        let sampler = RateLimited::new(AlwaysOn, 1, Duration::from_nanos(100), clock).with_burst(burst);
        let mut total = sampled(&sampler, 1);
        total += from_four_threads(&sampler, 20_000);
        tick.store(0, Ordering::Relaxed);
        total += sampled(&sampler, burst as usize);
        assert_eq!(total as u64, u64::from(burst) + time.load(Ordering::Relaxed) / 100);
    }
}
