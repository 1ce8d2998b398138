#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

use http::{HeaderMap, HeaderName, HeaderValue, header::Entry};
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
/// A field that has its value already stays, such as the list of a message that is passed on. An empty
/// `tracestate` is not written, and any field of that name is removed. If the map is full, no field
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
    set(headers, &TRACEPARENT, &outgoing.traceparent().encode());
    let list = outgoing.tracestate();
    if let Some(list) = list.untouched() {
        return set(headers, &TRACESTATE, if list.is_empty() { b"" } else { list.as_bytes() });
    }
    let mut buffer = [0; TraceStateEdit::MIN_BUDGET];
    match list.encode_into(&mut buffer) {
        Ok(list) => set(headers, &TRACESTATE, list.as_bytes()),
        Err(_) => set(headers, &TRACESTATE, list.to_string().as_bytes()),
    }
}

/// Replaces all fields of a name by one field, or removes them if the value is empty.
fn set(headers: &mut HeaderMap, name: &HeaderName, value: &[u8]) {
    let is_set = !value.is_empty()
        && match headers.try_entry(name) {
            // A list that is passed on in the message it came with needs no new value.
            Ok(Entry::Occupied(entry)) if entry.iter().eq([value]) => true,
            Ok(entry) => HeaderValue::from_bytes(value).is_ok_and(|value| replace(entry, value)),
            Err(_) => false,
        };
    if !is_set {
        headers.remove(name);
    }
}

/// Replaces all fields of an entry, and returns whether there was room.
fn replace(entry: Entry<'_, HeaderValue>, value: HeaderValue) -> bool {
    match entry {
        Entry::Occupied(mut entry) => {
            entry.insert(value);
            true
        }
        Entry::Vacant(entry) => entry.try_insert(value).is_ok(),
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

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct WorkspaceReadme;
