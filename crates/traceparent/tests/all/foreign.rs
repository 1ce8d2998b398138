//! The processing model for contexts that other formats can express and W3C Trace Context cannot: a deferred decision,
//! a trace without a parent, a decision without a trace, and a refusal.

use traceparent::{
    IdsFrom, Incoming, Origin, Outgoing, Policy, TraceContext, TraceFlags, TraceId, TraceParent, TraceState, Trust,
    sampler::{Sampler, SamplingDecision, SamplingInput, SamplingResult},
};

use crate::common::EXAMPLE;

const STATE: &str = "rojo=1";

/// Decides as it is told, and checks that it sees the parent.
struct Told {
    sampled: bool,
    has_parent: bool,
}

impl Sampler for Told {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        assert_eq!(input.parent().is_some(), self.has_parent);
        SamplingResult::new(SamplingDecision::from_sampled(self.sampled))
    }
}

fn caller() -> TraceParent {
    EXAMPLE.parse().unwrap()
}

/// Applies a policy whose sampler decides against the caller.
fn apply(trust: Trust, incoming: Incoming<'_>, sampled: bool, has_parent: bool) -> Outgoing<'_> {
    let policy = Policy::new(Told { sampled, has_parent }).with_trust(trust);
    policy.apply(incoming, &IdsFrom::random(|| 7))
}

fn deferred() -> Incoming<'static> {
    let unsampled = TraceParent::new(caller().trace_id(), caller().parent_id(), TraceFlags::NONE);
    Incoming::Deferred(TraceContext::new(unsampled, TraceState::from_static(STATE)))
}

/// F 3, 5.
#[test]
fn the_sampler_decides_about_a_deferred_decision() {
    for trust in [Trust::Continue, Trust::Resample] {
        for sampled in [false, true] {
            let outgoing = apply(trust, deferred(), sampled, true);
            assert_eq!(outgoing.origin(), Origin::Continued);
            assert_eq!(outgoing.traceparent().trace_id(), caller().trace_id());
            assert_eq!(outgoing.traceparent().flags(), TraceFlags::NONE.with_sampled(sampled));
            assert_eq!(outgoing.parent_id(), Some(caller().parent_id()));
            assert_eq!(outgoing.tracestate().to_string(), STATE);
            assert!(!outgoing.follows_caller());
        }
    }
    let restarted = apply(Trust::Restart, deferred(), true, false);
    assert_eq!(restarted.origin(), Origin::Restarted);
    assert_eq!(restarted.link().unwrap().parent_id(), caller().parent_id());
    assert!(restarted.tracestate().is_empty());
    assert_eq!(apply(Trust::Ignore, deferred(), true, false).link(), None);
}

/// F 2, 4, 5.
#[test]
fn a_trace_without_a_parent_goes_on_with_a_root_span() {
    let trace_id = Some(caller().trace_id());
    for (caller_sampled, trust, sampler, expected, follows) in [
        (Some(true), Trust::Continue, false, true, true),
        (Some(false), Trust::Continue, true, false, true),
        (None, Trust::Continue, true, true, false),
        (None, Trust::Continue, false, false, false),
        (Some(true), Trust::Resample, false, false, false),
        (Some(false), Trust::Resample, true, true, false),
    ] {
        let outgoing = apply(trust, Incoming::Root { trace_id, sampled: caller_sampled }, sampler, false);
        assert_eq!(outgoing.origin(), Origin::Continued);
        assert_eq!(outgoing.parent_id(), None);
        assert_eq!(outgoing.traceparent().trace_id(), caller().trace_id());
        // The IDs of the generator are random, this trace-id is not known to be.
        assert_eq!(outgoing.traceparent().flags(), TraceFlags::NONE.with_sampled(expected));
        assert_eq!(outgoing.follows_caller(), follows);
        assert_eq!(outgoing.child(&IdsFrom::new(|| 9)).follows_caller(), follows);
    }
    for trust in [Trust::Restart, Trust::Ignore] {
        let outgoing = apply(trust, Incoming::Root { trace_id, sampled: Some(true) }, false, false);
        assert_eq!(outgoing.origin(), Origin::Restarted);
        assert_ne!(outgoing.traceparent().trace_id(), caller().trace_id());
        assert_eq!(outgoing.traceparent().flags(), TraceFlags::RANDOM);
        assert_eq!((outgoing.link(), outgoing.follows_caller()), (None, false));
    }
}

/// F 5.
#[test]
fn a_decision_without_ids_starts_a_trace_with_it() {
    for sampled in [Some(true), Some(false), None] {
        for trust in [Trust::Continue, Trust::Resample, Trust::Restart, Trust::Ignore] {
            let sampler = sampled != Some(true);
            let outgoing = apply(trust, Incoming::Root { trace_id: None, sampled }, sampler, false);
            let follows = trust == Trust::Continue && sampled.is_some();
            assert_eq!(outgoing.origin(), Origin::Started);
            assert_eq!(outgoing.traceparent().trace_id(), TraceId::from_u128(7 << 64 | 7).unwrap());
            assert_eq!(outgoing.follows_caller(), follows);
            let expected = if follows { sampled == Some(true) } else { sampler };
            assert_eq!(outgoing.traceparent().flags(), TraceFlags::RANDOM.with_sampled(expected));
        }
    }
}

#[test]
fn a_refused_format_restarts_the_trace() {
    for trust in [Trust::Continue, Trust::Resample, Trust::Restart, Trust::Ignore] {
        let outgoing = apply(trust, Incoming::Refused, true, false);
        assert_eq!((outgoing.origin(), outgoing.link()), (Origin::Restarted, None));
    }
}

#[test]
fn only_a_followed_decision_is_the_callers() {
    let valid = || Incoming::from_values(Some(EXAMPLE.as_bytes()), None);
    assert!(apply(Trust::Continue, valid(), false, true).follows_caller());
    assert!(!apply(Trust::Resample, valid(), false, true).follows_caller());
    assert!(!apply(Trust::Restart, valid(), false, false).follows_caller());
    assert!(!apply(Trust::Continue, Incoming::Absent, true, false).follows_caller());
    assert_eq!(deferred().context().unwrap().traceparent.trace_id(), caller().trace_id());
    for incoming in [deferred(), Incoming::Refused, Incoming::Root { trace_id: None, sampled: None }] {
        assert_eq!(incoming.error(), None);
    }
}
