use http::{HeaderMap, HeaderName, HeaderValue};
use traceparent::{IdsFrom, Incoming, Outgoing, Policy, sampler::AlwaysOn, trim_ows};
use traceparent_http::{
    SERVER_TIMING, TRACEPARENT, TRACESTATE, extract, extract_response, inject, inject_response, strip,
};

use crate::{message::lines, naive, server_timing::is_trace};

/// Any headers: what is read is what the fields say, and writing replaces the trace context and nothing else.
///
/// Each line of the input is a header, `name:value`, where it is valid.
pub fn http(input: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut fields: Vec<(HeaderName, &[u8])> = Vec::new();
    for line in lines(input) {
        let mut sides = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (sides.next(), sides.next()) else { continue };
        if let (Ok(name), Ok(parsed)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            let taken = headers.try_append(&name, parsed).is_ok();
            fields.extend(taken.then_some((name, value)));
        }
    }
    let all = |name: &HeaderName| {
        let values = fields.iter().filter(|(other, _)| other == name).map(|(_, value)| trim_ows(value));
        values.collect::<Vec<_>>()
    };

    let incoming = extract(&headers);
    match all(&TRACEPARENT)[..] {
        [] => assert_eq!(incoming, Incoming::Absent),
        [value] => assert_eq!(incoming.context().is_some(), naive::traceparent(value).is_some()),
        _ => assert!(matches!(incoming, Incoming::Invalid(_))),
    }
    if let Some(context) = incoming.context() {
        let joined = all(&TRACESTATE).into_iter().filter(|field| !field.is_empty()).collect::<Vec<_>>().join(&b","[..]);
        let members = naive::tracestate(&joined);
        assert_eq!(incoming.error().is_some(), members.is_none());
        let read = context.tracestate.iter().map(|member| (member.key().to_owned(), member.value().to_owned()));
        assert_eq!(read.collect::<Vec<_>>(), members.unwrap_or_default());
    }

    let outgoing = Policy::new(AlwaysOn).apply(incoming, &IdsFrom::random(|| 7));
    let mut sent = headers.clone();
    inject(&outgoing, &mut sent);
    let again = extract(&sent);
    assert_eq!(again.context().unwrap().traceparent, outgoing.traceparent());
    assert_eq!(again.context().unwrap().tracestate, outgoing.tracestate().clone().into_owned());
    assert_eq!(sent.contains_key(&TRACESTATE), !outgoing.tracestate().is_empty());
    assert!(sent.get_all(&TRACESTATE).iter().count() <= 1);

    let mut stripped = headers.clone();
    strip(&mut stripped);
    strip(&mut sent);
    assert!(!stripped.contains_key(&TRACEPARENT) && !stripped.contains_key(&TRACESTATE));
    assert_eq!(sent, stripped);

    response(&outgoing, &headers);
}

fn response(outgoing: &Outgoing<'_>, headers: &HeaderMap) {
    let ours = outgoing.response().encode();
    let fields = |headers: &HeaderMap| -> Vec<Vec<u8>> {
        headers.get_all(&SERVER_TIMING).iter().map(|field| field.as_bytes().to_vec()).collect()
    };
    let mut expected = fields(headers);
    let (replaced, others): (Vec<_>, Vec<_>) =
        expected.iter().flat_map(|field| naive::server_timing(field)).partition(|(_, name, _)| is_trace(name));
    if replaced.is_empty() {
        expected.push(ours.to_vec());
    } else {
        let metrics: Vec<_> = [ours.to_vec()].into_iter().chain(others.into_iter().map(|(text, ..)| text)).collect();
        expected = vec![metrics.join(&b", "[..])];
    }

    let mut responded = headers.clone();
    inject_response(outgoing, &mut responded);
    assert_eq!(fields(&responded), expected);
    assert_eq!(extract_response(&responded), Ok(Some(outgoing.response())));
    let rest = [headers.clone(), responded].map(|mut headers| {
        headers.remove(&SERVER_TIMING);
        headers
    });
    assert_eq!(rest[0], rest[1]);
}
