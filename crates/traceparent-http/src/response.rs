//! The response context. **Draft**: it is in the editor's draft of Trace Context Level 3 only, and may
//! change with it.

use http::{HeaderMap, HeaderName, HeaderValue};
use traceparent::{Outgoing, ParseError, TraceResponse};

/// The name of the `Server-Timing` header, which carries the response context.
pub static SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Writes the response context into the headers of a response: the metric `trace` of `Server-Timing`.
///
/// **Draft**, from the editor's draft of Trace Context Level 3. A metric `trace` that is there already, a
/// server's further down, is replaced; other metrics stay. Respond only to callers who took part in the
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
    if headers.get_all(&SERVER_TIMING).iter().any(has_trace) {
        let rest: Vec<HeaderValue> = headers.get_all(&SERVER_TIMING).iter().filter_map(without_trace).collect();
        headers.remove(&SERVER_TIMING);
        for value in rest {
            append(headers, value);
        }
    }
    if let Ok(value) = HeaderValue::from_bytes(&outgoing.response().encode()) {
        append(headers, value);
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
    let fields = headers.get_all(&SERVER_TIMING).iter();
    fields.map(|field| TraceResponse::parse(field.as_bytes())).find_map(Result::transpose).transpose()
}

/// A full map takes nothing more, and the response goes without.
fn append(headers: &mut HeaderMap, value: HeaderValue) {
    drop(headers.try_append(&SERVER_TIMING, value));
}

fn has_trace(field: &HeaderValue) -> bool {
    TraceResponse::has_metric(field.as_bytes())
}

/// The field without the metric; `None` when nothing is left.
fn without_trace(field: &HeaderValue) -> Option<HeaderValue> {
    if !has_trace(field) {
        return Some(field.clone());
    }
    let metrics: Vec<&[u8]> = TraceResponse::other_metrics(field.as_bytes()).collect();
    if metrics.is_empty() { None } else { HeaderValue::from_bytes(&metrics.join(&b", "[..])).ok() }
}
