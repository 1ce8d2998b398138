//! Generated requests, answered by the propagator of OpenTelemetry's SDK and by ours.
#![allow(clippy::unwrap_used)]

mod common;

use opentelemetry_sdk::{propagation::TraceContextPropagator as Stock, trace::SdkTracerProvider};
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use traceparent_opentelemetry::TraceContextPropagator as Ours;

use crate::common::{
    Outcome,
    differences::{DIFFERENCES, Request, Seen},
    hop,
};

/// The valid part most of the time, so that other parts get their turn.
fn part(valid: &'static str, others: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just(valid), 1 => select(others)]
}

fn traceparent() -> impl Strategy<Value = String> {
    let version = part("00", &["01", "cc", "fe", "ff", "CC", "0", "000", "+0", "zz", ""]);
    let trace_id = part(
        common::TRACE_ID,
        &[
            "00000000000000000000000000000000",
            "4BF92F3577B34DA6A3CE929D0E0E4736",
            "4bf92f3577b34da6a3ce929d0e0e473",
            "4bf92f3577b34da6a3ce929d0e0e47360",
            "+bf92f3577b34da6a3ce929d0e0e4736",
            "4bf92f3577b34da6a3ce929d0e0e473g",
            "",
        ],
    );
    let parent_id = part(
        "00f067aa0ba902b7",
        &["0000000000000000", "00F067aa0ba902b7", "f067aa0ba902b7", "000f067aa0ba902b7", "+0f067aa0ba902b7", "x", ""],
    );
    let flags = prop_oneof![
        4 => select(&["00", "01", "02", "03", "ff", "08", "09"][..]),
        1 => select(&["0A", "1", "001", "+1", "zz", "", "1 "][..]),
    ];
    let tail = part("", &["-", "-what", "-what-else", ".", "--", "0"]);
    let space = part("", &[" ", "\t"]);
    (space, version, trace_id, parent_id, flags, tail).prop_map(|(space, version, trace, parent, flags, tail)| {
        format!("{space}{version}-{trace}-{parent}-{flags}{tail}")
    })
}

fn member() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        8 => "[a-z0-9][a-z0-9_*/-]{0,3}",
        1 => select(&["foo@bar", "foo@@bar", "t@0123456789abcde", "", "A", "a.b", "@a", "_a", "a "][..])
            .prop_map(String::from),
        1 => (250..260_usize).prop_map(|length| "k".repeat(length)),
    ];
    let value = prop_oneof![
        8 => "[!-+\\--<>-~]{1,4}",
        1 => select(&["", "=1", "a=b", " a", "a b", "a\tb", " "][..]).prop_map(String::from),
        1 => (250..260_usize).prop_map(|length| "v".repeat(length)),
    ];
    let space = || part("", &[" ", "\t", "  "]);
    let whole =
        (space(), key, value, space()).prop_map(|(left, key, value, right)| format!("{left}{key}={value}{right}"));
    prop_oneof![12 => whole, 1 => select(&["", " ", "foo", "\t"][..]).prop_map(String::from)]
}

fn tracestate() -> impl Strategy<Value = String> {
    let members =
        prop_oneof![10 => prop::collection::vec(member(), 0..5), 1 => prop::collection::vec("[a-z]{3}=1", 30..36)];
    members.prop_map(|members| members.join(","))
}

fn request() -> impl Strategy<Value = Request> {
    let traceparents =
        prop_oneof![8 => prop::collection::vec(traceparent(), 1), 1 => prop::collection::vec(traceparent(), 0..3)];
    let tracestates =
        prop_oneof![5 => prop::collection::vec(tracestate(), 0..2), 1 => prop::collection::vec(tracestate(), 2..4)];
    (traceparents, tracestates).prop_map(|(traceparents, tracestates)| Request { traceparents, tracestates })
}

/// A list's members, which is what is compared: white space and empty members mean nothing.
fn members(outcome: &Outcome) -> Vec<String> {
    let list =
        outcome.tracestate.iter().flat_map(|list| list.split(',')).map(|member| member.trim_matches([' ', '\t']));
    list.filter(|member| !member.is_empty()).map(String::from).collect()
}

#[test]
fn answers_are_the_same_except_where_the_table_says_otherwise() {
    let provider = SdkTracerProvider::default();
    let mut runner = TestRunner::new(Config { cases: 16_384, failure_persistence: None, ..Config::default() });
    let result = runner.run(&request(), |request| {
        let headers = request.headers();
        let [stock, ours] = [
            Outcome::of(&hop(&Stock::new(), &provider, &headers)),
            Outcome::of(&hop(&Ours::new(), &provider, &headers)),
        ];
        let explained = |seen| DIFFERENCES.iter().any(|row| row.seen == seen && (row.applies)(&request));

        if stock.continued != ours.continued {
            prop_assert!(explained(Seen::Continued), "{stock:?} {ours:?}");
        } else if ours.continued {
            prop_assert_eq!(&stock.flags[1..] == "1", matches!(&ours.flags[1..], "1" | "3"));
            prop_assert!(stock.flags == ours.flags || explained(Seen::Random), "{stock:?} {ours:?}");
            prop_assert!(members(&stock) == members(&ours) || explained(Seen::List), "{stock:?} {ours:?}");
        }
        Ok(())
    });
    result.unwrap();
}
