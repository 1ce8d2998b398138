//! Both IDs at once, by way of the core's `traceparent`: 48 digits in a row are enough for vectors.

use traceparent::{SpanId, TraceFlags, TraceId, TraceParent};

use crate::{
    context::LocalContext,
    error::{FormatError, Part},
    format::Format,
    scan::{Piece, part},
    words,
};

// 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00
// 0  3                                36
const TRACE_ID: usize = 3;
const SPAN_ID: usize = TRACE_ID + TraceId::LENGTH + 1;

/// Parses a trace-id of 16 or 32 lower-case hex digits, and a span-id of 16. The flag is set for a short trace-id.
///
/// # Errors
///
/// Returns an error for the left-most rule that is broken.
#[inline]
pub(crate) const fn of_either_width(
    format: Format,
    trace_id: Piece<'_>,
    span_id: Piece<'_>,
) -> Result<(TraceId, SpanId, bool), FormatError> {
    match both(trace_id.bytes(), span_id.bytes()) {
        Some((trace_id, span_id)) => Ok((trace_id, span_id, false)),
        None => one_by_one(format, trace_id, span_id),
    }
}

#[cold]
const fn one_by_one(
    format: Format,
    trace_id: Piece<'_>,
    span_id: Piece<'_>,
) -> Result<(TraceId, SpanId, bool), FormatError> {
    let (trace_id, is_short) = part!(format, Part::TraceId, trace_id.trace_id_of_either_width());
    part!(format, Part::SpanId, span_id.sized(SpanId::LENGTH));
    Ok((trace_id, part!(format, Part::SpanId, span_id.span_id()), is_short))
}

/// Parses 32 and 16 lower-case hex digits. For all else it returns `None`, and the caller looks for what is wrong.
pub(crate) const fn both(trace_id: &[u8], span_id: &[u8]) -> Option<(TraceId, SpanId)> {
    let (Some((trace_id, [])), Some((span_id, []))) =
        (trace_id.split_first_chunk::<{ TraceId::LENGTH }>(), span_id.split_first_chunk::<{ SpanId::LENGTH }>())
    else {
        return None;
    };
    // All digits in a row: a loop over 24 lanes of two digits is wide enough for vectors.
    let mut digits = [0; TraceId::LENGTH + SpanId::LENGTH];
    let mut i = 0;
    while i < TraceId::LENGTH {
        digits[i] = trace_id[i];
        i += 1;
    }
    let mut i = 0;
    while i < SpanId::LENGTH {
        digits[TraceId::LENGTH + i] = span_id[i];
        i += 1;
    }
    let Some(bytes) = words::hex_bytes(&digits) else { return None };
    let (Some(trace_id), Some(span_id)) = (bytes.first_chunk(), bytes.last_chunk()) else { return None };
    match (TraceId::from_bytes(*trace_id), SpanId::from_bytes(*span_id)) {
        (Some(trace_id), Some(span_id)) => Some((trace_id, span_id)),
        _ => None,
    }
}

/// The digits of both IDs.
pub(crate) struct Digits([u8; TraceId::LENGTH + SpanId::LENGTH]);

impl Digits {
    pub(crate) const fn of(context: &LocalContext<'_>) -> Self {
        let value = TraceParent::new(context.trace_id(), context.span_id(), TraceFlags::NONE).encode();
        let mut digits = [0; TraceId::LENGTH + SpanId::LENGTH];
        let mut i = 0;
        while i < TraceId::LENGTH {
            digits[i] = value[TRACE_ID + i];
            i += 1;
        }
        let mut i = 0;
        while i < SpanId::LENGTH {
            digits[TraceId::LENGTH + i] = value[SPAN_ID + i];
            i += 1;
        }
        Self(digits)
    }

    /// Returns the digits of the trace-id and those of the span-id.
    pub(crate) fn as_strs(&self) -> (&str, &str) {
        core::str::from_utf8(&self.0).unwrap_or_default().split_at_checked(TraceId::LENGTH).unwrap_or_default()
    }
}
