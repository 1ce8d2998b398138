//! Names of settings, fields to send, and the attributes of samplers: what users of a policy take from it.

use traceparent::{
    Change, IdsFrom, Incoming, Member, Origin, Outgoing, Policy, TraceFlags, TraceState, Trust, UnknownTrust,
    sampler::{
        AlwaysOff, AlwaysOn, AttributeValue, Sampler, SamplingDecision, SamplingInput, SamplingResult, SpanDetails,
    },
};

use crate::common::{EXAMPLE, PARENT_ID, TRACE_ID};

const TRUSTS: [(Trust, &str); 4] = [
    (Trust::Continue, "continue"),
    (Trust::Resample, "resample"),
    (Trust::Restart, "restart"),
    (Trust::Ignore, "ignore"),
];

#[test]
fn trust_has_names() {
    for (trust, name) in TRUSTS {
        assert_eq!((trust.as_str(), trust.to_string().as_str(), name.parse()), (name, name, Ok(trust)));
        assert_eq!(format!("{trust:>9}|"), format!("{name:>9}|"));
    }
    for name in ["", "Continue", "continue ", "trust"] {
        let error: UnknownTrust = name.parse::<Trust>().unwrap_err();
        assert_eq!(error.to_string(), "unknown trust, expected one of continue, resample, restart, ignore");
    }
}

#[test]
fn origin_has_names() {
    for (origin, name) in
        [(Origin::Started, "started"), (Origin::Continued, "continued"), (Origin::Restarted, "restarted")]
    {
        assert_eq!((origin.as_str(), origin.to_string().as_str()), (name, name));
        assert_eq!(format!("{origin:<10}|"), format!("{name:<10}|"));
    }
}

#[test]
fn a_list_parses_from_text_that_is_dropped() {
    let parse = |text: String| text.parse::<TraceState<'static>>();
    let list = parse("rojo=1 ,, congo= 2".to_owned()).unwrap();
    assert_eq!((list.as_str(), list.len()), ("rojo=1 ,, congo= 2", 2));
    assert!(parse(String::new()).unwrap().is_empty());
    assert_eq!(parse("Rojo=1".to_owned()).unwrap_err(), TraceState::parse(b"Rojo=1").unwrap_err());
}

fn span(tracestate: &str) -> Outgoing<'_> {
    let incoming = Incoming::from_fields([EXAMPLE.as_bytes()], [tracestate.as_bytes()]);
    Policy::new(AlwaysOn).apply(incoming, &IdsFrom::new(|| 7))
}

/// The fields as text, which all ways of reading a value agree on.
fn fields(outgoing: &Outgoing<'_>) -> [(&'static str, Option<String>); 2] {
    outgoing.fields().map(|(name, value)| {
        let text = value.map(|value| {
            let bytes: &[u8] = value.as_ref();
            let text: &str = value.as_ref();
            assert_eq!((bytes, text), (value.as_bytes(), value.as_str()));
            assert_eq!(bytes, text.as_bytes());
            assert_eq!((value.to_string(), String::from(value.clone())), (text.to_owned(), text.to_owned()));
            assert_eq!(format!("{value:?}"), format!("FieldValue({text:?})"));
            text.to_owned()
        });
        (name, text)
    })
}

/// Both ways to write the fields agree with the two getters, and the buffer needs what it says and no less.
#[track_caller]
fn assert_fields(outgoing: &Outgoing<'_>, tracestate: Option<&str>) {
    let traceparent = outgoing.traceparent().to_string();
    let expected = [("traceparent", Some(traceparent.as_str())), ("tracestate", tracestate)];
    assert_eq!(fields(outgoing).each_ref().map(|(name, value)| (*name, value.as_deref())), expected);
    let room = match outgoing.tracestate().untouched() {
        Some(_) => 55,
        None => 55 + tracestate.map_or(0, str::len),
    };
    let mut buffer = vec![0; room];
    assert_eq!(outgoing.fields_in(&mut buffer), Ok(expected));
    for short in [0, 54, room - 1] {
        assert_eq!(outgoing.fields_in(&mut buffer[..short]).unwrap_err().needed(), room);
    }
}

