//! The response context of the editor's draft of Trace Context Level 3.

use core::{fmt, str::FromStr};

use crate::{
    error::{ErrorKind, Field, ParseError},
    flags::TraceFlags,
    id::{SpanId, TraceId},
    traceparent::TraceParent,
};

mod metrics;

use self::metrics::{Metric, metrics};

/// The response context: the span that served a request, as the metric `trace` of the `Server-Timing` header:
/// `trace;desc=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`.
///
/// **Draft**: the editor's draft of Trace Context Level 3 may change, and this type with it. Send the metric only
/// to callers that take part in the trace: browsers show it to scripts of other origins.
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

    /// Creates the response context of the span whose ID is this header's parent-id.
    pub const fn new(span: TraceParent) -> Self {
        Self(TraceParent::new(span.trace_id(), span.parent_id(), span.flags()))
    }

    /// Parses the metric in one `Server-Timing` field, among other metrics. Returns `None` if the field has no such
    /// metric, or if that has no `desc`. Of several metrics, the first one counts.
    ///
    /// The name may have any case, and the value may be a token or quoted. The agents of some vendors name the
    /// metric `traceparent` instead of `trace`, which is read too.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TraceParent::parse`], in which the parent-id is called child-id, and an error for
    /// every version but `00`.
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

    /// Returns an iterator over the metrics of a `Server-Timing` field other than the response context, each with
    /// its parameters.
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

    /// Returns the trace-id: the caller's if the trace was continued, another if it was restarted.
    pub const fn trace_id(self) -> TraceId {
        self.0.trace_id()
    }

    /// Returns the child-id: the ID of the span that served the request.
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

    /// Parses a field that must have the metric.
    fn from_str(field: &str) -> Result<Self, ParseError> {
        Self::parse(field.as_bytes())?.ok_or(ParseError::new(ErrorKind::Empty, Field::ServerTiming, 0))
    }
}
