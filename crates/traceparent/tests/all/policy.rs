//! The processing model without HTTP: every `Trust` with every kind of `Incoming`.

use std::cell::Cell;

use traceparent::{
    Change, IdGenerator, IdsFrom, Incoming, Member, Origin, Outgoing, Policy, SpanId, Threshold, TraceFlags, TraceId,
    TraceParent, Trust,
    sampler::{
        AlwaysOff, AlwaysOn, AlwaysRecord, ParentBased, ProbabilitySampler, Sampler, SamplingDecision, SamplingInput,
        SamplingResult, SpanDetails,
    },
};

use crate::common::{EXAMPLE, PARENT_ID, TRACE_ID};

const TRUSTS: [Trust; 4] = [Trust::Continue, Trust::Resample, Trust::Restart, Trust::Ignore];
const LIST: &str = "rojo=1 , congo= 2";

/// Ids 1, 2, 3...; `is_random` as told.
fn ids(random: bool) -> impl IdGenerator {
    let counter = Cell::new(0);
    let draw = move || {
        counter.set(counter.get() + 1);
        counter.get()
    };
    if random { IdsFrom::random(draw) } else { IdsFrom::new(draw) }
}

fn valid(flags: &str, tracestate: &str) -> Incoming<'static> {
    let header = format!("00-{TRACE_ID}-{PARENT_ID}-{flags}");
    let list = Box::leak(tracestate.to_owned().into_boxed_str());
    Incoming::from_fields([Box::leak(header.into_boxed_str()).as_bytes()], [list.as_bytes()])
}

fn apply<'a>(sampler: impl Sampler, trust: Trust, incoming: &Incoming<'a>) -> Outgoing<'a> {
    Policy::new(sampler).with_trust(trust).apply(incoming.clone(), &ids(true))
}

fn example() -> TraceParent {
    EXAMPLE.parse().unwrap()
}

struct RecordOnly;

impl Sampler for RecordOnly {
    fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
        SamplingResult::new(SamplingDecision::RecordOnly)
    }
}

#[track_caller]
fn assert_new_trace(outgoing: &Outgoing<'_>, origin: Origin, sampled: bool) {
    assert_eq!(outgoing.origin(), origin);
    assert_eq!(outgoing.parent_id(), None);
    assert_ne!(outgoing.traceparent().trace_id(), example().trace_id());
    assert_ne!(outgoing.span_id(), example().parent_id());
    assert_eq!(outgoing.traceparent().flags(), TraceFlags::RANDOM.with_sampled(sampled));
    assert_eq!(outgoing.decision(), SamplingDecision::from_sampled(sampled));
    assert!(outgoing.tracestate().is_empty());
}

#[track_caller]
fn assert_continued(outgoing: &Outgoing<'_>, flags: &str) {
    assert_eq!(outgoing.origin(), Origin::Continued);
    assert_eq!(outgoing.parent_id(), Some(example().parent_id()));
    assert_eq!(outgoing.traceparent().trace_id(), example().trace_id());
    assert_eq!(outgoing.traceparent().flags().to_string(), flags);
    assert_ne!(outgoing.span_id(), example().parent_id());
    assert_eq!(outgoing.link(), None);
}

#[test]
fn nothing_in_starts_a_trace() {
    // W3C 18, 34, 66, 67
    for trust in TRUSTS {
        for incoming in [Incoming::Absent, Incoming::from_fields([], [&b"rojo=1"[..]])] {
            assert_new_trace(&apply(AlwaysOn, trust, &incoming), Origin::Started, true);
            let outgoing = apply(AlwaysOff, trust, &incoming);
            assert_new_trace(&outgoing, Origin::Started, false);
            assert_eq!(outgoing.link(), None);
        }
    }
}

#[test]
fn something_invalid_restarts_the_trace_and_clears_the_list() {
    // W3C 9, 10, 29, 37, 69
    let list = &b"rojo=1"[..];
    let invalid = [
        &b"00-"[..],
        b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        b"0.-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        b"",
        b"\xff",
    ];
    for trust in TRUSTS {
        for value in invalid {
            let outgoing = apply(AlwaysOn, trust, &Incoming::from_fields([value], [list]));
            assert_new_trace(&outgoing, Origin::Restarted, true);
            assert_eq!(outgoing.link(), None);
        }
        let repeated = Incoming::from_fields([EXAMPLE.as_bytes(); 2], [list]);
        let outgoing = apply(AlwaysOff, trust, &repeated);
        assert_new_trace(&outgoing, Origin::Restarted, false);
        assert_eq!(outgoing.link(), None);
    }
}