#[test]
fn an_unchanged_list_is_sent_as_it_was_received() {
    assert_fields(&span("rojo=1 ,, congo= 2"), Some("rojo=1 ,, congo= 2"));
}

#[test]
fn an_empty_list_is_removed() {
    for list in ["", ",", " , ,"] {
        assert_fields(&span(list), None);
    }
    assert_fields(&span("rojo=1").edit(&[Change::Remove("rojo")]), None);
}

#[test]
fn a_changed_list_is_written_whatever_its_length() {
    let first = [Change::Set(Member::from_static("a", "1"))];
    assert_fields(&span("rojo=1, congo=2").edit(&first), Some("a=1,rojo=1,congo=2"));
    // One character less than an inline value holds, as many, and one more; then a long one.
    for value in [251, 252, 253, 256] {
        let list = format!("x={},y={}", "v".repeat(250), "w".repeat(value));
        assert_fields(&span(&list).edit(&first), Some(&format!("a=1,{list}")));
    }
}

/// Answers as it is told, and annotates with the parent and the name that it sees.
struct Named(SamplingDecision);

impl Sampler for Named {
    fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
        SamplingResult::new(self.0)
    }

    fn annotate(&self, input: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
        let parent = input.parent().map(|parent| parent.context().traceparent.parent_id().to_string());
        visit("parent", AttributeValue::Str(parent.as_deref().unwrap_or("none")));
        visit(input.span().name(), AttributeValue::Bool(input.parent().is_some()));
    }
}

fn annotated(decision: SamplingDecision, trust: Trust, incoming: Incoming<'_>) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    let (policy, ids) = (Policy::new(Named(decision)).with_trust(trust), IdsFrom::new(|| 7));
    let outgoing = policy.apply_annotated(SpanDetails::new("name"), incoming.clone(), &ids, |key, value| {
        attributes.push((key.to_owned(), value.to_string()));
    });
    let plain = policy.apply_to(SpanDetails::new("name"), incoming, &ids);
    assert_eq!(format!("{outgoing:?}"), format!("{plain:?}"));
    attributes
}

#[test]
fn samplers_annotate_the_recorded_spans_about_which_they_were_asked() {
    let pairs = |parent: &str, has_parent: bool| {
        vec![("parent".to_owned(), parent.to_owned()), ("name".to_owned(), has_parent.to_string())]
    };
    let valid = || Incoming::from_fields([EXAMPLE.as_bytes()], []);
    let deferred = || Incoming::Deferred(valid().context().unwrap().clone());
    let root = |sampled| Incoming::Root { trace_id: TRACE_ID.parse().ok(), sampled };
    for decision in [SamplingDecision::RecordOnly, SamplingDecision::RecordAndSample] {
        for (trust, _) in TRUSTS {
            assert_eq!(annotated(decision, trust, Incoming::Absent), pairs("none", false));
            assert_eq!(annotated(decision, trust, Incoming::Refused), pairs("none", false));
            assert_eq!(annotated(decision, trust, root(None)), pairs("none", false));
            let follows = trust == Trust::Continue;
            let continues = matches!(trust, Trust::Continue | Trust::Resample);
            let expected = if continues { pairs(PARENT_ID, true) } else { pairs("none", false) };
            assert_eq!(annotated(decision, trust, deferred()), expected);
            assert_eq!(annotated(decision, trust, valid()), if follows { vec![] } else { expected });
            let expected = if follows { vec![] } else { pairs("none", false) };
            assert_eq!(annotated(decision, trust, root(Some(true))), expected);
        }
    }
    for (trust, _) in TRUSTS {
        for incoming in [Incoming::Absent, valid(), deferred(), root(None)] {
            assert_eq!(annotated(SamplingDecision::Drop, trust, incoming), []);
        }
    }
}

#[test]
fn a_span_that_is_not_sampled_sends_its_fields_all_the_same() {
    let outgoing = Policy::new(AlwaysOff).apply(Incoming::Absent, &IdsFrom::new(|| 7));
    assert_eq!(outgoing.traceparent().flags(), TraceFlags::NONE);
    assert_fields(&outgoing, None);
}
