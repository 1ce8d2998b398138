//! B3 in the single field `b3`.
//!
//! [B3: single header](https://github.com/openzipkin/b3-propagation#single-header)

use traceparent::{ErrorKind, SpanId, TraceId};

use crate::{
    context::{LocalContext, RemoteContext},
    error::{FormatError, Part},
    format::Format,
    ids,
    scan::{Fault, Piece, part},
    state::SamplingState,
    text::Encoded,
};

/// The length in bytes of the longest value that is read.
pub const MAX_LENGTH: usize = TraceId::LENGTH + 1 + SpanId::LENGTH + 2 + 1 + SpanId::LENGTH;

/// The length in bytes of a value that is written.
pub const LENGTH: usize = TraceId::LENGTH + 1 + SpanId::LENGTH + 2;

/// Parses a value: a sampling state alone, or IDs that a sampling state and the ID of the caller's parent may follow.
///
/// Hex digits are lower case; the trace-id has 16 or 32 of them. IDs without a state defer the decision.
///
/// # Errors
///
/// Returns an error for the left-most rule that is broken. For example, `2` is not a sampling state, and a trace-id
/// without a span-id is an error.
///
/// ```
/// use traceparent_formats::{SamplingState, b3};
///
/// let context = b3::parse(b"4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-d")?;
/// assert_eq!(context.state(), SamplingState::Debug);
/// # Ok::<(), traceparent_formats::FormatError>(())
/// ```
pub const fn parse(value: &[u8]) -> Result<RemoteContext<'_>, FormatError> {
    let whole = Piece::whole(value);
    part!(Format::B3, Part::Value, whole.sized(MAX_LENGTH));
    // 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1-05e3ac9a4f6e3b90
    // trace_id                         span_id          third fourth
    let (first, rest) = whole.cut(b'-');
    let Some(rest) = rest else {
        if first.len() == 1 {
            return match state(first) {
                Ok(state) => Ok(RemoteContext::of_state(state)),
                Err(fault) => Err(FormatError::new(Format::B3, Part::SamplingState, fault.kind, fault.offset)),
            };
        }
        part!(Format::B3, Part::TraceId, first.trace_id_of_either_width());
        return Err(FormatError::new(Format::B3, Part::SpanId, ErrorKind::Missing, first.end()));
    };
    let (second, rest) = rest.cut(b'-');
    let (trace_id, span_id, is_short) = match ids::of_either_width(Format::B3, first, second) {
        Ok(ids) => ids,
        Err(error) => return Err(error),
    };
    let mut decision = SamplingState::Defer;
    if let Some(rest) = rest {
        let (third, rest) = rest.cut(b'-');
        let parent = if third.len() == SpanId::LENGTH && rest.is_none() {
            Some(third)
        } else {
            decision = part!(Format::B3, Part::SamplingState, state(third));
            rest
        };
        if let Some(parent) = parent {
            part!(Format::B3, Part::ParentSpanId, parent.sized(SpanId::LENGTH));
            part!(Format::B3, Part::ParentSpanId, parent.span_id());
        }
    }
    Ok(RemoteContext::of_ids(trace_id, Some(span_id), decision).with_short(is_short))
}

const fn state(piece: Piece<'_>) -> Result<SamplingState, Fault> {
    if let Err(fault) = piece.sized(1) {
        return Err(fault);
    }
    match piece.bytes() {
        [b'0'] => Ok(SamplingState::Deny),
        [b'1'] => Ok(SamplingState::Accept),
        [b'd'] => Ok(SamplingState::Debug),
        _ => piece.fault(ErrorKind::InvalidByte, 0),
    }
}

/// Returns the outgoing value, with a trace-id of 32 digits.
pub const fn encode(context: &LocalContext<'_>) -> Encoded<LENGTH> {
    encode_id(context, &context.trace_id().encode())
}

/// Returns the outgoing value for peers that read 64-bit trace-ids alone. The trace-id has 16 digits if its upper half
/// is zero.
pub const fn encode_short(context: &LocalContext<'_>) -> Encoded<LENGTH> {
    match short_id(context.trace_id()) {
        Some(digits) => encode_id(context, &digits),
        None => encode(context),
    }
}

const fn encode_id(context: &LocalContext<'_>, trace_id: &[u8]) -> Encoded<LENGTH> {
    let mut value = Encoded::EMPTY;
    value.push(trace_id);
    value.push(b"-");
    value.push(&context.span_id().encode());
    value.push(match (context.is_debug(), context.is_sampled()) {
        (true, _) => b"-d",
        (false, true) => b"-1",
        (false, false) => b"-0",
    });
    value
}

/// Returns the lower half of a trace-id whose upper half is zero.
pub(crate) const fn short_id(trace_id: TraceId) -> Option<[u8; SpanId::LENGTH]> {
    let number = trace_id.to_u128();
    if number > u64::MAX as u128 {
        return None;
    }
    match SpanId::from_u64(number as u64) {
        Some(low) => Some(low.encode()),
        None => None,
    }
}
