//! Runs the inputs of other projects' test suites, `tests/data/peers.txt`.

use std::collections::BTreeMap;

use traceparent::{
    IdsFrom, Incoming, Member, OtValue, Policy, Randomness, SpanId, Threshold, TraceContext, TraceFlags, TraceId,
    TraceParent, TraceState, Trust,
    sampler::{
        AlwaysOff, AlwaysOn, AlwaysRecord, AttributeCondition, AttributeValue, Attributes, Parent, ParentBased,
        ParentKind, Predicate, ProbabilitySampler, Rule, Sampler, SamplerConfig, SamplingDecision, SamplingInput,
        SamplingResult, SpanDetails, SpanKind, TraceIdRatioBased,
        composite::{self, ComposableSampler, CompositeSampler},
    },
};

use crate::common::vectors::unescape;

const PEERS: &str = include_str!("../data/peers.txt");

#[test]
fn every_input_of_other_suites_has_its_outcome() {
    let mut counts = BTreeMap::<_, usize>::new();
    let mut failures = Vec::new();
    let lines = PEERS.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    for (number, line) in lines {
        let columns: Vec<_> = line.split('\t').map(|column| String::from_utf8(unescape(column)).unwrap()).collect();
        let [operation, expected, inputs @ ..] = &columns[..] else { panic!("line {}", number + 1) };
        let inputs: Vec<_> = inputs.iter().map(String::as_str).collect();
        let outcome = outcome(operation, &inputs);
        let agrees = match operation.as_str() {
            // Some suites look at less than the whole context.
            "tp" if outcome.starts_with("valid ") => {
                outcome == *expected || outcome.starts_with(&format!("{expected} ")) && !expected.contains('|')
            }
            "adj" | "toprob" => outcome.parse::<f64>() == expected.parse::<f64>(),
            _ => outcome == *expected,
        };
        if !agrees {
            failures.push(format!("line {}: {line}\n    {outcome:?}", number + 1));
        }
        *counts.entry(operation.clone()).or_default() += 1;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!((counts.len(), counts.values().sum::<usize>()), (32, 1459));
}

fn outcome(operation: &str, inputs: &[&str]) -> String {
    match (operation, inputs) {
        // The context that these fields come to.
        ("tp", fields) => context(&incoming(fields)),
        // The list that these fields come to, without white space, empty members and later ones of a key.
        ("ts", fields) => match TraceState::parse_fields(fields.iter().map(|field| field.as_bytes())) {
            Ok(list) => normal(&list),
            Err(_) => "ERR".into(),
        },
        ("key", &[key]) => ok(Member::new(key, "value").is_ok()),
        ("value", &[value]) => ok(Member::new("key", value).is_ok()),
        // The list after one change after the other, those that are invalid left out.
        ("edit", [list, changes @ ..]) => changes.iter().fold((*list).to_owned(), |list, change| edited(&list, change)),
        ("within", &[list, budget]) => {
            let list = TraceState::parse(list.as_bytes()).unwrap();
            list.within(budget.parse().unwrap()).unwrap().to_string()
        }
        ("get", &[list, key]) => TraceState::parse(list.as_bytes()).unwrap().get(key).unwrap_or("-").to_owned(),
        // The `ot` member as it is written again; its parts.
        ("ot", &[value]) => OtValue::read(value).to_string(),
        ("otp", &[value]) => parts(value),
        ("th", &[value]) => {
            Threshold::parse(value.as_bytes()).map_or("no".into(), |th| format!("{:014x}", th.to_bits()))
        }
        ("rv", &[value]) => Randomness::parse(value.as_bytes()).map_or("no".into(), |rv| rv.to_string()),
        ("bits2th", &[bits]) => Threshold::from_bits(number(bits)).map_or("none".into(), |th| th.to_string()),
        ("bits2rv", &[bits]) => Randomness::from_bits(number(bits)).map_or("none".into(), |rv| rv.to_string()),
        ("tidrv", &[id]) => trace_id(id).randomness().to_string(),
        // Probability to threshold, rounded to the default precision or to so many digits, and back.
        ("prob", &[probability]) => probable(probability).map_or("none".into(), |th| th.to_string()),
        ("probbits", &[probability]) => probable(probability).map_or("none".into(), |th| th.to_bits().to_string()),
        ("ratio", &[numerator, denominator, digits]) => {
            let exact = Threshold::from_ratio_exact(number(numerator), number(denominator)).unwrap();
            if digits.is_empty() { exact } else { exact.rounded(number(digits) as u32) }.to_string()
        }
        ("toprob", &[threshold]) => at(threshold).probability().to_string(),
        ("adj", &[threshold]) => at(threshold).adjusted_count().to_string(),
        ("gt", &[left, right]) => (at(left) > at(right)).to_string(),
        ("keeps", &[threshold, randomness]) => {
            let randomness = match randomness.split_once(':') {
                Some(("rv", value)) => Randomness::parse(value.as_bytes()).unwrap(),
                Some(("id", id)) => trace_id(id).randomness(),
                _ => panic!("{randomness}"),
            };
            at(threshold.strip_prefix("th:").unwrap()).keeps(randomness).to_string()
        }
        ("config", &[name, argument]) => config(name, argument),
        ("policy", [trust, fields @ ..]) => applied(trust, incoming(fields)),
        ("psample" | "psdec", &[share, id, parent]) => match probability(share) {
            Some(sampler) => decided(operation, &sampler, id, parent),
            None => "refused".into(),
        },
        ("tidratio", &[ratio, id, parent]) => {
            decided("psdec", &TraceIdRatioBased::new(ratio.parse().unwrap()), id, parent)
        }
        ("rec", &[root, id, parent]) => decided("psdec", &AlwaysRecord::new(classic(root)), id, parent),
        ("pb", [root, id, parent, others @ ..]) => {
            let other = |name: &str, default| {
                classic(others.iter().find_map(|other| other.strip_prefix(name)?.strip_prefix('=')).unwrap_or(default))
            };
            let sampler = ParentBased::new(classic(root))
                .with_remote_parent_sampled(other("rs", "on"))
                .with_remote_parent_not_sampled(other("rn", "off"))
                .with_local_parent_sampled(other("ls", "on"))
                .with_local_parent_not_sampled(other("ln", "off"));
            decided("pb", &sampler, id, parent)
        }
        ("composite", &[sampler, id, parent]) => {
            decided("pb", &CompositeSampler::new(composable(sampler), IdsFrom::new(|| 1)), id, parent)
        }
        ("intent", &[sampler, id, parent]) => with_input(id, parent, |input| {
            let intent = composable(sampler).sampling_intent(&input);
            let threshold = intent.threshold.map_or("-1".into(), |threshold| threshold.to_string());
            format!("{threshold} {}", intent.adjusted_count_reliable)
        }),
        ("rule" | "rulearr", [parent, kind, parts @ ..]) => rule(parent, kind, parts).to_string(),
        _ => panic!("no such operation: {operation} {inputs:?}"),
    }
}

fn ok(ok: bool) -> String {
    if ok { "ok" } else { "no" }.into()
}

fn number(text: &str) -> u64 {
    text.parse().unwrap()
}

fn trace_id(text: &str) -> TraceId {
    text.parse().unwrap()
}

fn at(threshold: &str) -> Threshold {
    Threshold::parse(threshold.as_bytes()).unwrap()
}

fn probable(text: &str) -> Option<Threshold> {
    Threshold::from_probability(text.parse().unwrap())
}

/// Decides by a probability; zero is another sampler's.
fn probability(text: &str) -> Option<Box<dyn Sampler>> {
    if text.parse::<f64>().unwrap() == 0.0 {
        return Some(Box::new(AlwaysOff));
    }
    Some(Box::new(ProbabilitySampler::new(probable(text)?)))
}

fn incoming<'a>(fields: &[&'a str]) -> Incoming<'a> {
    let named = |name: &'static str| fields.iter().filter_map(move |field| field.strip_prefix(name)).map(str::as_bytes);
    Incoming::from_fields(named("p:"), named("s:"))
}

