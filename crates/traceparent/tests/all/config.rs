//! Samplers of other configurations: `OTEL_TRACES_SAMPLER` with its argument, and the percentages of proxies.

use proptest::{prelude::*, sample::select};
use traceparent::{
    IdsFrom, Incoming, Percent, Policy, SpanId, Threshold, TraceContext, TraceFlags, TraceId, TraceParent, TraceState,
    Trust,
    sampler::{
        AlwaysOff, AlwaysOn, AttributeValue, Parent, ParentBased, PercentageSampler, Sampler, SamplerConfig,
        SamplerConfigError, SamplingInput, SpanDetails, TraceIdRatioBased,
    },
};

const SPAN: SpanId = SpanId::from_static("00f067aa0ba902b7");
const LOW: u64 = 0x40_0000_0000_0000;
const HIGH: u64 = 0xc0_0000_0000_0000;

const NAMES: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

fn parse(sampler: &str, arg: &str) -> Result<SamplerConfig, SamplerConfigError> {
    SamplerConfig::parse(Some(sampler), Some(arg))
}

fn ratio(ratio: f64) -> SamplerConfig {
    SamplerConfig::TraceIdRatio(TraceIdRatioBased::new(ratio))
}

// OTel 22
#[test]
fn each_name_means_its_sampler() {
    let samplers = [
        SamplerConfig::AlwaysOn(AlwaysOn),
        SamplerConfig::AlwaysOff(AlwaysOff),
        ratio(0.25),
        SamplerConfig::ParentBasedAlwaysOn(ParentBased::new(AlwaysOn)),
        SamplerConfig::ParentBasedAlwaysOff(ParentBased::new(AlwaysOff)),
        SamplerConfig::ParentBasedTraceIdRatio(ParentBased::new(TraceIdRatioBased::new(0.25))),
    ];
    for (name, sampler) in NAMES.into_iter().zip(samplers) {
        assert_eq!(parse(name, "0.25"), Ok(sampler));
        assert_eq!(parse(&format!("\t{name} "), " 0.25"), Ok(sampler));
    }
}

#[test]
fn nothing_set_means_the_default() {
    let default = SamplerConfig::ParentBasedAlwaysOn(ParentBased::new(AlwaysOn));
    assert_eq!(SamplerConfig::default(), default);
    for sampler in [None, Some(""), Some(" ")] {
        for arg in [None, Some(""), Some("0.25"), Some("abc")] {
            assert_eq!(SamplerConfig::parse(sampler, arg), Ok(default));
        }
    }
}

// OTel 22
#[test]
fn an_argument_is_a_number_from_0_to_1_and_1_where_it_is_missing() {
    assert_eq!(SamplerConfig::parse(Some("traceidratio"), None), Ok(ratio(1.0)));
    for (arg, expected) in [
        ("", Some(1.0)),
        (" ", Some(1.0)),
        ("0", Some(0.0)),
        ("1", Some(1.0)),
        ("0.25", Some(0.25)),
        (" 0.5 ", Some(0.5)),
        (".5", Some(0.5)),
        ("1e-3", Some(0.001)),
        ("-0", Some(0.0)),
        ("-1", None),
        ("-0.1", None),
        ("1.0000001", None),
        ("2", None),
        ("NaN", None),
        ("inf", None),
        ("-infinity", None),
        ("abc", None),
        ("0,5", None),
        ("50%", None),
        ("0x1", None),
        ("0.5 0.5", None),
    ] {
        let check = |name, with: fn(f64) -> SamplerConfig| {
            let parsed = parse(name, arg);
            assert_eq!(parsed.ok(), expected.map(with), "{arg:?}");
            // An invalid argument counts as not set: the named sampler with its default.
            let sampler = parsed.unwrap_or_else(SamplerConfigError::sampler);
            assert_eq!(sampler, with(expected.unwrap_or(1.0)), "{arg:?}");
        };
        check("traceidratio", ratio);
        check("parentbased_traceidratio", |share| {
            SamplerConfig::ParentBasedTraceIdRatio(ParentBased::new(TraceIdRatioBased::new(share)))
        });
    }
}

