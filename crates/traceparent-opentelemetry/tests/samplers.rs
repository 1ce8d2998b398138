//! Our samplers in OpenTelemetry's SDK, beside its own.
#![allow(clippy::unwrap_used)]

mod common;

use opentelemetry::{
    Context, KeyValue, StringValue, Value,
    trace::{
        Link, SpanContext, SpanId, SpanKind as OtelKind, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
        TracerProvider,
    },
};
use opentelemetry_sdk::trace::{Sampler as Stock, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample};
use proptest::prelude::*;
use traceparent::{
    RandomIdGenerator,
    sampler::{
        AlwaysOn, AlwaysRecord, AttributeCondition, AttributeValue, ParentBased, ProbabilitySampler, Rule, RuleBased,
        Sampler, SamplerConfig, SamplingInput, SpanKind, TraceIdRatioBased,
        composite::{self, CompositeSampler},
    },
};
use traceparent_opentelemetry::{SdkSampler, TraceContextPropagator};

use crate::common::{MemoryExporter, Outcome, extract, headers, hop, provider};

fn ask(sampler: &dyn ShouldSample, parent: Option<&Context>, trace_id: TraceId) -> SamplingResult {
    sampler.should_sample(parent, trace_id, "name", &OtelKind::Server, &[], &[])
}

fn parent(trace_id: TraceId, flags: u8, remote: bool, list: &str) -> Context {
    let list = list.parse().unwrap();
    let span = SpanContext::new(trace_id, SpanId::from(1), TraceFlags::new(flags), remote, list);
    Context::new().with_remote_span_context(span)
}

fn ratio() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..=1.0_f64,
        2 => any::<f64>(),
        1 => (0..70).prop_map(|power| 0.5_f64.powi(power)),
        1 => prop::sample::select(vec![0.0, -0.0, 1.0, -1.0, 2.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE]),
        1 => (0..100_u64).prop_map(|ulps| f64::from_bits(1.0_f64.to_bits() - ulps)),
    ]
}

