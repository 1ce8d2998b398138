//! Contexts between the two families of types.
#![allow(clippy::unwrap_used)]

use std::{collections::HashSet, fmt::Debug};

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState as OtelTraceState};
use opentelemetry_sdk::trace::IdGenerator;
use proptest::prelude::*;
use traceparent::{RandomIdGenerator, TraceContext, TraceFlags as Flags, TraceParent, TraceState, sampler::AlwaysOn};
use traceparent_opentelemetry::{
    SdkIdGenerator, SdkSampler, TraceContextPropagator, from_span_context, to_span_context,
};

proptest! {
    #[test]
    fn ids_flags_and_most_lists_survive_both_ways(
        trace_id in 1..u128::MAX,
        span_id in 1..u64::MAX,
        flags in any::<u8>(),
        list in prop::collection::hash_map("[a-z0-9][a-z0-9_*/-]{0,8}", "[!-+\\--<>-~ ]{0,8}[!-+\\--<>-~]", 0..8),
    ) {
        let list: Vec<_> = list.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let (trace_id, span_id) =
            (traceparent::TraceId::from_u128(trace_id).unwrap(), traceparent::SpanId::from_u64(span_id).unwrap());
        let text = list.join(",");
        let state = TraceState::parse(text.as_bytes()).unwrap();
        let context = TraceContext::new(TraceParent::new(trace_id, span_id, Flags::from_bits(flags)), state);
        let span_context = to_span_context(&context);
        prop_assert!(span_context.is_valid() && span_context.is_remote());
        prop_assert_eq!(span_context.trace_id().to_bytes(), trace_id.to_bytes());
        prop_assert_eq!(span_context.trace_flags().to_u8(), flags & 3);
        prop_assert_eq!(span_context.trace_state().header(), text.as_str());
        prop_assert_eq!(from_span_context(&span_context), Some(context));
    }
}

#[test]
fn what_opentelemetry_refuses_is_left_out() {
    for (list, header) in [
        ("foo@@bar=1", ""),
        ("rojo=1,t@0123456789abcde=2,congo=3", "rojo=1,congo=3"),
        ("rojo=1,rojo=2", "rojo=1"),
        ("rojo=1 ,, congo= 2", "rojo=1,congo= 2"),
        (",,", ""),
    ] {
        let context = TraceContext::new(
            TraceParent::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            TraceState::parse(list.as_bytes()).unwrap(),
        );
        assert_eq!(to_span_context(&context).trace_state().header(), header);
    }
}

#[test]
fn what_the_specification_refuses_is_left_out() {
    // W3C 50, 51, 53
    let list = [("a", "1"), ("", "2"), ("b", ""), ("c", "\u{e4}"), ("d", "\r\nx: y"), ("a", "3"), ("e", "4 ")];
    let list = OtelTraceState::from_key_value(list).unwrap();
    let context = SpanContext::new(TraceId::from(1), SpanId::from(2), TraceFlags::new(0xfd), false, list);
    let context = from_span_context(&context).unwrap();
    assert_eq!(context.tracestate.as_str(), "a=1");
    // W3C 27
    assert_eq!(context.traceparent.flags().bits(), 1);
}

#[test]
fn a_zero_id_names_nothing() {
    // W3C 9, 10
    let context = |trace_id: u128, span_id: u64| {
        let none = OtelTraceState::NONE;
        from_span_context(&SpanContext::new(trace_id.into(), span_id.into(), TraceFlags::SAMPLED, true, none))
    };
    assert!(context(0, 1).is_none() && context(1, 0).is_none() && context(1, 1).is_some());
}

#[test]
fn ids_come_from_our_generator() {
    let ids = SdkIdGenerator::new(RandomIdGenerator);
    let distinct: HashSet<_> = (0..100).map(|_| (ids.new_trace_id(), ids.new_span_id())).collect();
    assert_eq!(distinct.len(), 100);
    assert!(distinct.iter().all(|(trace_id, span_id)| *trace_id != TraceId::INVALID && *span_id != SpanId::INVALID));
}

#[test]
fn types_are_what_the_sdk_asks_for() {
    fn assert_usable<T: Clone + Debug + Send + Sync + 'static>(_: &T) {}
    assert_usable(&TraceContextPropagator::default());
    assert_usable(&SdkIdGenerator::new(RandomIdGenerator));
    let sampler = SdkSampler::new(AlwaysOn);
    assert_usable(&sampler);
    assert_eq!(format!("{sampler:?}"), "SdkSampler(traceparent::sampler::always::AlwaysOn)");
}
