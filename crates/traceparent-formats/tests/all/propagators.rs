//! The order of formats, conflicts, stale fields, and what goes on.

use traceparent::{
    Change, IdsFrom, Incoming, Member, Origin, Outgoing, Policy, Trust,
    sampler::{Sampler, SamplingInput, SamplingResult},
};
use traceparent_formats::{
    Carried, Extracted, Format, FormatError, OwnedCarried, Propagators, PropagatorsError, SamplingState, b3, xray,
};

use crate::common::vectors::{Message, values};

const T: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const S: &str = "00f067aa0ba902b7";
const OTHER: &str = "0af7651916cd43dd8448eb211c80319c";
const ALL: Propagators = Propagators::new(&Format::ALL, &Format::ALL);

struct Drops;

impl Sampler for Drops {
    fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
        SamplingResult::DROP
    }
}

struct Samples;

impl Sampler for Samples {
    fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
        SamplingResult::SAMPLE
    }
}

/// Reads `name: value` lines, in which `T`, `O` and `S` between dashes or on their own stand for IDs.
fn message(lines: &[&str]) -> Message {
    let id = |part: &str| match part {
        "T" => T.to_owned(),
        "O" => OTHER.to_owned(),
        "S" => S.to_owned(),
        other => other.to_owned(),
    };
    let field = |line: &&str| {
        let (name, value) = line.split_once(": ").unwrap();
        let value = value.split('-').map(id).collect::<Vec<_>>().join("-");
        (name.to_owned(), value.into_bytes())
    };
    lines.iter().map(field).collect()
}

fn extract<'a>(propagators: &Propagators, message: &'a Message) -> Extracted<'a> {
    propagators.extract(|name| values(message, name))
}

