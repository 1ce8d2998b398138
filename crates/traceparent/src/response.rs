//! The response context. **Draft**: it is in the editor's draft of Trace Context Level 3 only, and may
//! change with it.

use core::{fmt, str::FromStr};

use crate::{
    error::{ErrorKind, Field, ParseError},
    flags::TraceFlags,
    id::{SpanId, TraceId},
    traceparent::TraceParent,
};

/// What a server tells its caller about the span that served a request, as the metric `trace` of the
/// `Server-Timing` header: `trace;desc=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`.
///
/// **Draft**: from the editor's draft of Trace Context Level 3; it may change with it. Send it only to
/// callers who took part in the trace: browsers show it to scripts of other origins.
///
/// [W3C: response context, editor's draft](https://w3c.github.io/trace-context/)
///
/// ```
/// use traceparent::TraceResponse;
///
/// let field = b"cache;desc=hit, trace;desc=\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"";
/// let response = TraceResponse::parse(field)?.unwrap();
/// assert_eq!(response.child_id().to_string(), "00f067aa0ba902b7");
/// assert!(response.flags().is_sampled());
/// assert_eq!(
///     response.to_string(),
///     "trace;desc=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
/// );
/// # Ok::<(), traceparent::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceResponse(TraceParent);

impl TraceResponse {
    /// The length in bytes of the metric: 66.
    pub const LENGTH: usize = PREFIX.len() + TraceParent::LENGTH;

    /// Makes the response context of the span whose id is this header's parent-id.
    pub const fn new(span: TraceParent) -> Self {
        Self(TraceParent::new(span.trace_id(), span.parent_id(), span.flags()))
    }

    /// Finds the metric in one `Server-Timing` field, among other metrics, and reads it: its name in any
    /// case, its value as a token or quoted. The name `traceparent`, which the agents of some vendors write, is read as well as
    /// the draft's `trace`. `None` where the field has no such metric, and where that
    /// has no `desc`. Of several, the first one counts.
    ///
    /// # Errors
    ///
    /// As [`TraceParent::parse`], with the span-id called child-id, and for version `00` only: there is
    /// no forward rule here.
    pub fn parse(field: &[u8]) -> Result<Option<Self>, ParseError> {
        match metrics(field).find(Metric::is_trace).and_then(|metric| metric.desc()) {
            Some((value, offset)) => Self::parse_value(value, offset).map(Some),
            None => Ok(None),
        }
    }

    fn parse_value(value: &[u8], offset: usize) -> Result<Self, ParseError> {
        let error = |kind, field, at: usize| ParseError::new(kind, field, offset + at);
        match TraceParent::parse(value) {
            Ok(parsed) if parsed.version().to_u8() != 0 => Err(error(ErrorKind::OutOfRange, Field::Version, 0)),
            Ok(parsed) => Ok(Self(parsed)),
            Err(inner) => {
                let field = match inner.field() {
                    Field::TraceParent => Field::ServerTiming,
                    Field::ParentId => Field::ChildId,
                    field => field,
                };
                Err(error(inner.kind(), field, inner.offset()))
            }
        }
    }

    /// Whether a `Server-Timing` field has the metric, valid or not.
    pub fn has_metric(field: &[u8]) -> bool {
        metrics(field).any(|metric| metric.is_trace())
    }

    /// Goes over the metrics of a `Server-Timing` field other than the response context, each with its
    /// parameters: what is left of a field when the metric is replaced.
    pub fn other_metrics(field: &[u8]) -> impl Iterator<Item = &[u8]> {
        metrics(field).filter(|metric| !metric.is_trace()).map(|metric| metric.text)
    }

    /// Returns the metric for a `Server-Timing` field: a lower-case name and a token.
    pub const fn encode(self) -> [u8; Self::LENGTH] {
        let value = self.0.encode();
        let mut metric = [0; Self::LENGTH];
        let mut i = 0;
        while i < Self::LENGTH {
            metric[i] = if i < PREFIX.len() { PREFIX[i] } else { value[i - PREFIX.len()] };
            i += 1;
        }
        metric
    }

    /// Returns the trace-id: the caller's where the trace was continued, another where it was restarted.
    pub const fn trace_id(self) -> TraceId {
        self.0.trace_id()
    }

    /// Returns the child-id: the id of the span that served the request.
    pub const fn child_id(self) -> SpanId {
        self.0.parent_id()
    }

    /// Returns the server's flags; a caller that has deferred its decision may follow `sampled`.
    pub const fn flags(self) -> TraceFlags {
        self.0.flags()
    }
}

const PREFIX: &[u8] = b"trace;desc=";

impl fmt::Display for TraceResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(core::str::from_utf8(&self.encode()).unwrap_or_default())
    }
}

impl FromStr for TraceResponse {
    type Err = ParseError;

    /// Reads a field that has to hold the metric.
    fn from_str(field: &str) -> Result<Self, ParseError> {
        Self::parse(field.as_bytes())?.ok_or(ParseError::new(ErrorKind::Empty, Field::ServerTiming, 0))
    }
}

/// One metric of a field: its text without white space around it, and where that begins.
struct Metric<'a> {
    text: &'a [u8],
    offset: usize,
}

impl<'a> Metric<'a> {
    fn parts(&self) -> impl Iterator<Item = Metric<'a>> {
        split(self.text, self.offset, b';')
    }

    fn is_trace(&self) -> bool {
        self.parts().next().is_some_and(|name| {
            name.text.eq_ignore_ascii_case(b"trace") || name.text.eq_ignore_ascii_case(b"traceparent")
        })
    }

    /// The value of the parameter `desc`, without its quotes, and where it begins.
    fn desc(&self) -> Option<(&'a [u8], usize)> {
        let desc = self.parts().skip(1).find_map(|parameter| {
            let mut sides = split(parameter.text, parameter.offset, b'=');
            let name = sides.next()?;
            name.text.eq_ignore_ascii_case(b"desc").then(|| sides.next())
        })??;
        Some(match desc.text {
            [b'"', value @ .., b'"'] => (value, desc.offset + 1),
            value => (value, desc.offset),
        })
    }
}

/// Splits a field into its metrics.
///
/// ```abnf
/// Server-Timing             = #server-timing-metric
/// server-timing-metric      = metric-name *( OWS ";" OWS server-timing-param )
/// server-timing-param       = server-timing-param-name OWS "=" OWS server-timing-param-value
/// server-timing-param-value = token / quoted-string
/// ```
fn metrics(field: &[u8]) -> impl Iterator<Item = Metric<'_>> {
    split(field, 0, b',').filter(|metric| !metric.text.is_empty())
}

/// Splits at a separator, but not inside quotes, in which a backslash takes the next byte along.
fn split(text: &[u8], offset: usize, separator: u8) -> impl Iterator<Item = Metric<'_>> {
    let mut rest = Some((text, offset));
    core::iter::from_fn(move || {
        let (text, offset) = rest.take()?;
        let (mut quoted, mut escaped) = (false, false);
        let end = text.iter().position(|&byte| {
            let plain = !core::mem::take(&mut escaped);
            match byte {
                b'"' if plain => quoted = !quoted,
                b'\\' if plain && quoted => escaped = true,
                _ => return byte == separator && !quoted,
            }
            false
        });
        let part = match end {
            Some(end) => {
                let (part, after) = text.split_at(end);
                rest = after.split_first().map(|(_, after)| (after, offset + end + 1));
                part
            }
            None => text,
        };
        let leading = part.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        Some(Metric { text: crate::ows::trim_ows(part), offset: offset + leading })
    })
}
