//! The samplers: the result of each, and the outgoing `tracestate`.

use std::cell::Cell;

use proptest::prelude::*;
use traceparent::{
    IdsFrom, Incoming, Percent, Policy, SpanId, Threshold, TraceContext, TraceFlags, TraceId, TraceParent, TraceState,
    Trust,
    sampler::{
        AlwaysOff, AlwaysOn, AlwaysRecord, AttributeValue, Parent, ParentBased, ProbabilitySampler, Sampler,
        SamplingDecision, SamplingInput, SamplingResult, ThresholdChange, TraceIdRatioBased,
    },
};

const SPAN: SpanId = SpanId::from_static("00f067aa0ba902b7");
const LOW: u64 = 0x40_0000_0000_0000;
const HIGH: u64 = 0xc0_0000_0000_0000;

/// The trace with this randomness.
fn trace(randomness: u64) -> TraceId {
    TraceId::from_u128(1 << 64 | u128::from(randomness)).unwrap()
}

/// A span of the trace with this randomness.
fn context(randomness: u64, sampled: bool, tracestate: &'static str) -> TraceContext<'static> {
    let flags = TraceFlags::NONE.with_sampled(sampled);
    TraceContext::new(TraceParent::new(trace(randomness), SPAN, flags), TraceState::from_static(tracestate))
}

/// Whether the request is sampled, and the `tracestate` that goes out.
fn apply<'a>(sampler: impl Sampler, trust: Trust, incoming: impl Into<Incoming<'a>>) -> (bool, String) {
    let outgoing = Policy::new(sampler).with_trust(trust).apply(incoming.into(), &IdsFrom::new(|| HIGH));
    assert_eq!(outgoing.traceparent().flags().is_sampled(), outgoing.decision().is_sampled());
    (outgoing.decision().is_sampled(), outgoing.tracestate().to_string())
}

fn resample(sampler: impl Sampler, parent: TraceContext<'_>) -> (bool, String) {
    apply(sampler, Trust::Resample, parent)
}

fn sampled(tracestate: &str) -> (bool, String) {
    (true, tracestate.to_owned())
}

fn dropped(tracestate: &str) -> (bool, String) {
    (false, tracestate.to_owned())
}

fn half() -> ProbabilitySampler {
    ProbabilitySampler::from_ratio(1, 2).unwrap()
}

/// A fixed sequence of numbers: splitmix64.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    (1..).map(move |i: u64| {
        let z = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    })
}

/// Answers one thing, writes down that it was asked, and annotates with its name.
struct Asked<'a>(&'static str, SamplingDecision, &'a Cell<&'static str>);

impl Sampler for Asked<'_> {
    fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
        self.2.set(self.0);
        SamplingResult::new(self.1)
    }

    fn annotate(&self, _: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
        visit("sampler", self.0.into());
    }
}

fn annotations(sampler: &dyn Sampler, input: &SamplingInput<'_>) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    sampler.annotate(input, &mut |key, value| seen.push((key.to_owned(), value.to_string())));
    seen
}

// OTel 18
#[test]
fn always_on_and_always_off_look_at_nothing() {
    for parent in [context(LOW, true, ""), context(LOW, false, ""), context(HIGH, false, "ot=rv:00000000000000")] {
        assert!(resample(AlwaysOn, parent.clone()).0);
        assert!(!resample(AlwaysOff, parent.clone()).0);
        let local = SamplingInput::child_of(Parent::Local(&parent));
        assert_eq!(AlwaysOn.should_sample(&local), SamplingResult::SAMPLE);
        assert_eq!(AlwaysOff.should_sample(&local), SamplingResult::DROP);
    }
    assert_eq!(apply(AlwaysOn, Trust::Continue, Incoming::Absent), sampled(""));
    assert_eq!(apply(AlwaysOff, Trust::Continue, Incoming::Absent), dropped(""));
}

// OTel 14, 21
#[test]
fn always_record_turns_a_drop_into_a_record_without_a_flag_or_threshold() {
    let parent = context(HIGH, true, "ot=th:8;x:1,a=b");
    let outgoing =
        Policy::new(AlwaysRecord::new(AlwaysOff)).with_trust(Trust::Resample).apply(parent.into(), &IdsFrom::new(|| 7));
    assert_eq!(outgoing.decision(), SamplingDecision::RecordOnly);
    assert!(outgoing.decision().is_recorded() && !outgoing.decision().is_sampled());
    assert!(!outgoing.traceparent().flags().is_sampled());
    assert_eq!(outgoing.tracestate().to_string(), "ot=x:1,a=b");
}

