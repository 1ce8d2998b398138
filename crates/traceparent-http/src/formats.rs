use http::HeaderMap;
use traceparent::{Outgoing, TraceParent, TraceState, trim_ows};
use traceparent_formats::{Carried, Extracted, Format, Propagators, is_trace_field};

use crate::{TRACEPARENT, TRACESTATE, inject};

/// Extracts the trace context from the headers of a message, in the first of several formats that has one.
///
/// W3C Trace Context is read as [`extract`](crate::extract) does. White space around a value is not part of it.
///
/// ```
/// use http::HeaderMap;
/// use traceparent_formats::{Format, Propagators};
///
/// const PROPAGATORS: Propagators = Propagators::new(&[Format::TraceContext, Format::B3], &[Format::B3]);
///
/// let mut headers = HeaderMap::new();
/// headers.append("b3", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1".parse()?);
/// let extracted = traceparent_http::extract_formats(&PROPAGATORS, &headers);
/// assert_eq!(extracted.format(), Some(Format::B3));
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
pub fn extract_formats<'a>(propagators: &Propagators, headers: &'a HeaderMap) -> Extracted<'a> {
    propagators.extract(|name| {
        // To look up a text is to parse a name.
        let values = match name {
            TraceParent::NAME => headers.get_all(&TRACEPARENT),
            TraceState::NAME => headers.get_all(&TRACESTATE),
            name => headers.get_all(name),
        };
        values.into_iter().map(|value| trim_ows(value.as_bytes()))
    })
}

/// Injects the trace context into the headers of a message in several formats, replacing all fields of these.
///
/// Fields of formats that are read and not written are removed, because their span is no longer the parent. Fields of
/// formats that are neither read nor written stay. [`Extracted::carried`] returns the data that travels beside the IDs.
/// A context that starts here carries [`Carried::EMPTY`].
///
/// ```
/// use http::HeaderMap;
/// use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::AlwaysOff};
/// use traceparent_formats::{Carried, Format, Propagators};
///
/// const PROPAGATORS: Propagators = Propagators::new(&[Format::TraceContext], &[Format::B3]);
///
/// let span = Policy::new(AlwaysOff).apply(Incoming::Absent, &RandomIdGenerator);
/// let mut headers = HeaderMap::new();
/// traceparent_http::inject_formats(&PROPAGATORS, &span, Carried::EMPTY, &mut headers);
/// assert_eq!(headers["b3"], format!("{}-{}-0", span.traceparent().trace_id(), span.span_id()));
/// assert!(headers.contains_key("traceparent"));
/// ```
pub fn inject_formats(
    propagators: &Propagators,
    outgoing: &Outgoing<'_>,
    carried: Carried<'_>,
    headers: &mut HeaderMap,
) {
    if *propagators == Propagators::TRACE_CONTEXT {
        return inject(outgoing, headers);
    }
    if propagators.injected().any(|format| format == Format::TraceContext) {
        inject(outgoing, headers);
    }
    propagators.inject_others(outgoing, carried, |name, value| {
        let value = value.and_then(|value| value.parse().ok());
        if value.is_none_or(|value| headers.try_insert(name, value).is_err()) {
            headers.remove(name);
        }
    });
}

/// Removes every field that propagates a context in any format, and `baggage`, for a receiver that must not see them.
///
/// These are the fields of [`is_trace_field`] and names of your own.
///
/// ```
/// use http::HeaderMap;
///
/// let mut headers = HeaderMap::new();
/// headers.append("x-b3-sampled", "1".parse()?);
/// headers.append("baggage", "user=1".parse()?);
/// headers.append("x-request-id", "1".parse()?);
/// headers.append("accept", "*/*".parse()?);
/// traceparent_http::strip_all(&mut headers, &["x-request-id"]);
/// assert_eq!(headers.keys().collect::<Vec<_>>(), ["accept"]);
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
pub fn strip_all(headers: &mut HeaderMap, others: &[&str]) {
    let known: Vec<_> = headers.keys().filter(|name| is_trace_field(name.as_str())).cloned().collect();
    for name in known {
        headers.remove(name);
    }
    for name in others {
        headers.remove(*name);
    }
}
