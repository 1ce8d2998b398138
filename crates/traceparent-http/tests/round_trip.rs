//! What one service injects is what the next one extracts.
#![allow(clippy::unwrap_used)]

use http::{HeaderMap, HeaderValue};
use proptest::{collection::vec, prelude::*};
use traceparent::{
    Incoming, Policy, RandomIdGenerator, TraceState, Trust,
    sampler::{AlwaysOn, ProbabilitySampler},
};
use traceparent_http::{extract, inject};

fn tracestate() -> impl Strategy<Value = String> {
    vec("[a-z0-9][a-z0-9_*/@-]{0,20}=[ !-+\\--<>-~]{0,40}[!-+\\--<>-~]", 0..=32).prop_map(|members| members.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    // W3C 2
    #[test]
    fn extract_after_inject_gives_the_same_context(
        (trace_id, parent_id, flags) in (1..=u128::MAX, 1..=u64::MAX, any::<u8>()),
        list in tracestate(),
        stale in tracestate(),
        trust in prop::sample::select(vec![Trust::Continue, Trust::Resample, Trust::Restart, Trust::Ignore]),
    ) {
        let mut first = HeaderMap::new();
        let header = format!("00-{trace_id:032x}-{parent_id:016x}-{flags:02x}");
        first.append("traceparent", HeaderValue::from_str(&header).unwrap());
        first.append("tracestate", HeaderValue::from_str(&list).unwrap());
        let sampler = ProbabilitySampler::from_ratio(1, 2).unwrap();
        let outgoing = Policy::new(sampler).with_trust(trust).apply(extract(&first), &RandomIdGenerator);

        let mut second = HeaderMap::new();
        second.append("tracestate", HeaderValue::from_str(&stale).unwrap());
        inject(&outgoing, &mut second);
        let incoming = extract(&second);
        prop_assert_eq!(incoming.error(), None);
        let context = incoming.context().unwrap();
        prop_assert_eq!(context.traceparent, outgoing.traceparent());
        let sent = outgoing.tracestate().to_string();
        prop_assert_eq!(&context.tracestate, &TraceState::parse(sent.as_bytes()).unwrap());
        prop_assert_eq!(second.get("tracestate").map(HeaderValue::as_bytes), (!sent.is_empty()).then_some(sent.as_bytes()));
    }

    // W3C 1, 84
    #[test]
    fn no_headers_panic_and_what_goes_out_is_always_valid(
        traceparents in vec(vec(any::<u8>().prop_filter("a header value", |b| *b >= 32 && *b != 127), 0..70), 0..3),
        tracestates in vec(vec(any::<u8>().prop_filter("a header value", |b| *b >= 32 && *b != 127), 0..70), 0..3),
    ) {
        let mut headers = HeaderMap::new();
        for (name, values) in [("traceparent", traceparents), ("tracestate", tracestates)] {
            for value in values {
                headers.append(name, HeaderValue::from_bytes(&value).unwrap());
            }
        }
        let outgoing = Policy::new(AlwaysOn).apply(extract(&headers), &RandomIdGenerator).into_owned();
        inject(&outgoing, &mut headers);
        let incoming = extract(&headers);
        let valid = matches!(incoming, Incoming::Valid { tracestate_error: None, .. });
        prop_assert!(valid, "{incoming:?}");
    }
}