fn context(incoming: &Incoming<'_>) -> String {
    match incoming {
        Incoming::Absent => "absent".into(),
        Incoming::Invalid(_) => "reject".into(),
        _ => {
            let context = incoming.context().unwrap();
            let (id, parent) = (context.traceparent.trace_id(), context.traceparent.parent_id());
            let flags = context.traceparent.flags().bits();
            format!("valid {id} {parent} {flags:02x} | {}", normal(&context.tracestate))
        }
    }
}

fn normal(list: &TraceState<'_>) -> String {
    let mut members: Vec<Member<'_>> = Vec::new();
    for member in list {
        if members.iter().all(|other| other.key() != member.key()) {
            members.push(member);
        }
    }
    members.iter().map(|member| format!("{}={}", member.key(), member.value())).collect::<Vec<_>>().join(",")
}

fn edited(list: &str, change: &str) -> String {
    let list = TraceState::parse(list.as_bytes()).unwrap();
    match change.split_once(':') {
        Some(("set", member)) => {
            let (key, value) = member.split_once('=').unwrap();
            Member::new(key, value).map_or(list.to_string(), |member| list.with(member).to_string())
        }
        Some(("del", key)) => list.without(key).to_string(),
        _ => panic!("{change}"),
    }
}

fn parts(value: &str) -> String {
    let ot = OtValue::read(value);
    let text = ot.to_string();
    let extra: Vec<_> = text.split(';').filter(|part| !part.starts_with("th:") && !part.starts_with("rv:")).collect();
    format!(
        "th={} rv={} extra={} err={}",
        ot.threshold().map(|th| th.to_string()).unwrap_or_default(),
        ot.randomness().map(|rv| rv.to_string()).unwrap_or_default(),
        extra.join(";"),
        ot.error().is_some()
    )
}

