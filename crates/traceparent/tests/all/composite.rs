//! Composable samplers: each row of the specification's table, and the `tracestate` that goes out.

use std::cell::Cell;

use proptest::prelude::*;
use traceparent::{
    IdGenerator, IdsFrom, Incoming, Percent, Policy, SpanId, Threshold, TraceContext, TraceFlags, TraceId, TraceParent,
    TraceState, Trust,
    sampler::{
        AttributeValue, Parent, Rule, Sampler, SamplingInput, SpanDetails,
        composite::{self, ComposableSampler, CompositeSampler, SamplingIntent},
    },
};

const SPAN: SpanId = SpanId::from_static("00f067aa0ba902b7");
const LOW: u64 = 0x40_0000_0000_0000;
const HIGH: u64 = 0xc0_0000_0000_0000;
const HALF: Threshold = Threshold::from_ratio(1, 2).unwrap();
const QUARTER: Threshold = Threshold::from_ratio(1, 4).unwrap();

/// A span of the trace with this randomness.
fn context(randomness: u64, sampled: bool, tracestate: &str) -> TraceContext<'_> {
    let trace_id = TraceId::from_u128(1 << 64 | u128::from(randomness)).unwrap();
    let flags = TraceFlags::NONE.with_sampled(sampled);
    TraceContext::new(TraceParent::new(trace_id, SPAN, flags), TraceState::parse(tracestate.as_bytes()).unwrap())
}

/// Fresh randomness that is always the same.
fn fresh(randomness: u64) -> impl IdGenerator {
    IdsFrom::new(move || 1 << 63 | randomness)
}

/// Fresh randomness that must not be used.
fn unasked() -> impl IdGenerator {
    IdsFrom::new(|| unreachable!("asked for fresh randomness"))
}

/// Whether the span is sampled, and the `tracestate` that goes out.
fn decide<'a>(
    sampler: impl ComposableSampler,
    randomness: impl IdGenerator,
    incoming: impl Into<Incoming<'a>>,
) -> (bool, String) {
    let policy = Policy::new(CompositeSampler::new(sampler, randomness)).with_trust(Trust::Resample);
    let outgoing = policy.apply(incoming.into(), &fresh(HIGH));
    (outgoing.decision().is_sampled(), outgoing.tracestate().to_string())
}

fn sampled(tracestate: &str) -> (bool, String) {
    (true, tracestate.to_owned())
}

fn dropped(tracestate: &str) -> (bool, String) {
    (false, tracestate.to_owned())
}

fn intent(sampler: impl ComposableSampler, parent: Option<&TraceContext<'_>>) -> (Option<Threshold>, bool) {
    let root = SamplingInput::root(TraceId::from_u128(u128::from(HIGH)).unwrap());
    let input = parent.map_or(root, |parent| SamplingInput::child_of(Parent::Remote(parent)));
    let intent = sampler.sampling_intent(&input);
    (intent.threshold, intent.adjusted_count_reliable)
}

/// A composable sampler whose intent is always the same.
struct Fixed(SamplingIntent);

impl ComposableSampler for Fixed {
    fn sampling_intent(&self, _: &SamplingInput<'_>) -> SamplingIntent {
        self.0
    }
}

// OTel 16
#[test]
fn samplers_that_do_not_delegate_intend_the_same_for_every_parent() {
    let parents = [context(LOW, true, "ot=th:8"), context(HIGH, false, "")];
    for parent in [None, Some(&parents[0]), Some(&parents[1])] {
        assert_eq!(intent(composite::AlwaysOn, parent), (Some(Threshold::ALWAYS), true));
        assert_eq!(intent(composite::AlwaysOff, parent), (None, false));
        assert_eq!(intent(composite::Probability::new(QUARTER), parent), (Some(QUARTER), true));
        assert_eq!(
            intent(composite::Probability::from_percent(Percent::from_static("25")), parent),
            (Some(QUARTER), true)
        );
        // 0 means always-off.
        assert_eq!(intent(composite::Probability::from_percent(Percent::ZERO), parent), (None, false));
    }
}

