//! What travels beside OpenTelemetry's own types, and what becomes of it.
#![allow(clippy::unwrap_used)]

mod common;

use http::HeaderMap;
use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, TextMapPropagator},
    trace::{
        Link, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer, TracerProvider,
    },
};
use opentelemetry_sdk::trace::{
    Sampler::{AlwaysOff, AlwaysOn},
    SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample,
};
use traceparent_opentelemetry::TraceContextPropagator;

use crate::common::{Outcome, SAMPLED, TRACE_ID, extract, headers, hop, inject, provider};

const PROPAGATOR: TraceContextPropagator = TraceContextPropagator::new();

/// Does to the list what a test wants.
#[derive(Clone, Debug)]
struct Edits(fn(&TraceState) -> TraceState);

impl ShouldSample for Edits {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let list = parent.map(|cx| cx.span().span_context().trace_state().clone()).unwrap_or_default();
        let decision = SamplingDecision::RecordAndSample;
        SamplingResult { decision, attributes: Vec::new(), trace_state: (self.0)(&list) }
    }
}

#[track_caller]
fn assert_edited(edit: fn(&TraceState) -> TraceState, received: &str, sent: &str) {
    let call = hop(&PROPAGATOR, &provider(Edits(edit)), &headers(&[SAMPLED], &[received]));
    assert_eq!(Outcome::of(&call).tracestate.unwrap_or_default(), sent);
}

#[test]
fn a_list_that_nobody_changes_goes_on_byte_for_byte() {
    // W3C 47, 52, 60, 61
    for list in ["rojo=1", "rojo=1 ,congo=2", "a=1,,b= 2", "a=1,a=2", "t@0123456789abcde=1", "foo@@bar=1,rojo=1"] {
        assert_edited(Clone::clone, list, list);
    }
}

#[test]
fn a_member_that_a_sampler_sets_comes_first_and_wins() {
    // W3C 54, 62, 63, 64
    let set = |list: &TraceState| list.insert("ot", "th:8").unwrap();
    assert_edited(set, "", "ot=th:8");
    assert_edited(set, "rojo=1", "ot=th:8,rojo=1");
    assert_edited(set, "foo@@bar=1,ot=th:c,rojo=2", "ot=th:8,foo@@bar=1,rojo=2");
    assert_edited(set, "foo@@bar=1, rojo=2", "ot=th:8,foo@@bar=1,rojo=2");
}

#[test]
fn a_member_that_a_sampler_removes_is_gone() {
    // W3C 65
    let remove = |list: &TraceState| list.delete("ot").unwrap();
    assert_edited(remove, "ot=th:8", "");
    assert_edited(remove, "rojo=1,ot=th:8", "rojo=1");
    assert_edited(remove, "rojo=1,ot=th:8,foo@@bar=2", "rojo=1,foo@@bar=2");
    assert_edited(remove, "foo@@bar=2,ot=th:8", "foo@@bar=2");
}

#[test]
fn a_member_that_moves_to_the_left_end_moves_in_the_whole_list() {
    // W3C 62
    let touch = |list: &TraceState| list.insert("b", list.get("b").unwrap()).unwrap();
    assert_edited(touch, "a=1,x@@y=2,b=3,c=4", "b=3,a=1,x@@y=2,c=4");
}

#[test]
fn an_updated_member_goes_out_once() {
    // W3C 53, 63
    assert_edited(|list| list.insert("a", "3").unwrap(), "a=1,b=1,a=2", "a=3,b=1");
    assert_edited(|list| list.insert("a", "3").unwrap(), "a=1,b@@c=1,a=2", "a=3,b@@c=1");
}

#[test]
fn members_that_the_grammar_forbids_stay_here() {
    // W3C 50, 51
    let set = |list: &TraceState| list.insert("a", "").unwrap().insert("", "1").unwrap().insert("b", "\n").unwrap();
    assert_edited(set, "rojo=1", "rojo=1");
    assert_edited(set, "rojo=1,x@@y=1", "rojo=1,x@@y=1");
    assert_edited(|_| TraceState::from_key_value([("a", "1"), ("b", "2"), ("a", "3")]).unwrap(), "", "a=1,b=2");
}

#[test]
fn at_most_32_members_go_out() {
    // W3C 48
    let mut members: Vec<_> = (0..31).map(|i| format!("k{i}=1")).collect();
    members.insert(0, "foo@@bar=1".to_owned());
    let received = members.join(",");
    members.insert(0, "ot=th:8".to_owned());
    let sent = members[..32].join(",");
    assert_edited(|list| list.insert("ot", "th:8").unwrap(), &received, &sent);
}

#[test]
fn spans_further_down_carry_the_same() {
    // W3C 26, 60
    let tracer = SdkTracerProvider::default().tracer("test");
    let traceparent = SAMPLED.replace("-01", "-03");
    let mut cx = extract(&PROPAGATOR, &headers(&[&traceparent], &["foo@@bar=1,rojo=1"]));
    for _ in 0..3 {
        let span = tracer.start_with_context("step", &cx);
        cx = cx.with_span(span);
        let call = Outcome::of(&inject(&PROPAGATOR, &cx));
        assert_eq!((call.continued, call.flags.as_str()), (true, "03"));
        assert_eq!(call.tracestate.as_deref(), Some("foo@@bar=1,rojo=1"));
    }
}