fn config(name: &str, argument: &str) -> String {
    let given = |text| Some(text).filter(|text| *text != "-");
    let ratio = || given(argument).map(str::trim).filter(|text| !text.is_empty()).unwrap_or("1");
    match SamplerConfig::parse(given(name), given(argument)) {
        Ok(SamplerConfig::AlwaysOn(_)) => "on".into(),
        Ok(SamplerConfig::AlwaysOff(_)) => "off".into(),
        Ok(SamplerConfig::ParentBasedAlwaysOn(_)) => "pb on".into(),
        Ok(SamplerConfig::ParentBasedAlwaysOff(_)) => "pb off".into(),
        Ok(SamplerConfig::TraceIdRatio(sampler)) => {
            assert_eq!(sampler, TraceIdRatioBased::new(ratio().parse().unwrap()));
            format!("ratio {}", ratio().parse::<f64>().unwrap())
        }
        Ok(SamplerConfig::ParentBasedTraceIdRatio(sampler)) => {
            assert_eq!(sampler, ParentBased::new(TraceIdRatioBased::new(ratio().parse().unwrap())));
            format!("pb ratio {}", ratio().parse::<f64>().unwrap())
        }
        Ok(other) => panic!("{other:?}"),
        Err(_) => "err".into(),
    }
}

fn applied(trust: &str, incoming: Incoming<'_>) -> String {
    let trust = match trust {
        "continue" => Trust::Continue,
        "resample" => Trust::Resample,
        "restart" => Trust::Restart,
        "ignore" => Trust::Ignore,
        _ => panic!("{trust}"),
    };
    let outgoing = Policy::new(AlwaysOn).with_trust(trust).apply(incoming, &IdsFrom::new(|| 1));
    let traceparent = outgoing.traceparent();
    format!("{} {:02x} | {}", traceparent.trace_id(), traceparent.flags().bits(), outgoing.tracestate())
}

/// Describes a root span of this trace, or a child of this parent.
fn with_input<T>(id: &str, parent: &str, then: impl FnOnce(SamplingInput<'_>) -> T) -> T {
    let id = trace_id(id);
    let Some((flags, rest)) = parent.split_once(' ') else {
        assert_eq!(parent, "root");
        return then(SamplingInput::root(id));
    };
    let (place, list) = rest.split_once(' ').unwrap();
    let flags = TraceFlags::parse(flags.as_bytes()).unwrap();
    let context = TraceContext::new(
        TraceParent::new(id, SpanId::from_static("00f067aa0ba902b7"), flags),
        TraceState::parse(list.as_bytes()).unwrap(),
    );
    let parent = if place == "remote" { Parent::Remote(&context) } else { Parent::Local(&context) };
    then(SamplingInput::child_of(parent))
}

/// Returns the decision and, unless the operation is a decision alone, the outgoing list.
fn decided(operation: &str, sampler: &dyn Sampler, id: &str, parent: &str) -> String {
    with_input(id, parent, |input| {
        let result = sampler.should_sample(&input);
        let decision = match result.decision {
            SamplingDecision::Drop => "drop",
            SamplingDecision::RecordOnly => "rec",
            SamplingDecision::RecordAndSample => "sample",
        };
        if operation == "psdec" { decision.into() } else { format!("{decision} {}", result.tracestate(&input)) }
    })
}

fn classic(name: &str) -> Box<dyn Sampler> {
    struct RecordOnly;

    impl Sampler for RecordOnly {
        fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
            SamplingResult::new(SamplingDecision::RecordOnly)
        }
    }

    match name {
        "on" => Box::new(AlwaysOn),
        "off" => Box::new(AlwaysOff),
        "rec" => Box::new(RecordOnly),
        ratio => Box::new(TraceIdRatioBased::new(ratio.parse().unwrap())),
    }
}