// OTel 16
#[test]
fn the_parents_threshold_is_intended_where_there_is_one() {
    let sampler = composite::ParentThreshold::new(composite::Probability::new(QUARTER));
    assert_eq!(intent(sampler, None), (Some(QUARTER), true));
    assert_eq!(intent(composite::ParentThreshold::new(composite::AlwaysOff), None), (None, false));
    for (sampled, tracestate, intended) in [
        (true, "ot=th:8", (Some(HALF), true)),
        (false, "ot=th:8", (Some(HALF), true)),
        (true, "ot=th:0", (Some(Threshold::ALWAYS), true)),
        (true, "ot=x:1", (Some(Threshold::ALWAYS), false)),
        (true, "", (Some(Threshold::ALWAYS), false)),
        (true, "ot=th:G", (Some(Threshold::ALWAYS), false)),
        (false, "a=b", (None, false)),
        // Never by the randomness, which the threshold is there to be compared with.
        (false, "ot=th:e", (Threshold::from_bits(0xe0_0000_0000_0000), true)),
    ] {
        assert_eq!(intent(sampler, Some(&context(HIGH, sampled, tracestate))), intended, "{sampled} {tracestate}");
    }
}

// OTel 16
#[test]
fn rules_and_annotations_intend_what_they_delegate_to() {
    let half = composite::Probability::new(HALF);
    let unreliable = Fixed(SamplingIntent::unreliable(QUARTER));
    for delegate in [&composite::AlwaysOn as &dyn ComposableSampler, &composite::AlwaysOff, &half, &unreliable] {
        let direct = intent(delegate, None);
        let skipped = Rule::new().with_names(&["other"]);
        let rules: [(Rule<'_>, &dyn ComposableSampler); 2] =
            [(skipped, &Fixed(SamplingIntent::DROP)), (Rule::new(), delegate)];
        assert_eq!(intent(composite::RuleBased::new(rules), None), direct);
        assert_eq!(intent(composite::RuleBased::new(&rules[..]), None), direct);
        assert_eq!(intent(composite::Annotating::new(&[("k", AttributeValue::Bool(true))], delegate), None), direct);
        assert_eq!(intent(composite::ParentThreshold::new(delegate), None), direct);
        assert_eq!(intent(composite::RuleBased::new([(skipped, delegate)]), None), (None, false));
    }
}

// OTel 15
#[test]
fn a_reliable_threshold_asks_for_the_traces_randomness_and_goes_out() {
    let half = composite::Probability::new(HALF);
    assert_eq!(decide(half, unasked(), Incoming::Absent), sampled("ot=th:8"));
    assert_eq!(decide(half, unasked(), context(HIGH, false, "")), sampled("ot=th:8"));
    assert_eq!(decide(half, unasked(), context(1 << 55, false, "a=b,ot=th:c;x:1")), sampled("ot=th:8;x:1,a=b"));
    assert_eq!(decide(half, unasked(), context((1 << 55) - 1, true, "")), dropped(""));
    assert_eq!(decide(composite::AlwaysOn, unasked(), context(0, false, "ot=th:f")), sampled("ot=th:0"));
    // Explicit randomness counts first, and stays.
    assert_eq!(
        decide(half, unasked(), context(LOW, true, "ot=rv:80000000000000;x:1")),
        sampled("ot=th:8;rv:80000000000000;x:1"),
    );
    assert_eq!(
        decide(half, unasked(), context(HIGH, true, "ot=th:0;x:1;rv:7fffffffffffff,a=b")),
        dropped("ot=rv:7fffffffffffff;x:1,a=b"),
    );
}

// OTel 15
#[test]
fn an_unreliable_threshold_asks_for_fresh_randomness_and_does_not_go_out() {
    let unreliable = || Fixed(SamplingIntent::unreliable(HALF));
    for tracestate in ["a=b,ot=th:4;x:1", "ot=x:1,a=b,ot=th:0"] {
        for randomness in [0, LOW, HIGH] {
            let parent = || context(randomness, true, tracestate);
            assert!(decide(unreliable(), fresh(1 << 55), parent()).0);
            assert!(!decide(unreliable(), fresh((1 << 55) - 1), parent()).0);
        }
    }
    assert_eq!(decide(unreliable(), fresh(HIGH), context(LOW, true, "a=b,ot=th:4;x:1")), sampled("ot=x:1,a=b"));
    assert_eq!(decide(unreliable(), fresh(LOW), context(HIGH, true, "a=b,ot=th:4;x:1")), dropped("ot=x:1,a=b"));
    assert_eq!(
        decide(unreliable(), fresh(HIGH), context(LOW, true, "ot=rv:00000000000000;th:0")),
        sampled("ot=rv:00000000000000"),
    );
    assert_eq!(decide(unreliable(), fresh(HIGH), Incoming::Absent), sampled(""));
}

#[test]
fn fresh_randomness_is_drawn_anew_for_each_span() {
    let script = Cell::new(0_u64);
    // The right-hand number of each pair is the randomness.
    let draws = || {
        script.set(script.get() + 1);
        if script.get() % 4 == 2 { HIGH } else { LOW }
    };
    let sampler = CompositeSampler::new(Fixed(SamplingIntent::unreliable(HALF)), IdsFrom::new(draws));
    let input = SamplingInput::root(TraceId::from_u128(1).unwrap());
    let decisions = [(); 6].map(|()| sampler.should_sample(&input).decision.is_sampled());
    assert_eq!(decisions, [true, false, true, false, true, false]);
    assert_eq!(script.get(), 12);
}

// OTel 14, 15
#[test]
fn without_a_threshold_the_span_is_dropped_and_asks_for_nothing() {
    for tracestate in ["", "a=b", "ot=th:0"] {
        let out = if tracestate == "a=b" { "a=b" } else { "" };
        assert_eq!(decide(composite::AlwaysOff, unasked(), context(HIGH, true, tracestate)), dropped(out));
    }
    let keeps = "ot=rv:ffffffffffffff;x:1,a=b";
    assert_eq!(
        decide(composite::AlwaysOff, unasked(), context(HIGH, true, "a=b,ot=th:8;rv:ffffffffffffff;x:1")),
        dropped(keeps)
    );
}

// OTel 13
#[test]
fn the_parents_decision_is_followed_as_far_as_it_is_believed() {
    let sampler = || composite::ParentThreshold::new(composite::AlwaysOff);
    let cases = [
        // Sampled, and the threshold agrees: nothing changes.
        (HIGH, true, "a=b,ot=x:1;th:8", sampled("a=b,ot=x:1;th:8")),
        // Sampled, and it does not.
        (LOW, true, "a=b,ot=x:1;th:8", sampled("ot=x:1,a=b")),
        (HIGH, true, "a=b,ot=th:8;rv:00000000000001", sampled("ot=rv:00000000000001,a=b")),
        // Sampled, without a threshold.
        (LOW, true, "a=b,ot=x:1", sampled("a=b,ot=x:1")),
        // Not sampled: by the threshold where there is one.
        (LOW, false, "a=b,ot=x:1;th:8", dropped("ot=x:1,a=b")),
        (LOW, false, "a=b", dropped("a=b")),
        (HIGH, false, "", dropped("")),
    ];
    for (randomness, flag, tracestate, expected) in cases {
        assert_eq!(decide(sampler(), fresh(0), context(randomness, flag, tracestate)), expected, "{tracestate}");
    }
}

fn annotations(sampler: &dyn Sampler, input: &SamplingInput<'_>) -> Vec<String> {
    let mut seen = Vec::new();
    sampler.annotate(input, &mut |key, value| seen.push(format!("{key}={value}")));
    seen
}

// OTel 16
#[test]
fn annotations_come_from_the_samplers_that_were_asked() {
    let inner = composite::Annotating::new(
        &[("inner", AttributeValue::I64(1)), ("b", AttributeValue::Bool(true))],
        composite::AlwaysOn,
    );
    let outer = composite::Annotating::new(&[("outer", AttributeValue::Str("x"))], inner);
    let other = composite::Annotating::new(&[("other", AttributeValue::F64(0.5))], composite::AlwaysOn);
    let rules: [(Rule<'_>, &dyn ComposableSampler); 2] =
        [(Rule::new().with_names(&["a*"]), &outer), (Rule::new().with_names(&["*b"]), &other)];
    let sampler = CompositeSampler::new(composite::RuleBased::new(rules), unasked());
    let root = |name| SamplingInput::root(TraceId::from_u128(1).unwrap()).with_span(SpanDetails::new(name));
    assert_eq!(annotations(&sampler, &root("ab")), ["inner=1", "b=true", "outer=x"]);
    assert_eq!(annotations(&sampler, &root("b")), ["other=0.5"]);
    assert!(annotations(&sampler, &root("c")).is_empty());

    // Of one key, the outer value.
    let again = [("b", AttributeValue::I64(1)), ("b", AttributeValue::I64(2))];
    let nested = CompositeSampler::new(composite::Annotating::new(&again, inner), unasked());
    assert_eq!(annotations(&nested, &root("")), ["inner=1", "b=2"]);

    let parent = context(HIGH, true, "");
    let sampler = CompositeSampler::new(composite::ParentThreshold::new(other), fresh(0));
    assert_eq!(annotations(&sampler, &root("")), ["other=0.5"]);
    assert!(annotations(&sampler, &SamplingInput::child_of(Parent::Local(&parent))).is_empty());
}

proptest! {
    #[test]
    fn a_second_stage_that_follows_the_threshold_decides_as_the_first(
        share in 1..=1000_u64,
        randomness in 1..1_u64 << 56,
        explicit in proptest::option::of(0..1_u64 << 56),
    ) {
        let first = composite::Probability::new(Threshold::from_ratio(share, 1000).unwrap());
        let list = explicit.map_or(String::new(), |rv| format!("ot=rv:{rv:014x}"));
        let (kept, list) = decide(first, unasked(), context(randomness, false, &list));
        let second = composite::ParentThreshold::new(composite::AlwaysOff);
        prop_assert_eq!(decide(second, fresh(0), context(randomness, kept, &list)), (kept, list.clone()));
        // A third one at a higher share keeps at least as much, whatever the flag says.
        let third = composite::Probability::new(Threshold::from_ratio(share + 1, 1001).unwrap());
        prop_assert!(!kept || decide(third, unasked(), context(randomness, false, &list)).0);
    }

    #[test]
    fn what_goes_out_is_consistent(
        flag in any::<bool>(),
        randomness in 1..1_u64 << 56,
        th in proptest::option::of(0..1_u64 << 56),
        own in 0..1_u64 << 56,
        which in 0..4_u8,
    ) {
        let own = Threshold::from_bits(own).unwrap();
        let probability = composite::Probability::new(own);
        let sampler: &dyn ComposableSampler = match which {
            0 => &composite::AlwaysOn,
            1 => &probability,
            2 => &Fixed(SamplingIntent::unreliable(own)),
            _ => &composite::ParentThreshold::new(probability),
        };
        let list = th.map_or("ot=x:1".to_owned(), |th| format!("ot=x:1;th:{th:014x}"));
        let (kept, list) = decide(sampler, fresh(HIGH), context(randomness, flag, &list));
        let list = TraceState::parse(list.as_bytes()).unwrap();
        let threshold = list.ot().unwrap().threshold();
        // A span that is dropped has no threshold, and one that is sampled none that would drop it.
        prop_assert!(threshold.is_none_or(|threshold| kept && threshold.to_bits() <= randomness));
        prop_assert_eq!(list.ot().unwrap().get("x"), Some("1"));
    }
}

// OTel 2
#[test]
fn adjusted_counts_add_up_to_the_population() {
    const SPANS: u32 = 40_000;
    let state = Cell::new(7_u64);
    let ids = IdsFrom::random(|| {
        state.set(state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let z = state.get();
        let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    });
    let (half, tenth) =
        (composite::Probability::new(HALF), composite::Probability::from_percent(Percent::from_static("10")));
    let rules: [(Rule<'_>, &dyn ComposableSampler); 3] = [
        (Rule::new().with_names(&["0"]), &composite::AlwaysOn),
        (Rule::new().with_names(&["1"]), &half),
        (Rule::new(), &tenth),
    ];
    let roots = composite::ParentThreshold::new(composite::RuleBased::new(rules));
    let first = Policy::new(CompositeSampler::new(roots, &ids)).with_trust(Trust::Resample);
    let second = Policy::new(CompositeSampler::new(composite::ParentThreshold::new(composite::AlwaysOff), &ids))
        .with_trust(Trust::Resample);

    let (mut sum, mut variance) = (0.0, 0.0);
    for i in 0..SPANS {
        let name = (i % 4).to_string();
        let outgoing = first.apply_to(SpanDetails::new(&name), Incoming::Absent, &ids);
        let list = outgoing.tracestate().to_string();
        let received = TraceContext::new(outgoing.traceparent(), TraceState::parse(list.as_bytes()).unwrap());
        let onwards = second.apply(received.into(), &ids);
        assert_eq!(onwards.decision(), outgoing.decision());
        assert_eq!(onwards.tracestate().to_string(), list);
        variance += [0.0, 1.0, 9.0, 9.0][(i % 4) as usize];
        if outgoing.decision().is_sampled() {
            sum += TraceState::parse(list.as_bytes()).unwrap().ot().unwrap().threshold().unwrap().adjusted_count();
        }
    }
    assert!((sum - f64::from(SPANS)).abs() < 5.0 * f64::sqrt(variance), "{sum}");
}