fn apply(trust: Trust, extracted: &Extracted<'_>) -> Outgoing<'static> {
    Policy::new(Samples).with_trust(trust).apply(extracted.incoming().clone(), &IdsFrom::new(|| 7)).into_owned()
}

fn inject(
    propagators: &Propagators,
    outgoing: &Outgoing<'_>,
    carried: Carried<'_>,
) -> Vec<(&'static str, Option<String>)> {
    let mut fields = Vec::new();
    propagators.inject(outgoing, carried, |name, value| fields.push((name, value.map(str::to_owned))));
    fields
}

/// F 9, 21.
#[test]
fn the_first_found_wins_and_the_rest_is_reported() {
    use Format::{B3, B3Multi, Jaeger, TraceContext};
    let w3c_first = [TraceContext, B3, B3Multi, Jaeger];
    let b3_first = [B3, B3Multi, TraceContext];
    for (order, lines, winner, state, refused, conflict) in [
        (&w3c_first[..], &[][..], None, None, &[][..], None),
        (&w3c_first, &["traceparent: 00-T-S-01"], Some(TraceContext), Some("accept"), &[], None),
        (&w3c_first, &["traceparent: 00-T-S-01", "b3: T-S-0"], Some(TraceContext), Some("accept"), &[], None),
        (&w3c_first, &["traceparent: 00-T-S-01", "b3: O-S-0"], Some(TraceContext), Some("accept"), &[], Some(B3)),
        (&w3c_first, &["traceparent: junk", "b3: O-S-0"], Some(B3), Some("deny"), &[TraceContext], None),
        (&w3c_first, &["b3: T-S-d", "uber-trace-id: 1:1:0:1"], Some(B3), Some("debug"), &[], Some(Jaeger)),
        (
            &w3c_first,
            &["traceparent: 00-T-S-01", "b3: O-S-0", "uber-trace-id: 1:1:0:1"],
            Some(TraceContext),
            Some("accept"),
            &[],
            Some(B3),
        ),
        (&w3c_first, &["b3: junk", "x-b3-traceid: T", "x-b3-spanid: S"], Some(B3Multi), Some("defer"), &[B3], None),
        (&w3c_first, &["b3: junk", "x-b3-traceid: T"], None, None, &[B3, B3Multi], None),
        (&w3c_first, &["b3: 1", "uber-trace-id: 1:1:0:1"], Some(B3), Some("accept"), &[], None),
        (&b3_first, &["traceparent: 00-T-S-01", "b3: O-S-0"], Some(B3), Some("deny"), &[], Some(TraceContext)),
        (&b3_first, &["traceparent: 00-T-S-01", "uber-trace-id: junk"], Some(TraceContext), Some("accept"), &[], None),
        (&b3_first, &["traceparent: junk", "b3: T-S-0"], Some(B3), Some("deny"), &[TraceContext], None),
    ] {
        let message = message(lines);
        let extracted = extract(&Propagators::new(order, &[]), &message);
        assert_eq!(extracted.format(), winner, "{lines:?}");
        assert_eq!(extracted.state().map(SamplingState::as_str), state, "{lines:?}");
        assert!(extracted.refused().map(FormatError::format).eq(refused.iter().copied()), "{lines:?}");
        assert_eq!(extracted.conflict(), conflict, "{lines:?}");
        let mut buffer = [0; 64];
        let in_buffer = Propagators::new(order, &[]).extract_in(|name| values(&message, name), &mut buffer);
        assert_eq!(in_buffer.incoming(), extracted.incoming());
    }
}

/// F 1, 2.
#[test]
fn absent_refused_and_invalid_stay_different_answers() {
    let order = Propagators::new(&[Format::B3, Format::TraceContext], &[]);
    let incoming = |lines: &[&str]| extract(&order, &message(lines)).incoming().to_string_of_variant();
    assert_eq!(incoming(&["uber-trace-id: junk"]), "absent");
    assert_eq!(incoming(&["b3: junk"]), "refused");
    assert_eq!(incoming(&["b3: junk", "traceparent: junk"]), "invalid");
    assert_eq!(incoming(&["b3: T-S"]), "deferred");
    assert_eq!(incoming(&["b3: T-S-1"]), "valid 01");
    assert_eq!(incoming(&["b3: T-S-d"]), "valid 01");
    assert_eq!(incoming(&["b3: T-S-0"]), "valid 00");
    assert_eq!(incoming(&["b3: d"]), "decision Some(true)");
}

trait Variant {
    fn to_string_of_variant(&self) -> String;
}

impl Variant for Incoming<'_> {
    fn to_string_of_variant(&self) -> String {
        match self {
            Self::Absent => "absent".to_owned(),
            Self::Invalid(_) => "invalid".to_owned(),
            Self::Refused => "refused".to_owned(),
            Self::Deferred(_) => "deferred".to_owned(),
            Self::Root { trace_id: None, sampled } => format!("decision {sampled:?}"),
            Self::Valid { context, .. } => format!("valid {}", context.traceparent.flags()),
            other => format!("{other:?}"),
        }
    }
}

/// F 2, 10.
#[test]
fn tracestate_counts_with_a_traceparent_of_the_same_trace() {
    let b3_first = Propagators::new(&[Format::B3, Format::TraceContext], &[]);
    let b3_only = Propagators::new(&[Format::B3], &[]);
    for (propagators, lines, expected) in [
        (
            b3_first,
            &["b3: T-S-1", "traceparent: 00-T-S-00", "tracestate: rojo=1", "tracestate: congo=2"][..],
            "rojo=1,congo=2",
        ),
        (b3_first, &["b3: T-S", "traceparent: 00-T-S-00", "tracestate: rojo=1"], "rojo=1"),
        (b3_first, &["b3: T-S-1", "traceparent: 00-O-S-00", "tracestate: rojo=1"], ""),
        (b3_first, &["b3: T-S-1", "traceparent: junk", "tracestate: rojo=1"], ""),
        (b3_first, &["b3: T-S-1", "tracestate: rojo=1"], ""),
        (b3_first, &["traceparent: 00-T-S-00", "tracestate: rojo=1"], "rojo=1"),
        (b3_only, &["b3: T-S-1", "traceparent: 00-T-S-00", "tracestate: rojo=1"], ""),
    ] {
        let message = message(lines);
        let extracted = extract(&propagators, &message);
        assert_eq!(extracted.incoming().context().unwrap().tracestate.as_str(), expected, "{lines:?}");
    }
}

