//! Counts the allocations of `extract` and `inject`: what the header values need, and no more.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;

use http::{HeaderMap, HeaderValue};
use traceparent::{Policy, RandomIdGenerator, sampler::AlwaysOn};
use traceparent_http::{TRACEPARENT, TRACESTATE, extract, inject};

fn count<T>(run: impl FnOnce() -> T) -> u64 {
    allocation_counter::measure(|| drop(black_box(run()))).count_total
}

fn headers(tracestates: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    headers.append(&TRACEPARENT, HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
    for tracestate in tracestates {
        headers.append(&TRACESTATE, HeaderValue::from_str(tracestate).unwrap());
    }
    headers
}

#[test]
fn extracting_allocates_nothing_where_each_header_has_one_field() {
    let long = "a=1,".repeat(32);
    for tracestates in [&[][..], &[""], &["rojo=1"], &[&long]] {
        let headers = headers(tracestates);
        assert_eq!(count(|| extract(&headers).error()), 0);
    }
}

#[test]
fn injecting_allocates_what_one_value_of_each_header_needs() {
    for (tracestates, values) in [(&[][..], 1), (&["rojo=1"], 2), (&["rojo=1 , congo=2"], 2)] {
        let incoming = headers(tracestates);
        let outgoing = Policy::new(AlwaysOn).apply(extract(&incoming), &RandomIdGenerator);
        let needed = count(|| {
            let mut target = HeaderMap::with_capacity(16);
            for name in [&TRACEPARENT, &TRACESTATE].iter().take(values) {
                target.insert(*name, HeaderValue::from_bytes(&[b'x'; 55]).unwrap());
            }
        });
        let spent = count(|| {
            let mut target = HeaderMap::with_capacity(16);
            inject(&outgoing, &mut target);
        });
        assert!(spent <= needed, "{spent} of {needed}");
    }
}

#[test]
fn injecting_over_what_is_there_allocates_the_values_only() {
    let incoming = headers(&["rojo=1"]);
    let outgoing = Policy::new(AlwaysOn).apply(extract(&incoming), &RandomIdGenerator);
    let value = count(|| HeaderValue::from_bytes(&[b'x'; 55]));
    let mut target = headers(&["stale=1"]);
    assert!(count(|| inject(&outgoing, &mut target)) <= 2 * value);
}

#[test]
fn injecting_into_the_message_that_the_list_came_with_allocates_one_value() {
    let mut headers = headers(&["rojo=1 , congo=2"]);
    let outgoing = Policy::new(AlwaysOn).apply(extract(&headers), &RandomIdGenerator).into_owned();
    let value = count(|| HeaderValue::from_bytes(&[b'x'; 55]));
    assert_eq!(count(|| inject(&outgoing, &mut headers)), value);
    assert_eq!(headers[&TRACESTATE], "rojo=1 , congo=2");
    // Nothing is written that is there already.
    assert_eq!(count(|| inject(&outgoing, &mut headers)), 0);
}
