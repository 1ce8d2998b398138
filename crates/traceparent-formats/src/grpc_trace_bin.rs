//! OpenCensus over gRPC: the field `grpc-trace-bin`, as bytes or in base64.
//!
//! [OpenCensus: binary encoding](https://github.com/census-instrumentation/opencensus-specs/blob/master/encodings/BinaryEncoding.md),
//! [gRPC: binary metadata](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)

use traceparent::{ErrorKind, SpanId, TraceId};

use crate::{
    context::{LocalContext, RemoteContext},
    error::{FormatError, Part},
    format::Format,
    scan::{Fault, Piece, part},
    state::SamplingState,
    text::Encoded,
};

/// The number of bytes that are written.
pub const BYTES: usize = 29;

/// The number of characters that are written in base64.
pub const LENGTH: usize = 39;

/// Each field once, and the number of one more.
const MAX_READ: usize = BYTES + 1;
const _: () = assert!(MAX_READ % 3 == 0, "whole groups of four characters");

const FORMAT: Format = Format::GrpcTraceBin;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const NO_SEXTET: u8 = 0xff;
const SEXTETS: [u8; 256] = {
    let mut table = [NO_SEXTET; 256];
    let mut i = 0;
    while i < ALPHABET.len() {
        table[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    table
};

/// Parses the bytes: version 0, then numbered fields in any order. A field with an unknown number ends reading.
///
/// # Errors
///
/// Returns an error for the first rule that is broken: another version, a field that is too short or repeated, an ID of
/// all zeroes, or no trace-id.
pub const fn parse_bytes(bytes: &[u8]) -> Result<RemoteContext<'_>, FormatError> {
    // 00  00 trace-id (16)  01 span-id (8)  02 options (1)
    let Some((version, mut rest)) = bytes.split_first() else {
        return Err(FormatError::new(FORMAT, Part::Value, ErrorKind::Empty, 0));
    };
    if *version != 0 {
        return Err(FormatError::new(FORMAT, Part::Version, ErrorKind::ForbiddenVersion, 0));
    }
    let (mut trace_id, mut span_id, mut options) = (None, None, None);
    while let Some((number, content)) = rest.split_first() {
        let start = bytes.len() - content.len();
        let is_repeated = match number {
            0 => {
                let (id, tail) = part!(FORMAT, Part::TraceId, take::<16>(content, start));
                rest = tail;
                let Some(id) = TraceId::from_bytes(id) else {
                    return Err(FormatError::new(FORMAT, Part::TraceId, ErrorKind::AllZero, start));
                };
                trace_id.replace(id).is_some()
            }
            1 => {
                let (id, tail) = part!(FORMAT, Part::SpanId, take::<8>(content, start));
                rest = tail;
                let Some(id) = SpanId::from_bytes(id) else {
                    return Err(FormatError::new(FORMAT, Part::SpanId, ErrorKind::AllZero, start));
                };
                span_id.replace(id).is_some()
            }
            2 => {
                let ([bits], tail) = part!(FORMAT, Part::SamplingState, take::<1>(content, start));
                rest = tail;
                options.replace(bits).is_some()
            }
            _ => break,
        };
        if is_repeated {
            return Err(FormatError::new(FORMAT, part_of(*number), ErrorKind::Repeated, start - 1));
        }
    }
    let is_sampled = matches!(options, Some(bits) if bits & 1 != 0);
    match trace_id {
        Some(trace_id) => Ok(RemoteContext::of_ids(trace_id, span_id, SamplingState::from_sampled(is_sampled))),
        None => Err(FormatError::new(FORMAT, Part::TraceId, ErrorKind::Missing, bytes.len() - rest.len())),
    }
}

const fn part_of(number: u8) -> Part {
    match number {
        0 => Part::TraceId,
        1 => Part::SpanId,
        _ => Part::SamplingState,
    }
}

const fn take<const N: usize>(content: &[u8], start: usize) -> Result<([u8; N], &[u8]), Fault> {
    match content.split_first_chunk::<N>() {
        Some((field, tail)) => Ok((*field, tail)),
        None => Err(Fault { kind: ErrorKind::TooShort, offset: start + content.len() }),
    }
}

/// Parses the field's value: standard base64, with or without padding.
///
/// # Errors
///
/// Returns the errors of [`parse_bytes`], with an offset in characters. A comma separates values, so it repeats the
/// field.
///
/// ```
/// use traceparent_formats::grpc_trace_bin;
///
/// let context = grpc_trace_bin::parse(b"AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE")?;
/// assert_eq!(context.trace_id().unwrap().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// # Ok::<(), traceparent_formats::FormatError>(())
/// ```
pub const fn parse(value: &[u8]) -> Result<RemoteContext<'static>, FormatError> {
    let mut bytes = [0; MAX_READ];
    let length = part!(FORMAT, Part::Value, decode(value, &mut bytes));
    let read = match bytes.split_at_checked(length) {
        Some((read, _)) => parse_bytes(read),
        None => parse_bytes(&bytes),
    };
    match read {
        Ok(context) => Ok(context.without_borrow()),
        Err(error) => Err(FormatError::new(FORMAT, error.part(), error.kind(), error.offset() * 4 / 3)),
    }
}