/// F 3, 5, 11.
#[test]
fn states_count_as_far_as_the_caller_is_trusted() {
    for (lines, trust, sampled, debug) in [
        (["b3: T-S-d"], Trust::Continue, true, true),
        (["b3: T-S-0"], Trust::Continue, false, false),
        (["b3: T-S"], Trust::Continue, true, false),
        (["b3: d"], Trust::Continue, true, true),
        (["b3: 0"], Trust::Continue, false, false),
        (["b3: T-S-0"], Trust::Resample, true, false),
        (["b3: T-S-d"], Trust::Resample, true, false),
        (["b3: d"], Trust::Resample, true, false),
        (["b3: T-S-d"], Trust::Restart, true, false),
        (["b3: 0"], Trust::Restart, true, false),
        (["b3: T-S-d"], Trust::Ignore, true, false),
    ] {
        let message = message(&lines);
        let extracted = extract(&ALL, &message);
        let outgoing = apply(trust, &extracted);
        assert_eq!(outgoing.decision().is_sampled(), sampled, "{lines:?} {trust:?}");
        let written = inject(&ALL, &outgoing, extracted.carried(&outgoing));
        let b3 = written.iter().find(|(name, _)| *name == "b3").unwrap().1.as_deref().unwrap();
        assert_eq!(b3.ends_with("-d"), debug, "{lines:?} {trust:?}");
        let child = outgoing.child(&IdsFrom::new(|| 9));
        assert_eq!(extracted.carried(&child).is_debug(), debug, "{lines:?} {trust:?}");
    }
}

/// F 4, 26.
#[test]
fn a_load_balancers_trace_id_goes_on_with_a_root_span() {
    let message = message(&["x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793"]);
    let extracted = extract(&ALL, &message);
    let outgoing = apply(Trust::Continue, &extracted);
    assert_eq!((outgoing.origin(), outgoing.parent_id()), (Origin::Continued, None));
    assert_eq!(outgoing.traceparent().trace_id().to_string(), "5759e988bd862e3fe1be46a994272793");
}

/// F 27, 34.
#[test]
fn extras_go_on_with_the_trace_whichever_format_won() {
    let lines = [
        "traceparent: 00-T-S-01",
        "x-amzn-trace-id: Lineage=a:1;Root=1-4bf92f35-77b34da6a3ce929d0e0e4736",
        "x-datadog-trace-id: 11803532876627986230",
        "x-datadog-tags: _dd.p.dm=,_dd.p.tid=4bf92f3577b34da6",
        "x-datadog-sampling-priority: 2",
        "x-datadog-origin: rum",
    ];
    let message = message(&lines);
    let extracted = extract(&ALL, &message);
    assert_eq!((extracted.format(), extracted.conflict()), (Some(Format::TraceContext), None));
    let carried = |trust| {
        let carried = extracted.carried(&apply(trust, &extracted));
        (
            carried.xray_pairs().count(),
            carried.datadog_tags().count(),
            carried.datadog_origin(),
            carried.datadog_priority(),
        )
    };
    assert_eq!(carried(Trust::Continue), (1, 1, Some("rum"), Some(2)));
    assert_eq!(carried(Trust::Resample), (1, 0, Some("rum"), None));
    assert_eq!(carried(Trust::Restart), (0, 0, None, None));
    assert_eq!(carried(Trust::Ignore), (0, 0, None, None));
}

