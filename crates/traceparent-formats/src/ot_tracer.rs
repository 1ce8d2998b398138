//! OpenTracing's basictracer, deprecated by OpenTelemetry: `ot-tracer-traceid`, `ot-tracer-spanid`, `ot-tracer-sampled`.
//!
//! [OpenTelemetry: OT trace](https://opentelemetry.io/docs/specs/otel/context/api-propagators/#ot-trace)

use traceparent::{ErrorKind, SpanId};

use crate::{
    b3_multi::word,
    context::RemoteContext,
    error::{FormatError, Part},
    format::Format,
    scan::{Piece, part},
    state::SamplingState,
};

/// The fields of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "the format is frozen")]
pub struct Fields<'a> {
    /// `ot-tracer-traceid`: up to 32 lower-case hex digits, mostly 16.
    pub trace_id: Option<&'a [u8]>,
    /// `ot-tracer-spanid`: up to 16 lower-case hex digits.
    pub span_id: Option<&'a [u8]>,
    /// `ot-tracer-sampled`: `true`, `false`, `1` or `0`; absent means `false` beside IDs.
    pub sampled: Option<&'a [u8]>,
}

/// Parses the fields, or returns `None` if they are absent.
///
/// Zeroes are added to IDs on the left. The [basictracer], whose format this is, and OpenTelemetry's propagator for Python
/// write IDs without the zeroes in front, so that one span-id in sixteen has fewer than 16 digits.
///
/// [basictracer]: https://github.com/opentracing/basictracer-python/blob/master/basictracer/text_propagator.py
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
    let is_short = trace_id.len() <= SpanId::LENGTH;
    let trace_id = part!(FORMAT, Part::TraceId, trace_id.padded_trace_id());
    let span_id = part!(FORMAT, Part::SpanId, span_id.padded_span_id());
    let state = match part!(FORMAT, Part::SamplingState, state) {
        Some(state) => state,
        None => SamplingState::Deny,
    };
    Ok(Some(RemoteContext::of_ids(trace_id, Some(span_id), state).with_short(is_short)))
}