#[test]
fn another_trace_in_the_same_context_gets_nothing_of_it() {
    // W3C 37
    let cx = extract(&PROPAGATOR, &headers(&[SAMPLED], &["foo@@bar=1"]));
    let root = SdkTracerProvider::default().tracer("test").start_with_context("root", &Context::new());
    let call = Outcome::of(&inject(&PROPAGATOR, &cx.with_span(root)));
    assert_eq!((call.continued, call.flags.as_str(), call.tracestate), (false, "03", None));
}

#[test]
fn a_sampler_that_forgets_the_list_does_not_make_a_trace_start_here() {
    // W3C 26
    for list in [&[][..], &["rojo=1"]] {
        let call = Outcome::of(&hop(&PROPAGATOR, &provider(Edits(|_| TraceState::NONE)), &headers(&[SAMPLED], list)));
        assert_eq!((call.continued, call.flags.as_str(), call.tracestate), (true, "01", None));
    }
}

#[test]
fn what_was_extracted_last_counts() {
    let first = extract(&PROPAGATOR, &headers(&[&SAMPLED.replace("-01", "-03")], &["foo@@bar=1"]));
    for propagator in [PROPAGATOR, PROPAGATOR.with_random_ids(false)] {
        let request = headers(&[SAMPLED], &["rojo=1"]);
        let second = propagator.extract_with_context(&first, &opentelemetry_http::HeaderExtractor(&request));
        let call = Outcome::of(&inject(&propagator, &second));
        assert_eq!((call.flags.as_str(), call.tracestate.as_deref()), ("01", Some("rojo=1")));
    }
}

#[test]
fn nothing_valid_leaves_the_context_as_it_was() {
    // W3C 39, 67
    let before = extract(&PROPAGATOR, &headers(&[SAMPLED], &["rojo=1"])).with_value(42_u8);
    for request in [headers(&[], &["congo=2"]), headers(&["junk"], &["congo=2"]), headers(&[SAMPLED, SAMPLED], &[])] {
        let after = PROPAGATOR.extract_with_context(&before, &opentelemetry_http::HeaderExtractor(&request));
        assert_eq!(after.span().span_context(), before.span().span_context());
        assert_eq!(after.get::<u8>(), Some(&42));
        assert!(!extract(&PROPAGATOR, &request).has_active_span());
    }
}

#[test]
fn without_random_ids_only_the_callers_random_flag_goes_out() {
    // W3C 24, 26
    let propagator = PROPAGATOR.with_random_ids(false);
    let flags = |request: &HeaderMap, sampler| Outcome::of(&hop(&propagator, &provider(sampler), request)).flags;
    assert_eq!(flags(&HeaderMap::new(), AlwaysOn), "01");
    assert_eq!(flags(&HeaderMap::new(), AlwaysOff), "00");
    for (received, on, off) in [("00", "01", "00"), ("01", "01", "00"), ("02", "03", "02"), ("03", "03", "02")] {
        let request = headers(&[&format!("00-{TRACE_ID}-00f067aa0ba902b7-{received}")], &[]);
        assert_eq!((flags(&request, AlwaysOn).as_str(), flags(&request, AlwaysOff).as_str()), (on, off));
    }
}

#[test]
fn a_context_from_elsewhere_keeps_its_own_flags() {
    // W3C 26, 27: nothing tells that these traces start here.
    let list = TraceState::from_key_value([("rojo", "1")]).unwrap();
    for (bits, remote, list, sent) in [
        (0x01, true, TraceState::NONE, "01"),
        (0xff, true, TraceState::NONE, "03"),
        (0x00, false, list.clone(), "00"),
        (0x02, false, list, "02"),
    ] {
        let span = SpanContext::new(TraceId::from(1), SpanId::from(2), TraceFlags::new(bits), remote, list);
        let call = inject(&PROPAGATOR, &Context::new().with_remote_span_context(span));
        assert_eq!(Outcome::of(&call).flags, sent);
    }
}

#[test]
fn without_a_valid_span_nothing_goes_out() {
    assert!(inject(&PROPAGATOR, &Context::new()).is_empty());
    let half = SpanContext::new(TraceId::from(1), SpanId::INVALID, TraceFlags::SAMPLED, true, TraceState::NONE);
    assert!(inject(&PROPAGATOR, &Context::new().with_remote_span_context(half)).is_empty());
}

#[test]
fn white_space_around_values_is_not_part_of_them() {
    // RFC 9110, 5.5
    let cx = extract(&PROPAGATOR, &headers(&[&format!(" \t{SAMPLED} ")], &[" rojo=1\t"]));
    assert_eq!(Outcome::of(&inject(&PROPAGATOR, &cx)).tracestate.as_deref(), Some("rojo=1"));
}

#[test]
fn tracestate_is_looked_up_only_behind_a_valid_traceparent() {
    // W3C 39
    struct Carrier(&'static str);
    impl Extractor for Carrier {
        fn get(&self, key: &str) -> Option<&str> {
            assert_eq!(key, "traceparent");
            Some(self.0)
        }

        fn keys(&self) -> Vec<&str> {
            Vec::new()
        }
    }
    assert!(!PROPAGATOR.extract_with_context(&Context::new(), &Carrier("junk")).has_active_span());
}

#[test]
fn the_propagator_names_its_fields() {
    // W3C 4, 5, 42
    assert_eq!(PROPAGATOR.fields().collect::<Vec<_>>(), ["traceparent", "tracestate"]);
}
