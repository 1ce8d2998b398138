//! Google Cloud's own format: the field `x-cloud-trace-context`.
//!
//! [Google Cloud: legacy HTTP header](https://cloud.google.com/trace/docs/trace-context#legacy-http-header)

use traceparent::{ErrorKind, SpanId, TraceId};

use crate::{
    context::{LocalContext, RemoteContext},
    error::{FormatError, Part},
    format::Format,
    scan::{Piece, part},
    state::SamplingState,
    text::Encoded,
};

/// The length in bytes of the longest value that is read or written.
pub const MAX_LENGTH: usize = TraceId::LENGTH + 1 + MAX_SPAN_ID + OPTIONS.len() + 3;

/// The most digits of a span-id, which is decimal.
const MAX_SPAN_ID: usize = 20;
const OPTIONS: &[u8] = b";o=";

/// Parses a value: a trace-id of 32 hex digits of either case, a decimal span-id, and decimal options whose lowest bit
/// is the decision.
///
/// A span-id that is zero, empty or absent means that the caller has no span. Options that are empty or absent defer
/// the decision.
///
/// # Errors
///
/// Returns an error for the left-most rule that is broken. For example, a hex span-id has an invalid byte, and a
/// span-id of 2<sup>64</sup> is out of range.
///
/// ```
/// use traceparent_formats::cloud_trace;
///
/// let context = cloud_trace::parse(b"4bf92f3577b34da6a3ce929d0e0e4736/67667974448284343;o=1")?;
/// assert_eq!(context.span_id().unwrap().to_string(), "00f067aa0ba902b7");
/// # Ok::<(), traceparent_formats::FormatError>(())
/// ```
pub const fn parse(value: &[u8]) -> Result<RemoteContext<'_>, FormatError> {
    const FORMAT: Format = Format::CloudTrace;
    let whole = Piece::whole(value);
    part!(FORMAT, Part::Value, whole.sized(MAX_LENGTH));
    let (ids, options) = match whole.find(b';') {
        Some(at) => whole.split_at(at),
        None => whole.split_at(whole.len()),
    };
    let (first, second) = ids.cut(b'/');
    let number = part!(FORMAT, Part::TraceId, first.any_hex(TraceId::LENGTH));
    if first.len() < TraceId::LENGTH {
        return Err(FormatError::new(FORMAT, Part::TraceId, ErrorKind::TooShort, first.end()));
    }
    let Some(trace_id) = TraceId::from_u128(number) else {
        return Err(FormatError::new(FORMAT, Part::TraceId, ErrorKind::AllZero, 0));
    };
    let span_id = match second {
        Some(second) if !second.is_empty() => {
            SpanId::from_u64(part!(FORMAT, Part::SpanId, second.decimal(MAX_SPAN_ID, u64::MAX)))
        }
        _ => None,
    };
    let (name, number) = options.split_at(OPTIONS.len());
    let mut i = 0;
    while i < name.len() {
        if name.bytes()[i] != OPTIONS[i] {
            return Err(FormatError::new(FORMAT, Part::SamplingState, ErrorKind::InvalidByte, name.start() + i));
        }
        i += 1;
    }
    if !name.is_empty() && name.len() < OPTIONS.len() {
        return Err(FormatError::new(FORMAT, Part::SamplingState, ErrorKind::TooShort, name.end()));
    }
    let state = if number.is_empty() {
        SamplingState::Defer
    } else {
        SamplingState::from_sampled(part!(FORMAT, Part::SamplingState, number.decimal(3, 255)) & 1 != 0)
    };
    Ok(RemoteContext::of_ids(trace_id, span_id, state))
}

/// Returns the outgoing value.
pub const fn encode(context: &LocalContext<'_>) -> Encoded<MAX_LENGTH> {
    let mut value = Encoded::EMPTY;
    value.push(&context.trace_id().encode());
    value.push(b"/");
    value.push_decimal(context.span_id().to_u64());
    value.push(if context.is_sampled() { b";o=1" } else { b";o=0" });
    value
}
