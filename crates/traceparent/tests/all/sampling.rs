//! The samplers, and their statistics over IDs of a fixed seed.

use std::cell::Cell;

use traceparent::{
    IdGenerator, IdsFrom, Percent, Randomness, Threshold, TraceContext, TraceId, TraceParent, TraceState,
    sampler::{
        AlwaysOff, AlwaysOn, AttributeValue, Parent, ParentBased, ProbabilitySampler, Sampler, SamplingDecision,
        SamplingInput, SamplingResult, SpanDetails, SpanKind, ThresholdChange,
    },
};

use crate::common::{EXAMPLE, TRACE_ID};

/// A fixed sequence of IDs: SplitMix64.
fn fixed_ids() -> impl IdGenerator {
    let state = Cell::new(0_u64);
    IdsFrom::random(move || {
        state.set(state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let z = state.get();
        let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    })
}

fn sampled(sampler: &impl Sampler, trace_id: TraceId) -> bool {
    sampler.should_sample(&SamplingInput::root(trace_id)).decision.is_sampled()
}

fn context(flags: &str, list: &'static str) -> TraceContext<'static> {
    let header = EXAMPLE.replace("-01", &format!("-{flags}"));
    TraceContext::new(TraceParent::parse(header.as_bytes()).unwrap(), TraceState::from_static(list))
}

/// A sampler that is told from others by its result.
struct Named(u64);

impl Sampler for Named {
    fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
        SamplingResult::SAMPLE.with_threshold(ThresholdChange::Set(Threshold::from_bits(self.0).unwrap()))
    }
}

// OTel 18
#[test]
fn parent_based_asks_the_sampler_of_its_branch() {
    let sampler = ParentBased::new(Named(0))
        .with_remote_parent_sampled(Named(1))
        .with_remote_parent_not_sampled(Named(2))
        .with_local_parent_sampled(Named(3))
        .with_local_parent_not_sampled(Named(4));
    let (on, off) = (context("01", ""), context("02", ""));
    let root = SamplingInput::root(TraceId::from_static(TRACE_ID));
    let parents = [Parent::Remote(&on), Parent::Remote(&off), Parent::Local(&on), Parent::Local(&off)];
    let inputs = std::iter::once(root).chain(parents.map(SamplingInput::child_of));
    for (i, input) in inputs.enumerate() {
        assert_eq!(sampler.should_sample(&input), Named(i as u64).should_sample(&input));
    }
}

// OTel 18
#[test]
fn parent_based_follows_the_parent_by_default() {
    let (on, off) = (context("01", ""), context("00", ""));
    for (parent, expected) in [
        (Parent::Remote(&on), true),
        (Parent::Remote(&off), false),
        (Parent::Local(&on), true),
        (Parent::Local(&off), false),
    ] {
        let result = ParentBased::new(AlwaysOff).should_sample(&SamplingInput::child_of(parent));
        assert_eq!(result, SamplingResult::new(SamplingDecision::from_sampled(expected)));
    }
    assert!(sampled(&ParentBased::new(AlwaysOn), TraceId::from_static(TRACE_ID)));
    assert!(!sampled(&ParentBased::new(AlwaysOff), TraceId::from_static(TRACE_ID)));
}

#[test]
fn a_probability_sampler_says_its_threshold_when_it_samples() {
    let sampler = ProbabilitySampler::from_ratio(1, 4).unwrap();
    let result = sampler.should_sample(&SamplingInput::root(TraceId::from_static(TRACE_ID)));
    let quarter = Threshold::from_ratio(1, 4).unwrap();
    assert_eq!(result, SamplingResult::SAMPLE.with_threshold(ThresholdChange::Set(quarter)));
    let fifth = ProbabilitySampler::new(Threshold::from_ratio(1, 10).unwrap());
    assert_eq!(fifth.should_sample(&SamplingInput::root(TraceId::from_static(TRACE_ID))), SamplingResult::DROP);
}

// OTel 3, 20
#[test]
fn a_probability_sampler_ignores_the_parents_flag_and_honours_its_randomness() {
    let half = ProbabilitySampler::from_ratio(1, 2).unwrap();
    for flags in ["00", "01", "02", "03"] {
        let decide = |list| {
            let context = context(flags, list);
            half.should_sample(&SamplingInput::child_of(Parent::Remote(&context))).decision.is_sampled()
        };
        assert!(decide("rojo=1"));
        assert!(decide("ot=rv:80000000000000"));
        assert!(!decide("ot=rv:7fffffffffffff"));
        assert!(decide("ot=rv:7ffffff"), "a malformed rv is none");
    }
}

// OTel 3
#[test]
fn randomness_is_the_right_most_seven_bytes_unless_there_is_an_rv() {
    let id = TraceId::from_static("ffffffffffffffffff0123456789abcd");
    assert_eq!(SamplingInput::root(id).randomness().to_string(), "0123456789abcd");
    let explicit = context("01", "ot=rv:0000000000002a");
    let input = SamplingInput::child_of(Parent::Local(&explicit));
    assert_eq!(input.randomness(), Randomness::from_low_bits(42));
}

#[test]
fn nothing_and_everything_are_exact() {
    let ids = fixed_ids();
    let never = [ProbabilitySampler::from_ratio(0, 1).unwrap(), ProbabilitySampler::from_percent(Percent::ZERO)];
    let always = [ProbabilitySampler::from_ratio(1, 1).unwrap(), ProbabilitySampler::from_percent(Percent::HUNDRED)];
    for _ in 0..10_000 {
        let id = ids.new_trace_id();
        assert!(always.iter().all(|sampler| sampled(sampler, id)));
        assert!(!never.iter().any(|sampler| sampled(sampler, id)));
    }
    let (zero, ones) = (TraceId::from_u128(1 << 64).unwrap(), TraceId::from_u128(u128::MAX).unwrap());
    assert!(sampled(&always[0], zero) && !sampled(&never[0], ones));
    assert_eq!(never[0].threshold(), None);
    assert_eq!(ProbabilitySampler::from_ratio(0, 0), None);
    assert_eq!(ProbabilitySampler::from_ratio(2, 1), None);
}

#[test]
fn the_share_that_is_sampled_is_the_share_that_was_asked_for() {
    const N: u32 = 100_000;
    for percent in ["0.1", "1", "10", "12.5", "50", "99"] {
        let ids = fixed_ids();
        let percent: Percent = percent.parse().unwrap();
        let sampler = ProbabilitySampler::from_percent(percent);
        let p = sampler.threshold().unwrap().probability();
        let kept = (0..N).filter(|_| sampled(&sampler, ids.new_trace_id())).count() as f64;
        let deviation = (f64::from(N) * p * (1.0 - p)).sqrt();
        assert!((kept - f64::from(N) * p).abs() < 4.0 * deviation, "{percent} %: {kept} of {N}");
    }
}

#[test]
fn what_a_small_share_keeps_a_larger_one_keeps_too() {
    let ids = fixed_ids();
    let samplers = [1, 5, 10, 25, 50, 75, 99, 100].map(|n| ProbabilitySampler::from_ratio(n, 100).unwrap());
    for _ in 0..10_000 {
        let id = ids.new_trace_id();
        assert!(samplers.map(|sampler| sampled(&sampler, id)).is_sorted());
    }
}

// OTel 2
#[test]
fn adjusted_counts_add_up_to_all_traces() {
    let ids = fixed_ids();
    let sampler = ProbabilitySampler::from_ratio(1, 10).unwrap();
    let count = sampler.threshold().unwrap().adjusted_count();
    let total: f64 = (0..100_000).filter(|_| sampled(&sampler, ids.new_trace_id())).map(|_| count).sum();
    assert!((total - 100_000.0).abs() < 4.0 * 1000.0, "{total}");
}

#[test]
fn a_span_tells_the_sampler_its_name_kind_and_attributes() {
    let attributes = [("route", "/".into()), ("retry", true.into()), ("size", 7_i64.into()), ("load", 0.5.into())];
    let span = SpanDetails::new("GET /").with_kind(SpanKind::Server).with_attributes(&attributes);
    let input = SamplingInput::root(TraceId::from_static(TRACE_ID)).with_span(span);
    assert_eq!((input.span().name(), input.span().kind()), ("GET /", SpanKind::Server));
    let values = ["route", "retry", "size", "load", "none"].map(|key| input.span().attribute(key));
    let expected = [
        Some(AttributeValue::Str("/")),
        Some(AttributeValue::Bool(true)),
        Some(AttributeValue::I64(7)),
        Some(AttributeValue::F64(0.5)),
        None,
    ];
    assert_eq!(values, expected);
    assert_eq!(values.map(|value| value.map(|v| v.to_string()).unwrap_or_default()), ["/", "true", "7", "0.5", ""]);
}