#[test]
fn samplers_without_an_argument_do_not_look_at_it() {
    for name in ["always_on", "always_off", "parentbased_always_on", "parentbased_always_off"] {
        let without = SamplerConfig::parse(Some(name), None);
        assert!(without.is_ok());
        for arg in ["", "0.25", "-1", "abc"] {
            assert_eq!(parse(name, arg), without);
        }
    }
}

#[test]
fn any_other_name_is_refused() {
    for name in ["always-on", "alwayson", "always_on,always_off", "jaeger_remote", "xray", "é", "\0"] {
        for arg in ["", "0.25", "abc"] {
            assert_eq!(parse(name, arg), Err(SamplerConfigError::UnknownSampler), "{name}");
        }
    }
}

#[test]
fn the_case_of_a_name_does_not_count() {
    for name in NAMES {
        assert_eq!(parse(&name.to_ascii_uppercase(), "0.25"), parse(name, "0.25"));
    }
    assert_eq!(parse("Always_Off", ""), Ok(SamplerConfig::AlwaysOff(AlwaysOff)));
    assert_eq!(SamplerConfigError::UnknownSampler.sampler(), SamplerConfig::default());
}

#[test]
fn errors_say_what_would_do() {
    let unknown = SamplerConfigError::UnknownSampler.to_string();
    assert_eq!(
        unknown,
        "unknown sampler in OTEL_TRACES_SAMPLER: it is always_on, always_off, traceidratio, \
         parentbased_always_on, parentbased_always_off or parentbased_traceidratio"
    );
    assert!(NAMES.iter().all(|name| unknown.contains(name)));
    let invalid = parse("traceidratio", "50%").unwrap_err();
    assert_eq!(invalid.to_string(), "invalid ratio in OTEL_TRACES_SAMPLER_ARG: it is a number from 0 to 1");
    let error: Box<dyn core::error::Error + Send + Sync> = invalid.into();
    assert!(error.source().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn a_named_sampler_decides_as_one_made_by_hand(
        id in 1..=u128::MAX,
        share in prop_oneof![0.0..=1.0_f64, select(vec![0.0, 0.5, 1.0])],
        flag in any::<bool>(),
        list in select(vec!["", "a=b", "ot=th:8", "ot=th:0;rv:80000000000000"]),
    ) {
        let root = TraceIdRatioBased::new(share);
        let by_hand: [&dyn Sampler; 6] = [
            &AlwaysOn,
            &AlwaysOff,
            &root,
            &ParentBased::new(AlwaysOn),
            &ParentBased::new(AlwaysOff),
            &ParentBased::new(root),
        ];
        let trace_id = TraceId::from_u128(id).unwrap();
        let traceparent = TraceParent::new(trace_id, SPAN, TraceFlags::NONE.with_sampled(flag));
        let parent = TraceContext::new(traceparent, TraceState::from_static(list));
        for (name, by_hand) in NAMES.into_iter().zip(by_hand) {
            let named = parse(name, &share.to_string()).unwrap();
            for input in [
                SamplingInput::root(trace_id),
                SamplingInput::child_of(Parent::Remote(&parent)),
                SamplingInput::child_of(Parent::Local(&parent)),
            ] {
                prop_assert_eq!(named.should_sample(&input), by_hand.should_sample(&input), "{}", name);
            }
        }
    }
}

fn percent(percent: u8) -> Percent {
    Percent::new(percent).unwrap()
}

/// Returns whether a trace is among a percentage of traces, and the threshold of that percentage.
fn among(percentage: u8, randomness: u64) -> (bool, u64) {
    let threshold = percent(percentage).threshold().map_or(1 << 56, Threshold::to_bits);
    (randomness >= threshold, threshold)
}

/// The documented order, as it is written: whether it is sampled, and its threshold where it is known.
fn by_percentages(
    parent: Option<(bool, Option<u64>)>,
    asked: bool,
    [random, client, overall]: [u8; 3],
    randomness: u64,
) -> (bool, Option<u64>) {
    let at = |percentage| among(percentage, randomness);
    let (wanted, threshold) = match parent {
        Some((flag, threshold)) => (flag, threshold.filter(|threshold| randomness >= *threshold)),
        None if asked => (at(client).0 || at(random).0, Some(at(client).1.min(at(random).1))),
        None => (at(random).0, Some(at(random).1)),
    };
    let sampled = wanted && at(overall).0;
    (sampled, threshold.map(|threshold| threshold.max(at(overall).1)).filter(|_| sampled))
}

fn compare_percentages(percentages: [u8; 3], randomness: u64) {
    let [random, client, overall] = percentages.map(percent);
    let sampler = PercentageSampler::new()
        .with_random_sampling(random)
        .with_client_sampling(client)
        .with_overall_sampling(overall);
    let header = [(PercentageSampler::CLIENT_TRACE_ID, AttributeValue::Str("any"))];
    let trace = TraceId::from_u128(1 << 64 | u128::from(randomness)).unwrap();
    let parents = [
        None,
        Some((true, None)),
        Some((false, None)),
        Some((true, Some(0))),
        Some((true, Some(1 << 55))),
        Some((true, Some(0xf << 52))),
        Some((false, Some(0))),
    ];
    for (parent, asked) in parents.into_iter().flat_map(|parent| [(parent, false), (parent, true)]) {
        let list = parent.and_then(|(_, threshold)| threshold);
        let list = list.map_or(String::new(), |bits| format!("ot=th:{}", Threshold::from_bits(bits).unwrap()));
        let incoming = parent.map_or(Incoming::Absent, |(flag, _)| {
            let traceparent = TraceParent::new(trace, SPAN, TraceFlags::NONE.with_sampled(flag));
            TraceContext::new(traceparent, TraceState::parse(list.as_bytes()).unwrap()).into()
        });
        let span = if asked { SpanDetails::new("").with_attributes(&header) } else { SpanDetails::new("") };
        let ids = IdsFrom::new(|| 1 << 63 | randomness);
        let outgoing = Policy::new(sampler).with_trust(Trust::Resample).apply_to(span, incoming, &ids);
        let (kept, threshold) = by_percentages(parent, asked, percentages, randomness);
        let case = format!("{percentages:?} {randomness:014x} {parent:?} {asked}");
        assert_eq!(outgoing.decision().is_sampled(), kept, "{case}");
        assert!(!kept || among(percentages[2], randomness).0, "above the overall share: {case}");
        let list = threshold.map(|bits| format!("ot=th:{}", Threshold::from_bits(bits).unwrap()));
        assert_eq!(outgoing.tracestate().to_string(), list.unwrap_or_default(), "{case}");
    }
}

// OTel 23
#[test]
fn percentages_are_asked_in_the_documented_order() {
    for random in [0, 50, 100] {
        for client in [0, 50, 100] {
            for overall in [0, 50, 100] {
                for randomness in [1, LOW, (1 << 55) - 1, 1 << 55, HIGH, (1 << 56) - 1] {
                    compare_percentages([random, client, overall], randomness);
                }
            }
        }
    }
}

proptest! {
    // OTel 23
    #[test]
    fn any_percentages_follow_the_order(percentages in any::<[u8; 3]>(), randomness in 0..1_u64 << 56) {
        compare_percentages(percentages.map(|percentage| percentage % 101), randomness);
    }
}

#[test]
fn nobody_asks_for_percentages_when_the_caller_is_followed() {
    let policy = Policy::new(PercentageSampler::default().with_overall_sampling(Percent::ZERO));
    let apply = |incoming: Incoming<'static>| policy.apply(incoming, &IdsFrom::new(|| HIGH)).decision().is_sampled();
    let traceparent = TraceParent::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    assert!(apply(TraceContext::new(traceparent, TraceState::EMPTY).into()));
    assert!(!apply(Incoming::Absent));
}
