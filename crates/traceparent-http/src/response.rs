//! The response context. **Draft**: it is in the editor's draft of Trace Context Level 3 only, and may
//! change with it.

use http::{HeaderMap, HeaderName, HeaderValue};
use traceparent::{Outgoing, ParseError, TraceResponse};

use crate::set;

/// The name of the `Server-Timing` header, which carries the response context.
pub static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Writes the response context into the headers of a response: the metric `trace` of `Server-Timing`.
///
/// **Draft**, from the editor's draft of Trace Context Level 3. A metric `trace` that is there already, a
/// server's further down, is replaced, for which all metrics move into one field; other metrics stay. Respond only to callers who took part in the
/// trace.
///
/// [W3C: response context, editor's draft](https://w3c.github.io/trace-context/)
///
/// ```
/// use http::HeaderMap;
/// use traceparent::{AlwaysOn, Incoming, Policy, RandomIdGenerator};
///
/// let span = Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator);
/// let mut headers = HeaderMap::new();
/// headers.append("server-timing", "db;dur=53".parse()?);
/// traceparent_http::respond(&span, &mut headers);
///
/// let response = traceparent_http::read_response(&headers)?.unwrap();
/// assert_eq!(response.child_id(), span.span_id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn respond(outgoing: &Outgoing<'_>, headers: &mut HeaderMap) {
    let ours = outgoing.response().encode();
    let fields = || headers.get_all(&SERVER_TIMING).iter().map(HeaderValue::as_bytes);
    if fields().any(TraceResponse::has_metric) {
        // One field takes no more room than there was. Ours comes first: no quote that another one leaves
        // open can swallow it.
        let others = fields().flat_map(TraceResponse::other_metrics);
        let metrics: Vec<&[u8]> = core::iter::once(&ours[..]).chain(others).collect();
        let field = HeaderValue::from_bytes(&metrics.join(&b", "[..]));
        headers.remove(&SERVER_TIMING);
        set(headers, &SERVER_TIMING, field.ok());
    } else if let Ok(field) = HeaderValue::from_bytes(&ours) {
        // A full map takes nothing more, and the response goes without.
        drop(headers.try_append(&SERVER_TIMING, field));
    }
}

/// Reads the response context from the headers of a response, from all `Server-Timing` fields: `None`
/// where there is none.
///
/// **Draft**, from the editor's draft of Trace Context Level 3.
///
/// # Errors
///
/// As [`TraceResponse::parse`], for the first field that has the metric.
pub fn read_response(headers: &HeaderMap) -> Result<Option<TraceResponse>, ParseError> {
    let mut fields = headers.get_all(&SERVER_TIMING).iter().map(HeaderValue::as_bytes);
    fields.find(|field| TraceResponse::has_metric(field)).map_or(Ok(None), TraceResponse::parse)
}