/// F 11, 12.
#[test]
fn stale_fields_of_read_formats_are_removed_and_others_are_left_alone() {
    let propagators =
        Propagators::new(&[Format::TraceContext, Format::XRay, Format::Jaeger], &[Format::XRay, Format::B3]);
    let outgoing = Policy::new(Drops).apply(Incoming::Absent, &IdsFrom::new(|| 7));
    let written = inject(&propagators, &outgoing, Carried::EMPTY);
    let (set, removed): (Vec<_>, Vec<_>) = written.into_iter().partition(|(_, value)| value.is_some());
    let names = |fields: Vec<(&'static str, _)>| fields.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(set), ["traceparent", "b3", "x-amzn-trace-id"]);
    assert_eq!(names(removed), ["tracestate", "uber-trace-id"]);
    let mut all: Vec<_> = propagators.field_names().collect();
    all.sort_unstable();
    assert_eq!(all, ["b3", "traceparent", "tracestate", "uber-trace-id", "x-amzn-trace-id"]);
}

#[test]
fn an_unchanged_tracestate_is_written() {
    let message = message(&["traceparent: 00-T-S-01", "tracestate: rojo=1,congo=2"]);
    let extracted = extract(&Propagators::default(), &message);
    let policy = Policy::new(Drops);
    let outgoing = policy.apply(extracted.incoming().clone(), &IdsFrom::new(|| 7));
    let expected = format!("00-{T}-{}-01", outgoing.span_id());
    let written = inject(&Propagators::default(), &outgoing, Carried::EMPTY);
    assert_eq!(written, [("traceparent", Some(expected.clone())), ("tracestate", Some("rojo=1,congo=2".to_owned()))]);
    let outgoing = outgoing.within(512).unwrap();
    let written = inject(&Propagators::default(), &outgoing, Carried::EMPTY);
    assert_eq!(written[1].1.as_deref(), Some("rojo=1,congo=2"));
}

#[test]
fn changes_of_a_tracestate_are_written() {
    let message = message(&["traceparent: 00-T-S-01", "tracestate: rojo=1,congo=2"]);
    let extracted = extract(&Propagators::default(), &message);
    let outgoing = Policy::new(Drops).apply(extracted.into_incoming(), &IdsFrom::new(|| 7));
    let written = |changes: &[Change<'_>]| {
        let written = inject(&Propagators::default(), &outgoing.edit(changes), Carried::EMPTY);
        assert_eq!((written.len(), written[1].0), (2, "tracestate"));
        written[1].1.clone()
    };
    assert_eq!(written(&[Change::Set(Member::from_static("congo", "3"))]).as_deref(), Some("congo=3,rojo=1"));
    assert_eq!(written(&[Change::Remove("rojo"), Change::Remove("congo")]), None);
}

/// F 6, 17.
#[test]
fn short_ids_are_written_on_request() {
    let propagators = Propagators::new(&[Format::B3], &[Format::B3, Format::B3Multi]).with_short_b3(true);
    let message = message(&["b3: 00000000000000ab-S-1"]);
    let extracted = extract(&propagators, &message);
    assert!(extracted.context().unwrap().is_short());
    let written = inject(&propagators, &apply(Trust::Continue, &extracted), Carried::EMPTY);
    let value = |name| written.iter().find(|(other, _)| *other == name).unwrap().1.clone().unwrap();
    assert!(value("b3").starts_with("00000000000000ab-"));
    assert_eq!(value("x-b3-traceid"), "00000000000000ab");
    assert!(value("traceparent").starts_with("00-000000000000000000000000000000ab-"));
    let propagators = Propagators::new(&[], &[Format::Jaeger]).with_short_b3(true);
    let written = inject(&propagators, &apply(Trust::Continue, &extracted), Carried::EMPTY);
    assert!(written[2].1.as_deref().unwrap().starts_with("000000000000000000000000000000ab:"));
}

/// F 21.
#[test]
fn names_of_propagators_are_parsed() {
    use Format::{B3, B3Multi, Datadog, TraceContext, XRay};
    let parse = |list: &str| {
        let propagators = list.parse::<Propagators>()?;
        Ok::<_, PropagatorsError>((
            propagators.extracted().collect::<Vec<_>>(),
            propagators.injected().collect::<Vec<_>>(),
        ))
    };
    assert_eq!(parse("tracecontext,baggage"), Ok((vec![TraceContext], vec![TraceContext])));
    assert_eq!(parse(""), Ok((vec![TraceContext], vec![TraceContext])));
    assert_eq!(parse(" , "), Ok((vec![TraceContext], vec![TraceContext])));
    assert_eq!(parse("b3"), Ok((vec![B3, B3Multi], vec![TraceContext, B3])));
    assert_eq!(parse("b3multi,tracecontext"), Ok((vec![B3, B3Multi, TraceContext], vec![TraceContext, B3Multi])));
    assert_eq!(parse(" xray,datadog , xray,"), Ok((vec![XRay, Datadog], vec![TraceContext, XRay, Datadog])));
    assert_eq!(parse("none"), Ok((vec![], vec![])));
    assert_eq!(parse("none,b3"), Err(PropagatorsError::NoneBesideOthers));
    assert_eq!(parse("b3,,B3"), Err(PropagatorsError::Unknown { position: 3 }));
    assert_eq!(parse("sw8"), Err(PropagatorsError::Unknown { position: 1 }));
    for format in Format::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
}

#[test]
fn nothing_is_written_by_no_propagators() {
    let outgoing = Policy::new(Drops).apply(Incoming::Absent, &IdsFrom::new(|| 7));
    assert_eq!(inject(&Propagators::NONE, &outgoing, Carried::EMPTY), []);
}

#[test]
fn one_format_alone_is_read_and_written() {
    let only = Propagators::only(Format::Jaeger);
    assert!(only.extracted().eq([Format::Jaeger]) && only.injected().eq([Format::Jaeger]));
    let outgoing = Policy::new(Drops).apply(Incoming::Absent, &IdsFrom::new(|| 7));
    let names = inject(&only, &outgoing, Carried::EMPTY).into_iter().map(|(name, _)| name);
    assert_eq!(names.collect::<Vec<_>>(), ["uber-trace-id"]);
}

/// F 2, 5.
#[test]
fn a_context_by_itself_is_incoming_without_a_list() {
    let incoming = |value| Incoming::from(b3::parse(value).unwrap()).to_string_of_variant();
    assert_eq!(incoming(b"4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1"), "valid 01");
    assert_eq!(incoming(b"4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"), "deferred");
    assert_eq!(incoming(b"0"), "decision Some(false)");
}

/// F 27.
#[test]
fn an_owned_copy_keeps_all_pairs_apart() {
    let carried = xray::parse(b"Root=1-5759e988-bd862e3fe1be46a994272793;A=1; B=2;Self=x;C=").unwrap().carried();
    let owned = carried.into_owned();
    assert!(owned.borrow().xray_pairs().eq([("A", "1"), ("B", "2"), ("C", "")]), "{owned:?}");
    assert_eq!(format!("{:?}", carried.xray_pairs()), r#"[("A", "1"), ("B", "2"), ("C", "")]"#);
    assert_eq!(Carried::default(), Carried::EMPTY);
}

/// F 27, 32, 34.
#[test]
fn an_owned_copy_is_written_as_the_borrowed_one() {
    let lines =
        format!("x-amzn-trace-id: Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Self=x;A={};B=2;C=3", "a".repeat(252));
    let fields = message(&[
        "x-datadog-trace-id: 11803532876627986230",
        "x-datadog-sampling-priority: 2",
        "x-datadog-tags: _dd.p.tid=4bf92f3577b34da6,_dd.p.dm=_4,other=1,_dd.p.usr=7",
        "x-datadog-origin: synthetics",
    ])
    .into_iter()
    .chain([lines.split_once(": ").map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).unwrap()])
    .collect();
    let propagators = Propagators::new(&[Format::Datadog, Format::XRay], &Format::ALL);
    let extracted = extract(&propagators, &fields);
    for trust in [Trust::Continue, Trust::Resample, Trust::Restart] {
        let outgoing = apply(trust, &extracted);
        let carried = extracted.carried(&outgoing);
        let owned = carried.into_owned();
        assert!(owned.borrow().datadog_tags().eq(carried.datadog_tags()), "{trust:?}");
        assert_eq!(inject(&propagators, &outgoing, owned.borrow()), inject(&propagators, &outgoing, carried));
    }
    let kept = extracted.carried(&apply(Trust::Continue, &extracted)).into_owned();
    assert!(kept.borrow().xray_pairs().map(|(key, _)| key).eq(["A"]), "{kept:?}");
    assert_eq!((kept.borrow().datadog_priority(), kept.borrow().datadog_origin()), (Some(2), Some("synthetics")));
    assert_eq!(OwnedCarried::default().borrow(), Carried::EMPTY);
    assert_eq!(OwnedCarried::from(kept.borrow()), kept);
}