// OTel 21
#[test]
fn always_record_leaves_other_answers_and_annotations_alone() {
    let log = Cell::new("");
    let input = SamplingInput::root(trace(HIGH));
    for decision in [SamplingDecision::RecordOnly, SamplingDecision::RecordAndSample] {
        let sampler = AlwaysRecord::new(Asked("inner", decision, &log));
        assert_eq!(sampler.should_sample(&input), SamplingResult::new(decision));
        assert_eq!(annotations(&sampler, &input), [("sampler".to_owned(), "inner".to_owned())]);
    }
    assert_eq!(AlwaysRecord::new(half()).should_sample(&input), half().should_sample(&input));
}

// W3C 22
#[test]
fn where_a_decision_is_deferred_a_share_may_be_flagged_of_all_that_is_recorded() {
    let policy = Policy::new(AlwaysRecord::new(half())).with_trust(Trust::Resample);
    for (randomness, flagged) in [(LOW, false), ((1 << 55) - 1, false), (1 << 55, true), (HIGH, true)] {
        for incoming in [Incoming::Absent, context(randomness, !flagged, "").into()] {
            let outgoing = policy.apply(incoming, &IdsFrom::new(|| randomness));
            assert!(outgoing.decision().is_recorded());
            assert_eq!(outgoing.traceparent().flags().is_sampled(), flagged, "{randomness:x}");
        }
    }
}

// OTel 18
#[test]
fn each_branch_of_parent_based_can_be_replaced() {
    let log = Cell::new("");
    let asked = |name| Asked(name, SamplingDecision::RecordOnly, &log);
    let sampler = ParentBased::new(asked("root"))
        .with_remote_parent_sampled(asked("remote on"))
        .with_remote_parent_not_sampled(asked("remote off"))
        .with_local_parent_sampled(asked("local on"))
        .with_local_parent_not_sampled(asked("local off"));
    let (on, off) = (context(LOW, true, ""), context(LOW, false, ""));
    for (input, branch) in [
        (SamplingInput::root(trace(LOW)), "root"),
        (SamplingInput::child_of(Parent::Remote(&on)), "remote on"),
        (SamplingInput::child_of(Parent::Remote(&off)), "remote off"),
        (SamplingInput::child_of(Parent::Local(&on)), "local on"),
        (SamplingInput::child_of(Parent::Local(&off)), "local off"),
    ] {
        assert_eq!(sampler.should_sample(&input).decision, SamplingDecision::RecordOnly);
        assert_eq!(log.take(), branch);
        assert_eq!(annotations(&sampler, &input), [("sampler".to_owned(), branch.to_owned())]);
    }
}

// OTel 18
#[test]
fn parent_based_follows_any_parent_by_default_and_asks_about_roots_only() {
    let parents = [context(LOW, true, "ot=th:0"), context(LOW, false, "")];
    for root in [&AlwaysOn as &dyn Sampler, &AlwaysOff] {
        let sampler = ParentBased::new(root);
        let input = SamplingInput::root(trace(LOW));
        assert_eq!(sampler.should_sample(&input), root.should_sample(&input));
        for parent in &parents {
            for parent in [Parent::Remote(parent), Parent::Local(parent)] {
                let result = sampler.should_sample(&SamplingInput::child_of(parent));
                assert_eq!(result.decision, SamplingDecision::from_sampled(parent.is_sampled()));
                assert_eq!(result.threshold, ThresholdChange::Keep);
            }
        }
    }
}

/// The OpenTelemetry SDK's decision, as it is written there.
fn sdk_ratio(ratio: f64, id: TraceId) -> bool {
    if ratio >= 1.0 {
        return true;
    }
    let bound = (ratio.max(0.0) * (1_u64 << 63) as f64) as u64;
    let bytes = id.to_bytes();
    u64::from_be_bytes(*bytes.last_chunk().unwrap()) >> 1 < bound
}

fn by_ratio(ratio: f64, low: u64) -> bool {
    let id = TraceId::from_u128(1 << 64 | u128::from(low)).unwrap();
    TraceIdRatioBased::new(ratio).should_sample(&SamplingInput::root(id)).decision.is_sampled()
}

