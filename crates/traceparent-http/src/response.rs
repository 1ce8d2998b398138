//! The response context, which is in the editor's draft of Trace Context Level 3 only.

use http::{HeaderMap, HeaderName, HeaderValue};
use traceparent::{Outgoing, ParseError, TraceResponse};

use crate::set;

/// The name of the `Server-Timing` header, which carries the response context.
#[cfg_attr(docsrs, doc(cfg(feature = "unstable-response")))]
pub static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Injects the response context into the headers of a response, as the metric `trace` of `Server-Timing`.
///
/// A metric `trace` of a server further down is replaced; all metrics then move into one field. Other metrics
/// stay. Respond only to callers that take part in the trace.
///
/// **Unstable**: the format is from the editor's draft of Trace Context Level 3 and may change in any release.
///
/// [W3C: response context, editor's draft](https://w3c.github.io/trace-context/)
///
/// ```
/// use http::HeaderMap;
/// use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::AlwaysOn};
///
/// let span = Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator);
/// let mut headers = HeaderMap::new();
/// headers.append("server-timing", "db;dur=53".parse()?);
/// traceparent_http::inject_response(&span, &mut headers);
///
/// let response = traceparent_http::extract_response(&headers)?.unwrap();
/// assert_eq!(response.child_id(), span.span_id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "unstable-response")))]
pub fn inject_response(outgoing: &Outgoing<'_>, headers: &mut HeaderMap) {
    let ours = outgoing.response().encode();
    let fields = || headers.get_all(&SERVER_TIMING).iter().map(HeaderValue::as_bytes);
    if fields().any(TraceResponse::has_metric) {
        // One field takes no more room than there was. Ours comes first: no quote that another one leaves
        // open can swallow it.
        let others = fields().flat_map(TraceResponse::other_metrics);
        let metrics: Vec<&[u8]> = core::iter::once(&ours[..]).chain(others).collect();
        let field = metrics.join(&b", "[..]);
        headers.remove(&SERVER_TIMING);
        set(headers, &SERVER_TIMING, &field);
    } else if let Ok(field) = HeaderValue::from_bytes(&ours) {
        // A full map takes no more.
        drop(headers.try_append(&SERVER_TIMING, field));
    }
}

/// Extracts the response context from the headers of a response, or returns `None` if no `Server-Timing` field
/// has one.
///
/// **Unstable**: the format is from the editor's draft of Trace Context Level 3 and may change in any release.
///
/// [W3C: response context, editor's draft](https://w3c.github.io/trace-context/)
///
/// # Errors
///
/// Returns the error of [`TraceResponse::parse`] for the first field that has the metric.
#[cfg_attr(docsrs, doc(cfg(feature = "unstable-response")))]
pub fn extract_response(headers: &HeaderMap) -> Result<Option<TraceResponse>, ParseError> {
    let mut fields = headers.get_all(&SERVER_TIMING).iter().map(HeaderValue::as_bytes);
    fields.find(|field| TraceResponse::has_metric(field)).map_or(Ok(None), TraceResponse::parse)
}
