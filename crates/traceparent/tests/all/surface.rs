//! The conversions, names and other small items of the API.

use std::{cell::Cell, collections::BTreeSet, time::Duration};

use traceparent::{
    ErrorKind, IdsFrom, Incoming, Member, Origin, Policy, SpanId, Threshold, TraceContext, TraceFlags, TraceId,
    TraceParent, TraceState,
    sampler::{
        AlwaysOff, AlwaysOn, AttributeValue, Attributes, Clock, MonotonicClock, Parent, ProbabilitySampler,
        RateLimited, Sampler, SamplingDecision, SamplingInput, SpanDetails,
    },
};

use crate::common::{EXAMPLE, PARENT_ID, TRACE_ID};

fn context() -> TraceContext<'static> {
    TraceContext::new(TraceParent::from_static(EXAMPLE), TraceState::from_static("rojo=1,congo=2,ot=th:c"))
}

#[test]
fn a_context_is_the_same_borrowed_and_owned() {
    let context = context();
    assert_eq!(context.borrow(), context);
    let owned = {
        let text = context.tracestate.to_string();
        TraceContext::new(context.traceparent, TraceState::parse(text.as_bytes()).unwrap()).into_owned()
    };
    assert_eq!(owned, context);
}

#[test]
fn ids_are_read_from_text_and_bytes_alike() {
    assert_eq!(TRACE_ID.parse(), TraceId::parse(TRACE_ID.as_bytes()));
    assert_eq!(PARENT_ID.parse(), SpanId::parse(PARENT_ID.as_bytes()));
    assert_eq!("0".parse::<TraceId>().unwrap_err().kind(), ErrorKind::TooShort);
    assert_eq!(SpanId::try_from("0000000000000000").unwrap_err().kind(), ErrorKind::AllZero);
}

#[test]
fn bytes_of_ids_are_in_the_order_of_their_digits_on_every_machine() {
    let bytes = TraceId::from_static(TRACE_ID).to_bytes();
    assert_eq!(bytes[..4], [0x4b, 0xf9, 0x2f, 0x35]);
    assert_eq!(TraceId::from_bytes(bytes).unwrap().to_u128() >> 96, 0x4bf9_2f35);
    assert_eq!(SpanId::from_static(PARENT_ID).to_bytes()[..4], [0x00, 0xf0, 0x67, 0xaa]);
    assert_eq!(SpanId::from_static(PARENT_ID).to_u64() >> 32, 0x00f0_67aa);
}

#[test]
fn flags_are_sets() {
    let both = TraceFlags::SAMPLED | TraceFlags::RANDOM;
    assert_eq!(both.bits(), 3);
    assert_eq!(both | TraceFlags::SAMPLED, both);
    assert_eq!(TraceFlags::NONE | TraceFlags::NONE, TraceFlags::NONE);
}

#[test]
fn names_for_metrics_are_short_stable_and_distinct() {
    let origins = [Origin::Started, Origin::Continued, Origin::Restarted];
    assert_eq!(origins.map(Origin::as_str), ["started", "continued", "restarted"]);
    let kinds = [ErrorKind::TooShort, ErrorKind::TooLong, ErrorKind::Empty, ErrorKind::InvalidByte];
    assert_eq!(kinds.iter().map(|kind| kind.as_str()).collect::<BTreeSet<_>>().len(), kinds.len());
}

#[test]
fn a_policy_shows_its_sampler() {
    let sampler = ProbabilitySampler::from_ratio(1, 4).unwrap();
    assert_eq!(Policy::new(sampler).sampler(), &sampler);
}

#[test]
fn thresholds_are_numbers() {
    assert_eq!(Threshold::from_ratio(1, 4).unwrap().to_bits(), 3 << 54);
    assert_eq!(Threshold::ALWAYS.to_bits(), 0);
}

#[test]
fn lists_are_iterated_by_reference() {
    let list = context().tracestate;
    let mut keys = Vec::new();
    for member in &list {
        keys.push(member.key());
    }
    assert_eq!(keys, ["rojo", "congo", "ot"]);
}

#[test]
fn a_result_describes_the_list_without_a_policy() {
    let context = context();
    let input = SamplingInput::child_of(Parent::Remote(&context));
    let list = |sampler: &dyn Sampler| sampler.should_sample(&input).tracestate(&input).to_string();
    assert_eq!(list(&AlwaysOff), "rojo=1,congo=2");
    assert_eq!(list(&ProbabilitySampler::from_ratio(1, 2).unwrap()), "ot=th:8,rojo=1,congo=2");
    let root = SamplingInput::root(TraceId::from_static(TRACE_ID));
    assert_eq!(AlwaysOff.should_sample(&root).tracestate(&root).to_string(), "");
}