// OTel 19
#[test]
fn the_ratio_of_trace_ids_has_sharp_edges() {
    for low in [0, 1, 2, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
        for none in [0.0, -0.0, -1.0, f64::NAN, f64::NEG_INFINITY, f64::MIN_POSITIVE, 1e-19] {
            assert!(!by_ratio(none, low), "{none} {low:x}");
        }
        for all in [1.0, 1.5, f64::MAX, f64::INFINITY] {
            assert!(by_ratio(all, low), "{all} {low:x}");
        }
    }
    // 2^-63 keeps the ids whose low 63 bits, without the last, are 0.
    let least = 0.5_f64.powi(63);
    assert_eq!([0, 1, 2, 3].map(|low| by_ratio(least, low)), [true, true, false, false]);
    // Next to 1, floats are 2^-53 apart.
    let most = 1.0 - 0.5_f64.powi(53);
    let bound = (1_u64 << 63) - (1 << 10);
    assert_eq!([2 * bound - 1, 2 * bound].map(|low| by_ratio(most, low)), [true, false]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    // OTel 19
    #[test]
    fn the_ratio_of_trace_ids_is_the_sdks(
        ratio in prop_oneof![0.0..=1.0_f64, any::<f64>(), (0..70_i32).prop_map(|power| 0.5_f64.powi(power))],
        id in 1..=u128::MAX,
        near in -3..=3_i64,
    ) {
        let bound = (f64::clamp(ratio, 0.0, 1.0) * (1_u64 << 63) as f64) as u64;
        let edge = TraceId::from_u128(1 << 64 | u128::from(bound.wrapping_mul(2).wrapping_add_signed(near))).unwrap();
        for id in [TraceId::from_u128(id).unwrap(), edge] {
            let result = TraceIdRatioBased::new(ratio).should_sample(&SamplingInput::root(id));
            prop_assert_eq!(result.decision.is_sampled(), sdk_ratio(ratio, id));
            prop_assert_eq!(result.threshold, ThresholdChange::Keep);
        }
    }

    // OTel 1
    #[test]
    fn what_is_kept_at_a_probability_is_kept_at_every_higher_one(
        (low, high) in (1..=1000_u64, 1..=1000_u64).prop_map(|(a, b)| (a.min(b), a.max(b))),
        randomness in 0..1_u64 << 56,
        explicit in proptest::option::of(0..1_u64 << 56),
    ) {
        let [low, high] = [low, high].map(|share| ProbabilitySampler::from_ratio(share, 1000).unwrap());
        let list = explicit.map_or(String::new(), |rv| format!("ot=rv:{rv:014x}"));
        let traceparent = TraceParent::new(trace(randomness), SPAN, TraceFlags::NONE);
        let first = TraceContext::new(traceparent, TraceState::parse(list.as_bytes()).unwrap());
        let (kept, list) = resample(low, first);
        let second = TraceContext::new(traceparent, TraceState::parse(list.as_bytes()).unwrap());
        let (kept_too, list) = resample(high, second);
        prop_assert!(!kept || kept_too);
        let randomness = explicit.unwrap_or(randomness);
        prop_assert_eq!(kept_too, randomness >= high.threshold().unwrap().to_bits());
        let ot = TraceState::parse(list.as_bytes()).unwrap();
        let threshold = ot.ot().and_then(|ot| ot.threshold());
        prop_assert_eq!(threshold, high.threshold().filter(|_| kept_too));
    }
}

// OTel 20
#[test]
fn the_probability_sampler_ignores_the_parents_flag() {
    for flag in [false, true] {
        assert_eq!(resample(half(), context(HIGH, flag, "")), sampled("ot=th:8"));
        assert_eq!(resample(half(), context(LOW, flag, "")), dropped(""));
        // The boundary is inclusive.
        assert!(resample(half(), context(1 << 55, flag, "")).0);
        assert!(!resample(half(), context((1 << 55) - 1, flag, "")).0);
    }
}

// OTel 3, 4
#[test]
fn explicit_randomness_counts_before_the_trace_id_and_stays() {
    let kept = context(LOW, false, "a=b,ot=rv:80000000000000");
    assert_eq!(resample(half(), kept), sampled("ot=th:8;rv:80000000000000,a=b"));
    let lost = context(HIGH, true, "a=b,ot=rv:7fffffffffffff;th:0");
    assert_eq!(resample(half(), lost), dropped("ot=rv:7fffffffffffff,a=b"));
    // A malformed one is none.
    assert_eq!(resample(half(), context(HIGH, true, "ot=rv:0;x:1")), sampled("ot=th:8;x:1"));
}

// OTel 12, 20
#[test]
fn the_probability_sampler_writes_its_threshold_wherever_the_trace_comes_from() {
    assert_eq!(apply(half(), Trust::Continue, Incoming::Absent), sampled("ot=th:8"));
    assert_eq!(apply(half(), Trust::Restart, context(LOW, false, "ot=th:c;x:1,a=b")), sampled("ot=th:8"));
    assert_eq!(apply(half(), Trust::Ignore, context(LOW, false, "ot=th:c")), sampled("ot=th:8"));
    assert_eq!(resample(half(), context(HIGH, true, "a=b,ot=th:c;x:1")), sampled("ot=th:8;x:1,a=b"));
    let tenth = ProbabilitySampler::from_percent(Percent::from_static("10"));
    assert_eq!(resample(tenth, context((1 << 56) - 1, true, "")), sampled("ot=th:e666"));
    assert_eq!(resample(tenth, context(HIGH, true, "ot=th:8")), dropped(""));
}

// OTel 14
#[test]
fn a_share_of_nothing_drops_everything_and_removes_the_threshold() {
    for never in [ProbabilitySampler::from_percent(Percent::ZERO), ProbabilitySampler::from_ratio(0, 5).unwrap()] {
        assert_eq!(never.threshold(), None);
        assert_eq!(resample(never, context((1 << 56) - 1, true, "ot=th:0;x:1,a=b")), dropped("ot=x:1,a=b"));
    }
    assert_eq!(ProbabilitySampler::from_ratio(0, 0), None);
    assert_eq!(ProbabilitySampler::from_ratio(2, 1), None);
    assert_eq!(resample(ProbabilitySampler::new(Threshold::ALWAYS), context(0, false, "")), sampled("ot=th:0"));
}

// OTel 13
#[test]
fn a_threshold_that_its_own_trace_contradicts_is_erased_and_the_parent_followed() {
    for follow in [Trust::Continue, Trust::Resample] {
        let sampler = ParentBased::new(AlwaysOff);
        assert_eq!(apply(sampler, follow, context(LOW, true, "a=b,ot=th:8;x:1")), sampled("ot=x:1,a=b"));
        assert_eq!(apply(sampler, follow, context(HIGH, true, "a=b,ot=th:8;x:1")), sampled("a=b,ot=th:8;x:1"));
        assert_eq!(apply(sampler, follow, context(HIGH, false, "a=b,ot=th:8;x:1")), dropped("ot=x:1,a=b"));
    }
}

#[test]
fn shares_come_out_as_asked_over_a_fixed_population() {
    const TRACES: usize = 100_000;
    for (kept, of) in [(1, 2), (1, 10), (1, 100), (9, 10)] {
        let share = f64::from(kept) / f64::from(of);
        let samplers: [&dyn Sampler; 2] = [
            &ProbabilitySampler::from_ratio(u64::from(kept as u32), u64::from(of as u32)).unwrap(),
            &TraceIdRatioBased::new(share),
        ];
        for sampler in samplers {
            let is_sampled = |id: &u64| {
                let id = TraceId::from_u128(1 << 64 | u128::from(*id)).unwrap();
                sampler.should_sample(&SamplingInput::root(id)).decision.is_sampled()
            };
            let count = numbers(1).take(TRACES).filter(is_sampled).count() as f64;
            let (mean, variance) = (TRACES as f64 * share, TRACES as f64 * share * (1.0 - share));
            assert!((count - mean).abs() < 5.0 * variance.sqrt(), "{count} of {TRACES} at {share}");
        }
    }
}

#[cfg(feature = "alloc")]
#[test]
fn samplers_answer_the_same_behind_any_pointer() {
    use std::sync::Arc;

    use traceparent::sampler::composite::{self, CompositeSampler};

    type Pointer = Arc<dyn Sampler + Send + Sync>;
    let input = SamplingInput::root(trace(HIGH));
    let inner = composite::Annotating::new(&[("sampler", AttributeValue::Str("inner"))], composite::AlwaysOff);
    let direct = AlwaysRecord::new(CompositeSampler::new(inner, IdsFrom::new(|| 7)));
    let pointers: [&dyn Sampler; 5] = [
        &&direct,
        &Box::new(direct),
        &Arc::new(direct),
        &(Box::new(direct) as Box<dyn Sampler>),
        &(Arc::new(direct) as Pointer),
    ];
    for sampler in pointers {
        assert_eq!(sampler.should_sample(&input).decision, SamplingDecision::RecordOnly);
        assert_eq!(annotations(sampler, &input), [("sampler".to_owned(), "inner".to_owned())]);
    }
    let shared: Pointer = Arc::new(half());
    assert!(apply(shared, Trust::Continue, Incoming::Absent).0);
}
