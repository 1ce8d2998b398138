//! A stock service that changes one `use` line.

mod common;

use http::HeaderMap;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};

use crate::common::{Outcome, differences::DIFFERENCES, headers, provider};

/// The same service twice: one line is not the same.
macro_rules! service {
    ($name:ident, $($propagator:ident)::+) => {
        mod $name {
            use http::HeaderMap;
            use opentelemetry::{
                Context,
                propagation::TextMapPropagator,
                trace::{SpanKind, TraceContextExt, Tracer, TracerProvider},
            };
            use opentelemetry_http::{HeaderExtractor, HeaderInjector};
            use opentelemetry_sdk::trace::SdkTracerProvider;
            use $($propagator)::+;

            pub(crate) fn serve(provider: &SdkTracerProvider, request: &HeaderMap) -> HeaderMap {
                let propagator = TraceContextPropagator::new();
                let tracer = provider.tracer("service");
                let parent = propagator.extract_with_context(&Context::new(), &HeaderExtractor(request));
                let span = tracer.span_builder("serve").with_kind(SpanKind::Server).start_with_context(&tracer, &parent);
                let cx = parent.with_span(span);
                let mut call = HeaderMap::new();
                propagator.inject_context(&cx, &mut HeaderInjector(&mut call));
                call
            }
        }
    };
}

service!(stock, opentelemetry_sdk::propagation::TraceContextPropagator);
service!(ours, traceparent_opentelemetry::TraceContextPropagator);

#[track_caller]
fn assert_outcome(call: &HeaderMap, (continued, flags, tracestate): (bool, &str, Option<&str>), context: &str) {
    let outcome = Outcome::of(call);
    assert_eq!(outcome.continued, continued, "{context}: {call:?}");
    if continued {
        assert_eq!((outcome.flags.as_str(), outcome.tracestate.as_deref()), (flags, tracestate), "{context}");
    } else {
        assert_eq!(outcome.tracestate.unwrap_or_default(), "", "{context}");
    }
}

#[test]
fn each_difference_is_gained_by_the_use_line_alone() {
    // W3C 7, 8, 9, 10, 26, 29, 30, 33, 43, 48, 49, 50, 51
    let provider = SdkTracerProvider::default();
    for difference in DIFFERENCES {
        let request = (difference.example)().headers();
        assert_outcome(&stock::serve(&provider, &request), difference.stock, difference.what);
        assert_outcome(&ours::serve(&provider, &request), difference.ours, difference.what);
    }
}

#[test]
fn each_difference_stands_in_the_readme() {
    let readme = include_str!("../README.md");
    for difference in DIFFERENCES {
        let row = readme.lines().find(|line| line.starts_with(&format!("| {} |", difference.what)));
        let cites = |row: &str| row.contains(&format!("| {} |", difference.requirement));
        assert!(row.is_some_and(cites), "| {} | ... | {} |", difference.what, difference.requirement);
    }
}

#[test]
fn a_trace_that_starts_here_carries_the_random_flag() {
    // W3C 13, 25, 34
    let on = SdkTracerProvider::default();
    let off = provider(Sampler::AlwaysOff);
    let request = HeaderMap::new();
    for (provider, stock, ours) in [(&on, "01", "03"), (&off, "00", "02")] {
        assert_eq!(Outcome::of(&stock::serve(provider, &request)).flags, stock);
        assert_eq!(Outcome::of(&ours::serve(provider, &request)).flags, ours);
    }
}

#[test]
fn a_dropped_span_keeps_what_its_caller_said_of_the_trace_id() {
    // W3C 26
    for (caller, expected) in [("00", "00"), ("01", "00"), ("02", "02"), ("03", "02")] {
        let traceparent = format!("00-{}-00f067aa0ba902b7-{caller}", common::TRACE_ID);
        for tracestate in [&[][..], &["rojo=1"], &["foo@@bar=1"]] {
            let request = headers(&[&traceparent], tracestate);
            let call = Outcome::of(&ours::serve(&provider(Sampler::AlwaysOff), &request));
            assert_eq!((call.continued, call.flags.as_str()), (true, expected), "{caller} {tracestate:?}");
            assert_eq!(call.tracestate.as_deref(), tracestate.first().copied());
        }
    }
}

#[test]
fn each_call_has_a_parent_id_of_its_own() {
    // W3C 17, 35, 72
    let request = headers(&[common::SAMPLED], &[]);
    let provider = SdkTracerProvider::default();
    let [first, second] = [(), ()].map(|()| ours::serve(&provider, &request));
    let id = |call: &HeaderMap| call["traceparent"].to_str().map(|value| value[36..52].to_owned()).ok();
    assert_ne!(id(&first), id(&second));
    assert_ne!(id(&first).as_deref(), Some("00f067aa0ba902b7"));
}
