//! Counts the allocations of everything on the path of a request.

use std::hint::black_box;

use traceparent::{
    Change, IdGenerator, Incoming, Member, Policy, RandomIdGenerator, Randomness, TraceParent, TraceState, Trust,
    sampler::{AlwaysOff, AlwaysOn, ParentBased, ProbabilitySampler},
};

use crate::common::{
    EXAMPLE,
    vectors::{self, read},
};

fn count<T>(run: impl FnOnce() -> T) -> u64 {
    allocation_counter::measure(|| drop(black_box(run()))).count_total
}

#[track_caller]
fn assert_none<T>(run: impl FnOnce() -> T) {
    assert_eq!(count(run), 0);
}

const ONE: &[u8] = b"rojo=00f067aa0ba902b7";

fn full_list() -> String {
    (0..32).map(|i| format!("key{i}@vendor=some{i}value")).collect::<Vec<_>>().join(" , ")
}

#[test]
fn the_counter_counts() {
    assert_eq!(count(|| Box::new(1)), 1);
}

#[test]
fn parsing_allocates_nothing_valid_or_not() {
    for vector in read(vectors::TRACEPARENT) {
        assert_none(|| TraceParent::parse(&vector.input));
    }
    for vector in read(vectors::TRACESTATE) {
        assert_none(|| TraceState::parse(&vector.input).map(|list| (list.iter().count(), list.get("a").is_some())));
    }
}

#[test]
fn encoding_allocates_nothing() {
    let parent = TraceParent::from_static(EXAMPLE);
    assert_none(|| parent.encode());
    assert_none(|| parent.encode_str(&mut [0; TraceParent::LENGTH]).len());
    assert_none(|| parent.child(parent.parent_id(), false).encode());
    assert_none(|| (parent.trace_id().encode(), parent.parent_id().encode()));
}

#[test]
fn edits_allocate_nothing_until_they_are_owned() {
    let list = full_list();
    let changes = [Change::Set(Member::from_static("ours", "1")), Change::Remove("key7@vendor")];
    for list in [&b""[..], ONE, list.as_bytes()] {
        let list = TraceState::parse(list).unwrap();
        let buffer = &mut [0; 2048];
        assert_none(|| list.with(Member::from_static("ours", "1")).encode_into(buffer).is_ok());
        assert_none(|| list.without("rojo").encode_into(buffer).is_ok());
        assert_none(|| list.edit(&changes).encode_into(buffer).is_ok());
        assert_none(|| list.edit(&changes).within(512).unwrap().encode_into(buffer).is_ok());
        assert_none(|| list.within(512).unwrap().len());
        assert_none(|| list.edit(&changes).encode_into(&mut [0; 2]).is_ok());
    }
}

#[test]
fn reading_one_field_of_each_header_allocates_nothing() {
    let list = full_list();
    for tracestate in [&b""[..], ONE, list.as_bytes(), b"Bad"] {
        assert_none(|| Incoming::from_fields([EXAMPLE.as_bytes()], [tracestate]));
    }
    assert_none(|| Incoming::from_fields([EXAMPLE.as_bytes()], []));
    assert_none(|| Incoming::from_fields([], [ONE, ONE]));
    assert_none(|| Incoming::from_fields([EXAMPLE.as_bytes(), EXAMPLE.as_bytes()], [ONE, ONE]));
    assert_none(|| Incoming::from_fields([&b"00-"[..]], [ONE, ONE]));
    let buffer = &mut [0; 64];
    assert_none(|| Incoming::from_fields_in([EXAMPLE.as_bytes()], [ONE, ONE], buffer).error());
}

#[test]
fn only_the_joining_of_several_fields_allocates() {
    let joined = |fields: &'static [&'static [u8]]| {
        count(|| Incoming::from_fields([EXAMPLE.as_bytes()], fields.iter().copied()))
    };
    assert_eq!(joined(&[ONE]), 0);
    assert!((1..=4).contains(&joined(&[ONE, ONE])));
    assert!((1..=4).contains(&joined(&[b"", ONE])));
}

#[test]
fn deciding_allocates_nothing_for_any_trust_and_any_input() {
    let sampler = ParentBased::new(ProbabilitySampler::from_ratio(1, 2).unwrap()).with_remote_parent_sampled(AlwaysOff);
    let boxed: Box<dyn traceparent::sampler::Sampler> = Box::new(AlwaysOn);
    let inputs = [
        Incoming::Absent,
        Incoming::from_fields([&b"00"[..]], []),
        Incoming::from_fields([EXAMPLE.as_bytes()], []),
        Incoming::from_fields([EXAMPLE.as_bytes()], [ONE]),
        Incoming::from_fields([EXAMPLE.as_bytes()], [&b"ot=th:c;rv:d0000000000000;x:1,rojo=1"[..]]),
        Incoming::from_fields([EXAMPLE.as_bytes()], [&b"ot=th:c;th:c,rojo=1"[..]]),
    ];
    RandomIdGenerator.new_span_id();
    for trust in [Trust::Continue, Trust::Resample, Trust::Restart, Trust::Ignore] {
        for incoming in &inputs {
            let buffer = &mut [0; 512];
            assert_none(|| {
                let server = Policy::new(sampler).with_trust(trust).apply(incoming.clone(), &RandomIdGenerator);
                let client = server.child(&RandomIdGenerator);
                client.tracestate().encode_into(buffer).map(str::len)
            });
            assert_none(|| Policy::new(&boxed).with_trust(trust).apply(incoming.clone(), &RandomIdGenerator));
        }
    }
}

#[test]
fn fields_are_written_without_an_allocation_unless_a_long_list_changes() {
    let list = full_list();
    let changes = [Change::Set(Member::from_static("ours", "1"))];
    let span = |tracestate| {
        let incoming = Incoming::from_fields([EXAMPLE.as_bytes()], [tracestate]);
        Policy::new(AlwaysOn).apply(incoming, &RandomIdGenerator)
    };
    let (short, long) = (span(ONE), span(list.as_bytes()));
    assert_none(|| short.fields().map(|(_, value)| value.map(|value| value.as_str().len())));
    assert_none(|| long.fields().map(|(_, value)| value.map(|value| value.as_str().len())));
    assert_none(|| short.edit(&changes).fields().map(|(_, value)| value.map(|value| value.as_str().len())));
    assert!(count(|| long.edit(&changes).fields().map(|(_, value)| value.map(String::from))) > 0);
    let buffer = &mut [0; 4096];
    assert_none(|| long.edit(&changes).fields_in(buffer).is_ok());
}

#[test]
fn cloning_what_was_joined_or_owned_allocates_nothing() {
    let incoming = Incoming::from_fields([EXAMPLE.as_bytes()], [ONE, ONE]);
    assert_none(|| incoming.clone());
    let outgoing = Policy::new(AlwaysOn).apply(incoming, &RandomIdGenerator).into_owned();
    assert_none(|| outgoing.child(&RandomIdGenerator));
}

#[test]
fn generating_ids_allocates_nothing_after_the_first() {
    RandomIdGenerator.new_span_id();
    assert_none(|| (RandomIdGenerator.new_trace_id(), RandomIdGenerator.new_span_id()));
}

#[test]
fn reading_and_writing_sampling_values_allocates_nothing() {
    let list = TraceState::from_static("ot=th:c;rv:d0000000000000;x:1");
    assert_none(|| list.ot().unwrap().with_threshold(traceparent::Threshold::ALWAYS).unwrap().len());
    assert_none(|| "12.5".parse::<traceparent::Percent>().unwrap().threshold());
    assert_none(|| Randomness::parse(b"d0000000000000"));
}
