#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

use http::{HeaderMap, HeaderName, HeaderValue};
use traceparent::{Incoming, Outgoing, TraceStateEdit, trim_ows};

mod egress;
mod formats;
#[cfg(feature = "unstable-response")]
mod response;
pub mod semconv;

#[cfg(feature = "unstable-response")]
pub use crate::response::{SERVER_TIMING, extract_response, inject_response};
pub use crate::{
    egress::{Egress, MemberKeys},
    formats::{extract_formats, inject_formats, strip_all},
};

/// The name of the `traceparent` header.
pub static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The name of the `tracestate` header.
pub static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Extracts the trace context from the headers of a message.
///
/// Two `traceparent` fields are invalid, even if they are equal. Several `tracestate` fields are joined in
/// order. An invalid `tracestate` does not discard a valid `traceparent`. White space around a value is not
/// part of it ([RFC 9110, section 5.5](https://www.rfc-editor.org/rfc/rfc9110#section-5.5)).
///
/// [W3C: trace context headers](https://www.w3.org/TR/trace-context-2/#trace-context-http-headers-format)
///
/// ```
/// use http::HeaderMap;
/// use traceparent::{ErrorKind, Incoming};
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(traceparent_http::extract(&headers), Incoming::Absent);
///
/// headers.append("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?);
/// headers.append("tracestate", "rojo=1".parse()?);
/// headers.append("tracestate", "congo=2".parse()?);
/// let incoming = traceparent_http::extract(&headers);
/// assert_eq!(incoming.context().unwrap().tracestate.to_string(), "rojo=1,congo=2");
///
/// headers.append("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?);
/// assert_eq!(traceparent_http::extract(&headers).error().unwrap().kind(), ErrorKind::Repeated);
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
pub fn extract(headers: &HeaderMap) -> Incoming<'_> {
    Incoming::from_fields(fields(headers, &TRACEPARENT), fields(headers, &TRACESTATE))
}

fn fields<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).into_iter().map(|value| trim_ows(value.as_bytes()))
}

/// Injects the trace context into the headers of a message, replacing all fields of these names.
///
/// An empty `tracestate` is not written, and any field of that name is removed. If the map is full, no field
/// is added, and the old ones are removed all the same.
///
/// ```
/// use http::HeaderMap;
/// use traceparent::{Policy, RandomIdGenerator, sampler::AlwaysOn};
///
/// let mut headers = HeaderMap::new();
/// headers.append("tracestate", "stale=1".parse()?);
///
/// let span = Policy::new(AlwaysOn).apply(traceparent_http::extract(&headers), &RandomIdGenerator);
/// let mut headers = HeaderMap::new();
/// traceparent_http::inject(&span, &mut headers);
/// assert_eq!(headers["traceparent"], span.traceparent().to_string());
/// assert!(!headers.contains_key("tracestate"));
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
pub fn inject(outgoing: &Outgoing<'_>, headers: &mut HeaderMap) {
    set(headers, &TRACEPARENT, HeaderValue::from_bytes(&outgoing.traceparent().encode()).ok());
    set(headers, &TRACESTATE, tracestate(outgoing.tracestate()));
}

/// Replaces all fields of a name by one field, or removes them.
fn set(headers: &mut HeaderMap, name: &HeaderName, value: Option<HeaderValue>) {
    if value.is_none_or(|value| headers.try_insert(name, value).is_err()) {
        headers.remove(name);
    }
}

/// Removes the trace context from the headers of a message, for a receiver that must not see it.
///
/// ```
/// use http::HeaderMap;
///
/// let mut headers = HeaderMap::new();
/// headers.append("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?);
/// traceparent_http::strip(&mut headers);
/// assert!(headers.is_empty());
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
pub fn strip(headers: &mut HeaderMap) {
    headers.remove(&TRACEPARENT);
    headers.remove(&TRACESTATE);
}

/// Returns the field value for a list, or `None` if it is empty.
fn tracestate(list: &TraceStateEdit<'_>) -> Option<HeaderValue> {
    if let Some(list) = list.untouched() {
        return if list.is_empty() { None } else { field(list.as_bytes()) };
    }
    let mut buffer = [0; TraceStateEdit::MIN_BUDGET];
    match list.encode_into(&mut buffer) {
        Ok(list) => field(list.as_bytes()),
        Err(_) => field(list.to_string().as_bytes()),
    }
}

/// The grammar of a list is printable ASCII, which a header value may hold.
fn field(list: &[u8]) -> Option<HeaderValue> {
    if list.is_empty() { None } else { HeaderValue::from_bytes(list).ok() }
}

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct WorkspaceReadme;
