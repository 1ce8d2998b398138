use traceparent::TraceResponse;

use crate::naive;

/// The metric `trace`, or `traceparent`, is found where the naive reader finds it, what it holds is read as a `traceparent` of version 00,
/// and what replaces it leaves the other metrics alone.
pub fn server_timing(input: &[u8]) {
    let metrics = naive::server_timing(input);
    let found = metrics.iter().find(|(_, name, _)| is_trace(name));
    assert_eq!(TraceResponse::has_metric(input), found.is_some());

    let expected = found.and_then(|(.., desc)| desc.as_deref()).map(naive::traceparent);
    match (TraceResponse::parse(input), expected) {
        (Ok(None), None) => {}
        (Err(error), None | Some(None)) => {
            assert!(expected.is_some(), "{error}");
            assert!(error.offset() <= input.len());
        }
        (Err(error), Some(Some((version, ..)))) => assert_ne!(version, 0, "{error}"),
        (Ok(Some(response)), Some(Some((0, trace_id, child_id, flags)))) => {
            assert_eq!((response.trace_id().to_u128(), response.child_id().to_u64()), (trace_id, child_id));
            assert_eq!(response.flags().bits(), flags & 3);
            let encoded = response.encode();
            assert_eq!(TraceResponse::parse(&encoded), Ok(Some(response)));
            assert_eq!(response.to_string().as_bytes(), encoded);
            assert!(naive::server_timing(&encoded).len() == 1);
        }
        (parsed, expected) => panic!("{parsed:?} or {expected:?}"),
    }

    let others: Vec<_> = TraceResponse::other_metrics(input).collect();
    let expected: Vec<_> = metrics.iter().filter(|(_, name, _)| !is_trace(name)).map(|(text, ..)| &text[..]).collect();
    assert_eq!(others, expected);

    let ours = b"trace;desc=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let rewritten = [&[&ours[..]], &others[..]].concat().join(&b", "[..]);
    let read = TraceResponse::parse(&rewritten).unwrap().unwrap();
    assert_eq!(read.encode(), *ours);
    assert_eq!(TraceResponse::other_metrics(&rewritten).collect::<Vec<_>>(), others);
}

/// Whether a metric of this name is the response context: by the draft, or as some vendors' agents write it.
pub(crate) fn is_trace(name: &[u8]) -> bool {
    [&b"trace"[..], b"traceparent"].iter().any(|known| name.eq_ignore_ascii_case(known))
}