fn composable(name: &str) -> Box<dyn ComposableSampler> {
    match name {
        "on" => Box::new(composite::AlwaysOn),
        "off" | "p:0" => Box::new(composite::AlwaysOff),
        "parent(on)" => Box::new(composite::ParentThreshold::new(composite::AlwaysOn)),
        "parent(off)" => Box::new(composite::ParentThreshold::new(composite::AlwaysOff)),
        _ => Box::new(composite::Probability::new(probable(name.strip_prefix("p:").unwrap()).unwrap())),
    }
}

fn rule(parent: &str, kind: &str, parts: &[&str]) -> bool {
    let named = |name: &str| -> Vec<&str> {
        parts.iter().filter_map(|part| part.strip_prefix(name)?.strip_prefix(':')).collect()
    };
    let (values, included, excluded) = (named("values"), named("included"), named("excluded"));
    let kinds: Vec<_> = named("kinds").into_iter().map(span_kind).collect();
    let parents: Vec<_> = named("parents").into_iter().map(parent_kind).collect();
    let mut conditions = Vec::new();
    if let [key] = named("vkey")[..] {
        conditions.push(AttributeCondition::Values { key, values: &values });
    }
    if let [key] = named("pkey")[..] {
        conditions.push(AttributeCondition::Patterns { key, included: &included, excluded: &excluded });
    }
    let mut rule = Rule::new().with_attributes(&conditions);
    if !kinds.is_empty() {
        rule = rule.with_span_kinds(&kinds);
    }
    if !parents.is_empty() {
        rule = rule.with_parents(&parents);
    }
    let attributes = Given(named("attr"));
    let span = SpanDetails::new("span").with_kind(span_kind(kind)).with_attributes(&attributes);
    with_input("00000000000000010000000000000002", parent, |input| rule.matches(&input.with_span(span)))
}

fn span_kind(name: &str) -> SpanKind {
    match name {
        "internal" => SpanKind::Internal,
        "server" => SpanKind::Server,
        "client" => SpanKind::Client,
        "producer" => SpanKind::Producer,
        "consumer" => SpanKind::Consumer,
        _ => panic!("{name}"),
    }
}

fn parent_kind(name: &str) -> ParentKind {
    match name {
        "none" => ParentKind::None,
        "local" => ParentKind::Local,
        "remote" => ParentKind::Remote,
        _ => panic!("{name}"),
    }
}

/// Attributes, each as `key=type:value`; the items of an array share their key.
struct Given<'a>(Vec<&'a str>);

impl Given<'_> {
    fn values(&self, key: &str) -> impl Iterator<Item = AttributeValue<'_>> {
        let values = self.0.iter().filter_map(move |given| given.strip_prefix(key)?.strip_prefix('='));
        values.map(|value| match value.split_once(':').unwrap() {
            ("s", text) => AttributeValue::Str(text),
            ("b", text) => AttributeValue::Bool(text.parse().unwrap()),
            ("i", text) => AttributeValue::I64(text.parse().unwrap()),
            ("f", text) => AttributeValue::F64(text.parse().unwrap()),
            _ => panic!("{value}"),
        })
    }
}

impl Attributes for Given<'_> {
    fn attribute(&self, key: &str) -> Option<AttributeValue<'_>> {
        self.values(key).next()
    }

    fn any(&self, key: &str, accept: &mut dyn FnMut(AttributeValue<'_>) -> bool) -> bool {
        self.values(key).any(accept)
    }
}
