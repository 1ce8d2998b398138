//! Jaeger's own format, deprecated by its authors and by OpenTelemetry: the field `uber-trace-id`.
//!
//! [Jaeger: propagation format](https://www.jaegertracing.io/sdk-migration/#propagation-format)

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

/// The length in bytes of the longest value that is read, with percent-encoded colons.
pub const MAX_LENGTH: usize = TraceId::LENGTH + 3 + SpanId::LENGTH + 3 + SpanId::LENGTH + 3 + 2;

/// The length in bytes of a value that is written.
pub const LENGTH: usize = TraceId::LENGTH + 1 + SpanId::LENGTH + 4;

const COLON: &str = ":";
const ENCODED: &str = "%3A";

const ACCEPT: u128 = 0x01;
const DEBUG: u128 = 0x02;

/// Parses a value: trace-id, span-id, the caller's parent, and flags, between colons or percent-encoded colons.
///
/// IDs have any number of hex digits of either case up to 32 and 16; zeroes are added on the left. The flags are one or
/// two hex digits. The parent is ignored.
///
/// # Errors
///
/// Returns an error for the left-most rule that is broken. For example, a value with three parts misses one, and a value
/// with five is too long.
///
/// ```
/// use traceparent_formats::jaeger;
///
/// let context = jaeger::parse(b"1%3A2%3A0%3A1")?;
/// assert_eq!(context.span_id().unwrap().to_string(), "0000000000000002");
/// # Ok::<(), traceparent_formats::FormatError>(())
/// ```
pub const fn parse(value: &[u8]) -> Result<RemoteContext<'_>, FormatError> {
    const FORMAT: Format = Format::Jaeger;
    let whole = Piece::whole(value);
    part!(FORMAT, Part::Value, whole.sized(MAX_LENGTH));
    let separator = if whole.find(b':').is_some() { COLON } else { ENCODED };

    let (first, rest) = cut(whole, separator);
    let Some(rest) = rest else {
        part!(FORMAT, Part::TraceId, trace_id(first));
        return Err(FormatError::new(FORMAT, Part::SpanId, ErrorKind::Missing, whole.end()));
    };
    let (second, rest) = cut(rest, separator);
    let (trace_id, span_id) = match ids::both(first.bytes(), second.bytes()) {
        Some(ids) => ids,
        None => (part!(FORMAT, Part::TraceId, trace_id(first)), part!(FORMAT, Part::SpanId, span_id(second))),
    };
    let Some(rest) = rest else {
        return Err(FormatError::new(FORMAT, Part::ParentSpanId, ErrorKind::Missing, whole.end()));
    };
    let (third, rest) = cut(rest, separator);
    if third.len() > SpanId::LENGTH {
        let end = third.start() + SpanId::LENGTH;
        return Err(FormatError::new(FORMAT, Part::ParentSpanId, ErrorKind::TooLong, end));
    }
    let Some(rest) = rest else {
        return Err(FormatError::new(FORMAT, Part::SamplingState, ErrorKind::Missing, whole.end()));
    };
    let (fourth, rest) = cut(rest, separator);
    let flags = part!(FORMAT, Part::SamplingState, fourth.any_hex(2));
    if rest.is_some() {
        return Err(FormatError::new(FORMAT, Part::Value, ErrorKind::TooLong, fourth.end()));
    }
    let state = match (flags & ACCEPT != 0, flags & DEBUG != 0) {
        (false, _) => SamplingState::Deny,
        (true, false) => SamplingState::Accept,
        (true, true) => SamplingState::Debug,
    };
    Ok(RemoteContext::of_ids(trace_id, Some(span_id), state).with_short(first.len() <= SpanId::LENGTH))
}

/// Parses 1 to 32 hex digits of either case.
const fn trace_id(piece: Piece<'_>) -> Result<TraceId, Fault> {
    match piece.any_hex(TraceId::LENGTH) {
        Ok(number) => match TraceId::from_u128(number) {
            Some(id) => Ok(id),
            None => piece.fault(ErrorKind::AllZero, 0),
        },
        Err(fault) => Err(fault),
    }
}

/// Parses 1 to 16 hex digits of either case.
const fn span_id(piece: Piece<'_>) -> Result<SpanId, Fault> {
    match piece.any_hex(SpanId::LENGTH) {
        Ok(number) => match SpanId::from_u64(number as u64) {
            Some(id) => Ok(id),
            None => piece.fault(ErrorKind::AllZero, 0),
        },
        Err(fault) => Err(fault),
    }
}

/// Cuts a piece at the first separator.
#[inline]
const fn cut<'a>(piece: Piece<'a>, separator: &str) -> (Piece<'a>, Option<Piece<'a>>) {
    let found = if separator.len() == COLON.len() { piece.find(b':') } else { find_encoded(piece) };
    match found {
        Some(at) => {
            let (head, tail) = piece.split_at(at);
            (head, Some(tail.skip(separator.len())))
        }
        None => (piece, None),
    }
}

/// Returns the index of the first encoded colon, of either case.
#[cold]
const fn find_encoded(piece: Piece<'_>) -> Option<usize> {
    let mut rest = piece.bytes();
    while let [_, tail @ ..] = rest {
        if matches!(rest, [b'%', b'3', b'A' | b'a', ..]) {
            return Some(piece.len() - rest.len());
        }
        rest = tail;
    }
    None
}

/// Returns the outgoing value.
pub const fn encode(context: &LocalContext<'_>) -> Encoded<LENGTH> {
    let mut value = Encoded::EMPTY;
    value.push(&context.trace_id().encode());
    value.push(b":");
    value.push(&context.span_id().encode());
    value.push(match (context.is_debug(), context.is_sampled()) {
        (true, _) => b":0:3",
        (false, true) => b":0:1",
        (false, false) => b":0:0",
    });
    value
}