#[test]
fn a_trusted_caller_is_followed_whatever_the_sampler_says() {
    // W3C 17, 19, 26, 35, 60
    for flags in ["00", "01", "02", "03"] {
        for sampler in [&AlwaysOn as &dyn Sampler, &AlwaysOff, &RecordOnly] {
            let outgoing = apply(sampler, Trust::Continue, &valid(flags, LIST));
            assert_continued(&outgoing, flags);
            assert_eq!(outgoing.tracestate().to_string(), LIST);
            assert_eq!(outgoing.decision(), SamplingDecision::from_sampled(flags.ends_with(['1', '3'])));
        }
    }
}

#[test]
fn a_resampled_trace_keeps_its_ids_and_its_random_flag() {
    // W3C 15, 17, 18, 26, 36: the random flag is the caller's even where our own ids are random, and where they are not
    for random in [true, false] {
        for (flags, sampler, expected) in [
            ("00", &AlwaysOn as &dyn Sampler, "01"),
            ("01", &AlwaysOff, "00"),
            ("02", &AlwaysOn, "03"),
            ("03", &AlwaysOff, "02"),
            ("03", &RecordOnly, "02"),
            ("03", &AlwaysOn, "03"),
        ] {
            let policy = Policy::new(sampler).with_trust(Trust::Resample);
            let outgoing = policy.apply(valid(flags, LIST), &ids(random));
            assert_continued(&outgoing, expected);
            assert_eq!(outgoing.tracestate().to_string(), LIST);
        }
    }
}

#[test]
fn a_restarted_trace_takes_no_byte_of_the_callers_and_links_to_it() {
    // W3C 37, 81, 85
    for flags in ["00", "01", "02", "03"] {
        let outgoing = apply(AlwaysOn, Trust::Restart, &valid(flags, LIST));
        assert_new_trace(&outgoing, Origin::Restarted, true);
        let link = outgoing.link().unwrap();
        assert_eq!(link.to_string(), format!("00-{TRACE_ID}-{PARENT_ID}-{flags}"));
    }
}

#[test]
fn an_ignored_caller_leaves_no_trace() {
    // W3C 19, 80
    for flags in ["00", "01", "02", "03"] {
        let outgoing = apply(AlwaysOff, Trust::Ignore, &valid(flags, LIST));
        assert_new_trace(&outgoing, Origin::Restarted, false);
        assert_eq!(outgoing.link(), None);
    }
}

#[test]
fn a_broken_list_is_dropped_and_the_trace_goes_on() {
    // W3C 1, 40, 71
    for broken in ["Rojo=1", "rojo", "rojo=1,=", "rojo=a=b"] {
        let incoming = valid("03", broken);
        assert!(incoming.error().is_some());
        for trust in [Trust::Continue, Trust::Resample] {
            let outgoing = apply(AlwaysOn, trust, &incoming);
            assert_continued(&outgoing, "03");
            assert!(outgoing.tracestate().is_empty());
        }
    }
}

#[test]
fn unknown_flags_and_higher_versions_go_out_as_version_00() {
    // W3C 27, 32, 70
    let header = format!("cc-{TRACE_ID}-{PARENT_ID}-ff-future");
    let outgoing = apply(AlwaysOn, Trust::Continue, &Incoming::from_fields([header.as_bytes()], []));
    assert_continued(&outgoing, "03");
    assert!(outgoing.traceparent().to_string().starts_with("00-"));
    assert_eq!(outgoing.traceparent().encode().len(), 55);
}

#[test]
fn the_random_flag_of_a_new_trace_is_what_the_generator_says() {
    // W3C 13, 23-25
    for random in [true, false] {
        for incoming in [Incoming::Absent, valid("03", ""), Incoming::from_fields([&b"00"[..]], [])] {
            let policy = Policy::new(AlwaysOff).with_trust(Trust::Restart);
            assert_eq!(policy.apply(incoming, &ids(random)).traceparent().flags().is_random(), random);
        }
    }
}

#[test]
fn every_span_has_an_id_of_its_own() {
    // W3C 17, 72
    let ids = ids(true);
    for trust in TRUSTS {
        let server = Policy::new(AlwaysOn).with_trust(trust).apply(valid("01", LIST), &ids);
        let clients = [server.child(&ids), server.child(&ids)];
        let grandchild = clients[1].child(&ids);
        let all = [&server, &clients[0], &clients[1], &grandchild].map(Outgoing::span_id);
        let different: std::collections::HashSet<SpanId> = all.into_iter().chain([example().parent_id()]).collect();
        assert_eq!(different.len(), 5);
    }
}