#[test]
fn a_parent_is_another_process_or_this_one() {
    let context = context();
    assert!(Parent::Remote(&context).is_remote() && !Parent::Local(&context).is_remote());
    assert_eq!(Parent::Local(&context).context(), &context);
}

#[test]
fn all_decisions_but_drop_record() {
    let decisions = [SamplingDecision::Drop, SamplingDecision::RecordOnly, SamplingDecision::RecordAndSample];
    assert_eq!(decisions.map(SamplingDecision::is_recorded), [false, true, true]);
    assert_eq!(decisions.map(SamplingDecision::is_sampled), [false, false, true]);
    assert_eq!([true, false].map(SamplingDecision::from_sampled), [decisions[2], decisions[0]]);
}

#[test]
fn a_sampler_adds_no_attributes_unless_it_says_so() {
    let input = SamplingInput::root(TraceId::from_static(TRACE_ID));
    let mut count = 0;
    AlwaysOn.annotate(&input, &mut |_, _| count += 1);
    assert_eq!(count, 0);
}

#[test]
fn attributes_are_looked_up_in_arrays_and_slices() {
    let attributes = [("a", AttributeValue::I64(1)), ("b", AttributeValue::Bool(true))];
    let slice: &[_] = &attributes;
    let holders: [&dyn Attributes; 2] = [&attributes, &slice];
    for holder in holders {
        assert_eq!(holder.attribute("a"), Some(AttributeValue::I64(1)));
        assert_eq!(holder.attribute("b"), Some(AttributeValue::Bool(true)));
        assert_eq!(holder.attribute("c"), None);
    }
}

#[test]
fn details_of_a_span_show_everything_but_its_attributes() {
    let links = [TraceParent::from_static(EXAMPLE)];
    let attributes = [("secret", AttributeValue::Str("value"))];
    let shown = format!("{:?}", SpanDetails::new("GET /").with_attributes(&attributes).with_links(&links));
    assert!(shown.contains("GET /") && shown.contains("Internal") && shown.contains("TraceParent"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn the_monotonic_clock_goes_on() {
    let clock = MonotonicClock::default();
    std::thread::sleep(Duration::from_millis(1));
    assert!(clock.now() >= Duration::from_millis(1));
}

#[test]
fn the_rate_limiter_ends_where_its_clock_does() {
    let last = Duration::from_nanos(u64::MAX);
    let now = Cell::new(last + Duration::from_nanos(1));
    let limiter = RateLimited::new(AlwaysOn, 1, Duration::from_secs(1), || now.get());
    let input = SamplingInput::root(TraceId::from_static(TRACE_ID));
    assert!(!limiter.should_sample(&input).decision.is_sampled());
    now.set(Duration::from_nanos(u64::MAX - 1_000_000_000));
    assert!(limiter.should_sample(&input).decision.is_sampled());

    // A period that long lets one through.
    let rare = RateLimited::new(AlwaysOn, 1, last + Duration::from_nanos(1), || Duration::ZERO);
    let sampled = || rare.should_sample(&input).decision.is_sampled();
    assert_eq!([sampled(), sampled()], [true, false]);
}

/// Whether a literal is taken.
fn is_taken<T>(parse: impl FnOnce() -> T + std::panic::UnwindSafe) -> bool {
    std::panic::catch_unwind(parse).is_ok()
}

#[test]
fn literals_that_are_invalid_panic() {
    assert!(is_taken(|| TraceId::from_static(TRACE_ID)) && !is_taken(|| TraceId::from_static("0")));
    assert!(is_taken(|| TraceParent::from_static(EXAMPLE)) && !is_taken(|| TraceParent::from_static("00")));
    assert!(is_taken(|| TraceState::from_static("a=1")) && !is_taken(|| TraceState::from_static("A=1")));
    assert!(is_taken(|| Member::from_static("a", "1")) && !is_taken(|| Member::from_static("a", "")));
}

#[test]
fn a_member_of_the_sampling_decision_counts_for_the_budget() {
    let value = "v".repeat(160);
    let list = ["a", "b", "c"].map(|key| format!("{key}={value}")).join(",");
    let incoming = Incoming::from_fields([EXAMPLE.as_bytes()], [list.as_bytes()]);
    let policy = Policy::new(ProbabilitySampler::from_ratio(1, 1).unwrap()).with_trust(traceparent::Trust::Resample);
    let span = policy.apply(incoming, &IdsFrom::new(|| 7)).within(512).unwrap();
    assert_eq!(span.tracestate().len(), "ot=th:0,".len() + list.len());
    let longer = format!("{list},d=45678901234567");
    let incoming = Incoming::from_fields([EXAMPLE.as_bytes()], [longer.as_bytes()]);
    let span = policy.apply(incoming, &IdsFrom::new(|| 7)).within(512).unwrap();
    assert_eq!(span.tracestate().to_string(), format!("ot=th:0,a={value},b={value},d=45678901234567"));
}
