//! OpenTracing's basictracer, deprecated by OpenTelemetry: `ot-tracer-traceid`, `ot-tracer-spanid`, `ot-tracer-sampled`.
//!
//! [OpenTelemetry: OT trace](https://opentelemetry.io/docs/specs/otel/context/api-propagators/#ot-trace)

use traceparent::ErrorKind;

use crate::{
    b3_multi::word,
    context::RemoteContext,
    error::{FormatError, Part},
    format::Format,
    ids,
    scan::{Piece, part},
    state::SamplingState,
};

/// The fields of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "the format is frozen")]
pub struct Fields<'a> {
    /// `ot-tracer-traceid`: 16 or 32 lower-case hex digits.
    pub trace_id: Option<&'a [u8]>,
    /// `ot-tracer-spanid`: 16 lower-case hex digits.
    pub span_id: Option<&'a [u8]>,
    /// `ot-tracer-sampled`: `true`, `false`, `1` or `0`; absent means `false` beside IDs.
    pub sampled: Option<&'a [u8]>,
}

/// Parses the fields, or returns `None` if they are absent.
///
/// # Errors
///
/// Returns an error if one ID is present without the other, if an ID is invalid, or if the sampling state is not a word
/// of the format.
pub const fn parse(fields: Fields<'_>) -> Result<Option<RemoteContext<'_>>, FormatError> {
    const FORMAT: Format = Format::OtTracer;
    let state = match fields.sampled {
        Some(sampled) => match word(Piece::whole(sampled)) {
            Ok(sampled) => Ok(Some(SamplingState::from_sampled(sampled))),
            Err(fault) => Err(fault),
        },
        None => Ok(None),
    };
    let (trace_id, span_id) = match (fields.trace_id, fields.span_id) {
        (None, None) => {
            return match part!(FORMAT, Part::SamplingState, state) {
                Some(state) => Ok(Some(RemoteContext::of_state(state))),
                None => Ok(None),
            };
        }
        (Some(_), None) => return Err(FormatError::new(FORMAT, Part::SpanId, ErrorKind::Missing, 0)),
        (None, Some(_)) => return Err(FormatError::new(FORMAT, Part::TraceId, ErrorKind::Missing, 0)),
        (Some(trace_id), Some(span_id)) => (Piece::whole(trace_id), Piece::whole(span_id)),
    };
    let (trace_id, span_id, is_short) = match ids::of_either_width(FORMAT, trace_id, span_id) {
        Ok(ids) => ids,
        Err(error) => return Err(error),
    };
    let state = match part!(FORMAT, Part::SamplingState, state) {
        Some(state) => state,
        None => SamplingState::Deny,
    };
    Ok(Some(RemoteContext::of_ids(trace_id, Some(span_id), state).with_short(is_short)))
}