#[test]
fn a_child_is_in_the_same_trace_with_the_same_decision_flags_and_list() {
    // W3C 26
    for (trust, flags) in [(Trust::Continue, "02"), (Trust::Continue, "01"), (Trust::Restart, "00")] {
        let server = apply(AlwaysOn, trust, &valid(flags, LIST));
        let child = server.child(&ids(false));
        assert_eq!(child.traceparent().trace_id(), server.traceparent().trace_id());
        assert_eq!(child.traceparent().flags(), server.traceparent().flags());
        assert_eq!(child.parent_id(), Some(server.span_id()));
        assert_eq!(child.decision(), server.decision());
        assert_eq!(child.tracestate().to_string(), server.tracestate().to_string());
        assert_eq!((child.origin(), child.link()), (Origin::Continued, None));
    }
}

#[test]
fn record_only_leaves_the_sampled_flag_unset() {
    let outgoing = apply(RecordOnly, Trust::Continue, &Incoming::Absent);
    assert_eq!(outgoing.decision(), SamplingDecision::RecordOnly);
    assert!(outgoing.decision().is_recorded() && !outgoing.traceparent().flags().is_sampled());
}

#[test]
fn a_deferred_decision_leaves_the_flag_as_it_came_and_starts_with_none() {
    // W3C 20
    let policy = Policy::new(AlwaysRecord::new(ParentBased::new(AlwaysOff))).with_trust(Trust::Resample);
    for flags in ["00", "01", "02", "03"] {
        let outgoing = policy.apply(valid(flags, LIST), &ids(true));
        assert_continued(&outgoing, flags);
        assert!(outgoing.decision().is_recorded());
    }
    let started = policy.apply(Incoming::Absent, &ids(true));
    assert_eq!((started.decision(), started.traceparent().flags()), (SamplingDecision::RecordOnly, TraceFlags::RANDOM));
}

#[test]
fn the_sampler_sees_the_trace_the_parent_and_the_span() {
    struct Inspect;
    impl Sampler for Inspect {
        fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
            assert_eq!(input.span().name(), "GET /");
            match input.parent() {
                Some(parent) => {
                    assert!(parent.is_remote() && parent.is_sampled());
                    assert_eq!(parent.context().tracestate.get("rojo"), Some("1"));
                    assert_eq!(input.trace_id(), TraceId::from_static(TRACE_ID));
                }
                None => assert_eq!(input.trace_id().to_u128(), (1 << 64) + 2),
            }
            SamplingResult::DROP
        }
    }
    let span = SpanDetails::new("GET /");
    for trust in TRUSTS {
        for incoming in [Incoming::Absent, valid("01", LIST)] {
            Policy::new(Inspect).with_trust(trust).apply_to(span, incoming, &ids(true));
        }
    }
}

#[test]
fn an_own_member_goes_out_with_every_call() {
    // W3C 62-64, 68
    let changes = [Change::Set(Member::from_static("congo", "ours"))];
    for (trust, expected) in [(Trust::Continue, "congo=ours,rojo=1"), (Trust::Restart, "congo=ours")] {
        let server = apply(AlwaysOn, trust, &valid("01", LIST));
        let server = server.edit(&changes);
        assert_eq!(server.tracestate().to_string(), expected);
        assert_eq!(server.child(&ids(true)).into_owned().tracestate().to_string(), expected);
    }
}

#[test]
fn an_owned_context_sends_the_same_list() {
    let samplers = [Threshold::ALWAYS, Threshold::from_ratio(1, 2).unwrap()].map(ProbabilitySampler::new);
    for sampler in samplers {
        for incoming in [Incoming::Absent, valid("01", LIST), valid("01", "ot=x:1"), valid("01", "ot=th:0")] {
            for trust in [Trust::Continue, Trust::Resample, Trust::Restart] {
                let span = apply(sampler, trust, &incoming);
                let sent = span.tracestate().to_string();
                assert_eq!(span.clone().into_owned().tracestate().to_string(), sent);
                let changes = [Change::Set(Member::from_static("congo", "ours"))];
                let edit = span.edit(&changes);
                let sent = edit.tracestate().to_string();
                assert_eq!(edit.into_owned().tracestate().to_string(), sent);
            }
        }
    }
    let half = Policy::new(ProbabilitySampler::from_ratio(1, 2).unwrap());
    let span = half.apply(Incoming::Absent, &IdsFrom::random(|| u64::MAX));
    assert_eq!(span.into_owned().tracestate().to_string(), "ot=th:8");
}

#[test]
fn a_budget_holds_for_children_too() {
    // W3C 57
    let list = (10..42).map(|i| format!("k{i}={}", "v".repeat(20))).collect::<Vec<_>>().join(",");
    let server = apply(AlwaysOn, Trust::Continue, &valid("01", &list)).within(512).unwrap();
    let cut = server.tracestate().to_string();
    assert!(cut.len() <= 512 && list.starts_with(&cut));
    assert_eq!(server.child(&ids(true)).tracestate().to_string(), cut);
    assert!(apply(AlwaysOn, Trust::Continue, &Incoming::Absent).within(511).is_err());
}
