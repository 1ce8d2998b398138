use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::{fields::FieldRules, remove_hop_by_hop};
use hyper::{
    HeaderMap,
    body::{Body, Frame, SizeHint},
};

/// The fields that count in a head alone: they frame, route, authorize or describe the message, or name its sender.
///
/// [RFC 9110, section 6.5.1](https://www.rfc-editor.org/rfc/rfc9110#section-6.5.1)
const HEAD_ONLY: [&str; 25] = [
    "age",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "forwarded",
    "host",
    "location",
    "max-forwards",
    "pragma",
    "range",
    "retry-after",
    "set-cookie",
    "trailer",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "x-real-ip",
];

/// A body whose trailers hold only what may stand there.
#[derive(Debug)]
pub(crate) struct TrailersBody<B> {
    inner: B,
    /// The rules for requests; `None` for the body of a response.
    rules: Option<Arc<FieldRules>>,
}

impl<B> TrailersBody<B> {
    /// Wraps the body of a request.
    pub(crate) fn of_request(inner: B, rules: Arc<FieldRules>) -> Self {
        Self { inner, rules: Some(rules) }
    }

    /// Wraps the body of a response.
    pub(crate) fn of_response(inner: B) -> Self {
        Self { inner, rules: None }
    }
}

impl<B: Body + Unpin> Body for TrailersBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Some(frame) = ready!(Pin::new(&mut self.inner).poll_frame(context)?) else { return Poll::Ready(None) };
        let frame = match frame.into_trailers() {
            Ok(mut trailers) => {
                clean(&mut trailers, self.rules.as_deref());
                if trailers.is_empty() {
                    return Poll::Ready(None);
                }
                Frame::trailers(trailers)
            }
            Err(frame) => frame,
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Removes what the rules for heads forbid, and what counts in heads alone.
fn clean(trailers: &mut HeaderMap, rules: Option<&FieldRules>) {
    remove_hop_by_hop(trailers);
    if let Some(rules) = rules {
        rules.apply_to_trailers(trailers);
    }
    let names: Vec<_> = trailers.keys().filter(|name| is_head_only(name.as_str(), rules.is_some())).cloned().collect();
    for name in names {
        trailers.remove(name);
    }
}

fn is_head_only(name: &str, is_request: bool) -> bool {
    HEAD_ONLY.contains(&name) || (is_request && name.starts_with("x-forwarded-"))
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn trailers_carry_nothing_that_belongs_into_a_head() {
        let names = [
            "traceparent",
            "tracestate",
            "x-forwarded-for",
            "x-forwarded-anything",
            "x_forwarded_for",
            "forwarded",
            "connection",
            "x-named",
            "te",
            "transfer-encoding",
            "content-length",
            "host",
            "authorization",
            "baggage",
            "cookie",
            "via",
            "x-sum",
            "grpc-status",
        ];
        let mut trailers = HeaderMap::new();
        for name in names {
            let value = if name == "connection" { "x-named" } else { "1" };
            trailers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let mut response = trailers.clone();
        clean(&mut trailers, Some(&FieldRules { ends_trace: true, ..FieldRules::default() }));
        let mut kept: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["grpc-status", "x-sum"]);
        clean(&mut response, None);
        assert!(response.contains_key("grpc-status") && !response.contains_key("host"));
    }

    #[test]
    fn contexts_that_a_head_gets_anew_have_no_place_in_trailers() {
        let names = ["traceparent", "tracestate", "b3", "x-b3-traceid", "uber-trace-id", "baggage", "x-sum"];
        let kept = |rules: &FieldRules| {
            let fields = names.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1")));
            let mut trailers: HeaderMap = fields.into_iter().collect();
            clean(&mut trailers, Some(rules));
            let mut kept: Vec<_> = trailers.keys().map(ToString::to_string).collect();
            kept.sort_unstable();
            kept
        };
        let contexts = vec!["traceparent", "tracestate", "b3"];
        let rules = FieldRules { contexts, ..FieldRules::default() };
        assert_eq!(kept(&rules), ["baggage", "uber-trace-id", "x-b3-traceid", "x-sum"]);
        // Where members of the trace context go on in the head, none does in trailers.
        assert_eq!(kept(&FieldRules { ends_trace: true, spares_trace_context: true, ..rules }), ["x-sum"]);
        assert_eq!(kept(&FieldRules { strips_baggage: true, ..FieldRules::default() }).len(), names.len() - 1);
        assert_eq!(kept(&FieldRules::default()).len(), names.len());
    }
}