/// Ids, many of them next to the bound of the ratio.
fn ratio_and_id() -> impl Strategy<Value = (f64, TraceId)> {
    (ratio(), any::<u128>(), -4..4_i64, any::<bool>()).prop_map(|(ratio, id, near, close)| {
        let bound = ((ratio.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64).wrapping_add_signed(near) << 1;
        let id = if close { id >> 64 << 64 | u128::from(bound) } else { id };
        (ratio, TraceId::from(id.max(1)))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16_384, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn trace_id_ratio_based_decides_bit_for_bit_as_the_sdk((ratio, id) in ratio_and_id()) {
        let ours = SdkSampler::new(TraceIdRatioBased::new(ratio));
        prop_assert_eq!(ask(&ours, None, id), ask(&Stock::TraceIdRatioBased(ratio), None, id), "{} {}", ratio, id);
    }

    #[test]
    fn configured_samplers_behave_as_those_of_the_sdk(
        (ratio, id) in ratio_and_id(),
        flags in 0..4_u8,
        remote in any::<bool>(),
        list in prop::sample::select(vec!["", "rojo=1", "rojo=1,congo=2"]),
        child in any::<bool>(),
    ) {
        let ratio = if (0.0..=1.0).contains(&ratio) { ratio } else { 0.25 };
        let parent_based = |root| Stock::ParentBased(Box::new(root));
        let names = [
            ("always_on", Stock::AlwaysOn),
            ("always_off", Stock::AlwaysOff),
            ("traceidratio", Stock::TraceIdRatioBased(ratio)),
            ("parentbased_always_on", parent_based(Stock::AlwaysOn)),
            ("parentbased_always_off", parent_based(Stock::AlwaysOff)),
            ("parentbased_traceidratio", parent_based(Stock::TraceIdRatioBased(ratio))),
        ];
        let cx = if child { parent(id, flags, remote, list) } else { Context::new() };
        for (name, stock) in names {
            let ours = SdkSampler::new(SamplerConfig::parse(Some(name), Some(&ratio.to_string())).unwrap());
            prop_assert_eq!(ask(&ours, Some(&cx), id), ask(&stock, Some(&cx), id), "{} {} {}", name, ratio, id);
        }
    }
}

/// The randomness of this id is in the middle: `0x80...0`.
const MIDDLE: u128 = 0x4bf9_2f35_77b3_4da6_0080_0000_0000_0000;

#[track_caller]
fn assert_list(sampler: impl Sampler + Send + Sync + 'static, received: &str, is_sampled: bool, sent: &str) {
    let trace_id = TraceId::from(MIDDLE);
    let result = ask(&SdkSampler::new(sampler), Some(&parent(trace_id, 1, true, received)), trace_id);
    assert_eq!(result.decision == SamplingDecision::RecordAndSample, is_sampled);
    assert_eq!(result.trace_state.header(), sent);
    if sent.is_empty() {
        assert_eq!(result.trace_state, TraceState::NONE);
    }
}

#[test]
fn a_threshold_is_written_when_sampled_and_removed_when_dropped() {
    // OTel: a sampler that changes the threshold writes it; a dropped span has none
    let half = || ProbabilitySampler::from_ratio(1, 2).unwrap();
    let quarter = || ProbabilitySampler::from_ratio(1, 4).unwrap();
    assert_list(half(), "", true, "ot=th:8");
    assert_list(half(), "rojo=1", true, "ot=th:8,rojo=1");
    assert_list(half(), "rojo=1,ot=th:4;x:y", true, "ot=th:8;x:y,rojo=1");
    assert_list(quarter(), "rojo=1,ot=th:4;x:y", false, "ot=x:y,rojo=1");
    assert_list(quarter(), "ot=th:4", false, "");
    assert_list(quarter(), "rojo=1,ot=th:4", false, "rojo=1");
}

#[test]
fn a_parents_threshold_that_cannot_be_true_is_erased_and_the_parent_followed() {
    let followed = || ParentBased::new(AlwaysOn);
    assert_list(followed(), "ot=th:8,rojo=1", true, "ot=th:8,rojo=1");
    assert_list(followed(), "rojo=1,ot=th:c", true, "rojo=1");
    assert_list(followed(), "ot=th:c;rv:d0000000000000", true, "ot=th:c;rv:d0000000000000");
    assert_list(followed(), "ot=th:c", true, "");
}

#[test]
fn every_ot_member_that_came_twice_is_replaced() {
    let trace_id = TraceId::from(MIDDLE);
    let list = TraceState::from_key_value([("ot", "th:4"), ("a", "1"), ("ot", "th:0")]).unwrap();
    let span = SpanContext::new(trace_id, SpanId::from(1), TraceFlags::SAMPLED, true, list);
    let cx = Context::new().with_remote_span_context(span);
    let half = SdkSampler::new(ProbabilitySampler::from_ratio(1, 2).unwrap());
    assert_eq!(ask(&half, Some(&cx), trace_id).trace_state.header(), "ot=th:8,a=1");
}

#[test]
fn a_threshold_goes_out_beside_members_that_opentelemetry_refuses() {
    let provider = provider(SdkSampler::new(ProbabilitySampler::from_ratio(1, 1).unwrap()));
    let request = headers(&[common::SAMPLED], &["foo@@bar=1, ot=th:8;rv:ffffffffffffff"]);
    let call = Outcome::of(&hop(&TraceContextPropagator::new(), &provider, &request));
    assert_eq!(call.tracestate.as_deref(), Some("ot=th:0;rv:ffffffffffffff,foo@@bar=1"));
}

#[test]
fn a_root_with_a_threshold_carries_the_random_flag() {
    // W3C 25
    let provider = provider(SdkSampler::new(ProbabilitySampler::from_ratio(1, 1).unwrap()));
    let call = Outcome::of(&hop(&TraceContextPropagator::new(), &provider, &headers(&[], &[])));
    assert_eq!((call.flags.as_str(), call.tracestate.as_deref()), ("03", Some("ot=th:0")));
}

/// Checks what it is handed.
struct Checks;

impl Sampler for Checks {
    fn should_sample(&self, input: &SamplingInput<'_>) -> traceparent::sampler::SamplingResult {
        let (parent, span) = (input.parent().unwrap(), input.span());
        let context = parent.context();
        assert!(parent.is_remote() && parent.is_sampled());
        assert_eq!(context.traceparent.to_string(), common::SAMPLED.replace("-01", "-03"));
        assert_eq!(context.tracestate.get("foo@@bar"), Some("1"));
        assert_eq!((span.name(), span.kind()), ("GET /", SpanKind::Client));
        assert_eq!(span.attribute("text"), Some("last".into()));
        assert_eq!(span.attribute("true"), Some(true.into()));
        assert_eq!(span.attribute("integer"), Some(AttributeValue::I64(7)));
        assert_eq!(span.attribute("float"), Some(AttributeValue::F64(0.5)));
        assert_eq!((span.attribute("array"), span.attribute("absent")), (None, None));
        let links: Vec<_> = span.links().iter().map(ToString::to_string).collect();
        assert_eq!(links, ["00-00000000000000000000000000000007-0000000000000008-01"]);
        traceparent::sampler::SamplingResult::SAMPLE
    }
}

#[test]
fn a_sampler_is_handed_parent_name_kind_attributes_and_links() {
    let request = headers(&[&common::SAMPLED.replace("-01", "-03")], &["rojo=1,foo@@bar=1"]);
    let parent = extract(&TraceContextPropagator::new(), &request);
    let tracer = provider(SdkSampler::new(Checks)).tracer("test");
    let attributes = [
        KeyValue::new("text", "first"),
        KeyValue::new("text", "last"),
        KeyValue::new("true", true),
        KeyValue::new("integer", 7),
        KeyValue::new("float", 0.5),
        KeyValue::new("array", Value::Array(vec![1_i64].into())),
    ];
    let linked = |trace_id, span_id| {
        let (trace_id, span_id) = (TraceId::from(trace_id), SpanId::from(span_id));
        Link::with_context(SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, true, TraceState::NONE))
    };
    // A link to nothing is none.
    let links = vec![linked(7, 8), linked(0, 9)];
    let span = tracer.span_builder("GET /").with_kind(OtelKind::Client).with_attributes(attributes).with_links(links);
    span.start_with_context(&tracer, &parent);
}

const VALUES: [[&[&str]; 2]; 4] =
    [[&["POST"], &["PUT"]], [&["404"], &["40"]], [&["0.5"], &["0.75"]], [&["true"], &["1"]]];
const fn rule(values: &'static [&'static str]) -> [AttributeCondition<'static>; 1] {
    [AttributeCondition::Values { key: "array", values }]
}
static CONDITIONS: [[[AttributeCondition<'_>; 1]; 2]; 4] = [
    [rule(VALUES[0][0]), rule(VALUES[0][1])],
    [rule(VALUES[1][0]), rule(VALUES[1][1])],
    [rule(VALUES[2][0]), rule(VALUES[2][1])],
    [rule(VALUES[3][0]), rule(VALUES[3][1])],
];

#[test]
fn a_rule_on_an_array_is_met_by_any_of_its_items() {
    // OTel 17
    let arrays: [Value; 4] = [
        Value::Array(vec![StringValue::from("GET"), StringValue::from("POST")].into()),
        Value::Array(vec![200_i64, 404].into()),
        Value::Array(vec![0.25, 0.5].into()),
        Value::Array(vec![false, true].into()),
    ];
    for (array, [met, not_met]) in arrays.into_iter().zip(&CONDITIONS) {
        for (conditions, expected) in [(met, SamplingDecision::RecordAndSample), (not_met, SamplingDecision::Drop)] {
            let rules = [(Rule::new().with_attributes(conditions), AlwaysOn)];
            let result = SdkSampler::new(RuleBased::new(rules)).should_sample(
                None,
                TraceId::from(1),
                "",
                &OtelKind::Internal,
                &[KeyValue::new("array", array.clone())],
                &[],
            );
            assert_eq!(result.decision, expected, "{conditions:?}");
        }
    }
}

const ADDED: &[(&str, AttributeValue<'_>)] =
    &[("sampled.by", AttributeValue::Str("rule")), ("sampled.rate", AttributeValue::F64(0.5))];

#[test]
fn attributes_that_a_sampler_adds_are_on_the_exported_span() {
    let exporter = MemoryExporter::default();
    let sampler = CompositeSampler::new(composite::Annotating::new(ADDED, composite::AlwaysOn), RandomIdGenerator);
    let provider = SdkTracerProvider::builder()
        .with_sampler(SdkSampler::new(sampler))
        .with_simple_exporter(exporter.clone())
        .build();
    drop(provider.tracer("test").start("span"));
    let span = exporter.take().remove(0);
    assert_eq!(span.attributes, [KeyValue::new("sampled.by", "rule"), KeyValue::new("sampled.rate", 0.5)]);
    assert_eq!(span.span_context.trace_state().header(), "ot=th:0");
}

#[test]
fn record_only_is_record_only() {
    let result = ask(&SdkSampler::new(AlwaysRecord::new(traceparent::sampler::AlwaysOff)), None, TraceId::from(1));
    assert_eq!(result.decision, SamplingDecision::RecordOnly);
}

#[test]
fn an_id_that_names_nothing_is_dropped() {
    assert_eq!(ask(&SdkSampler::new(AlwaysOn), None, TraceId::INVALID).decision, SamplingDecision::Drop);
}