/// Decodes the first characters and returns the number of bytes.
const fn decode(value: &[u8], bytes: &mut [u8; MAX_READ]) -> Result<usize, Fault> {
    let piece = Piece::whole(value);
    if piece.is_empty() {
        return piece.fault(ErrorKind::Empty, 0);
    }
    let (mut bits, mut count, mut length) = (0_u32, 0, 0);
    let mut i = 0;
    while i < value.len() && length < MAX_READ {
        let sextet = SEXTETS[value[i] as usize];
        if sextet == NO_SEXTET {
            match padding(piece.skip(i), i) {
                Ok(()) => break,
                Err(fault) => return Err(fault),
            }
        }
        bits = bits << 6 | sextet as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes[length] = (bits >> count) as u8;
            length += 1;
        }
        i += 1;
    }
    // A single character of a group of four holds no byte.
    if i % 4 == 1 { piece.fault(ErrorKind::TooShort, i) } else { Ok(length) }
}

/// Checks that the end of a value is the padding that belongs there.
const fn padding(end: Piece<'_>, characters: usize) -> Result<(), Fault> {
    let padding = match characters % 4 {
        2 => 2,
        3 => 1,
        _ => 0,
    };
    let mut i = 0;
    while i < end.len() && i <= padding {
        match end.bytes()[i] {
            b'=' if i < padding => {}
            b',' => return end.fault(ErrorKind::Repeated, i),
            _ => return end.fault(ErrorKind::InvalidByte, i),
        }
        i += 1;
    }
    if i < padding { end.fault(ErrorKind::TooShort, i) } else { Ok(()) }
}

/// Returns the bytes that go out.
pub const fn encode_bytes(context: &LocalContext<'_>) -> [u8; BYTES] {
    let (trace_id, span_id) = (context.trace_id().to_bytes(), context.span_id().to_bytes());
    let mut bytes = [0; BYTES];
    let mut i = 0;
    while i < trace_id.len() {
        bytes[2 + i] = trace_id[i];
        i += 1;
    }
    bytes[18] = 1;
    let mut i = 0;
    while i < span_id.len() {
        bytes[19 + i] = span_id[i];
        i += 1;
    }
    bytes[27] = 2;
    bytes[28] = context.is_sampled() as u8;
    bytes
}

/// Returns the field's value that goes out: base64 without padding.
pub const fn encode(context: &LocalContext<'_>) -> Encoded<LENGTH> {
    let bytes = encode_bytes(context);
    let mut value = Encoded::EMPTY;
    let (mut bits, mut count) = (0_u32, 0);
    let mut i = 0;
    while i < bytes.len() {
        bits = bits << 8 | bytes[i] as u32;
        count += 8;
        while count >= 6 {
            count -= 6;
            value.push(&[ALPHABET[(bits >> count & 0x3f) as usize]]);
        }
        i += 1;
    }
    value.push(&[ALPHABET[(bits << (6 - count) & 0x3f) as usize]]);
    value
}
