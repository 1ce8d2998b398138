//! B3 in several fields.
//!
//! [B3: multiple headers](https://github.com/openzipkin/b3-propagation#multiple-headers)

use traceparent::ErrorKind;

use crate::{
    context::RemoteContext,
    error::{FormatError, Part},
    format::Format,
    ids,
    scan::{Fault, Piece, part},
    state::SamplingState,
};

/// The fields of a message that are read. `x-b3-parentspanid` is not among them: nothing depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "the format is frozen")]
pub struct Fields<'a> {
    /// `x-b3-traceid`: 16 or 32 lower-case hex digits.
    pub trace_id: Option<&'a [u8]>,
    /// `x-b3-spanid`: 16 lower-case hex digits.
    pub span_id: Option<&'a [u8]>,
    /// `x-b3-sampled`: `1`, `0`, `true` or `false`.
    pub sampled: Option<&'a [u8]>,
    /// `x-b3-flags`: `1` for debug, anything else is ignored.
    pub flags: Option<&'a [u8]>,
}

/// Parses the fields, or returns `None` if they are absent.
///
/// # Errors
///
/// Returns an error if one ID is present without the other, if an ID is invalid, or if a sampling state is not a word
/// of the format.
///
/// ```
/// use traceparent_formats::{SamplingState, b3_multi};
///
/// let fields = b3_multi::Fields { sampled: Some(b"0"), ..b3_multi::Fields::default() };
/// let context = b3_multi::parse(fields)?.unwrap();
/// assert_eq!((context.trace_id(), context.state()), (None, SamplingState::Deny));
/// # Ok::<(), traceparent_formats::FormatError>(())
/// ```
pub const fn parse(fields: Fields<'_>) -> Result<Option<RemoteContext<'_>>, FormatError> {
    const FORMAT: Format = Format::B3Multi;
    let (trace_id, span_id) = match (fields.trace_id, fields.span_id) {
        (None, None) => {
            return match state(fields) {
                Ok(Some(state)) => Ok(Some(RemoteContext::of_state(state))),
                Ok(None) => Ok(None),
                Err(fault) => Err(FormatError::new(FORMAT, Part::SamplingState, fault.kind, fault.offset)),
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
    let state = match part!(FORMAT, Part::SamplingState, state(fields)) {
        Some(state) => state,
        None => SamplingState::Defer,
    };
    Ok(Some(RemoteContext::of_ids(trace_id, Some(span_id), state).with_short(is_short)))
}

const fn state(fields: Fields<'_>) -> Result<Option<SamplingState>, Fault> {
    if matches!(fields.flags, Some([b'1'])) {
        return Ok(Some(SamplingState::Debug));
    }
    match fields.sampled {
        Some(sampled) => match word(Piece::whole(sampled)) {
            Ok(sampled) => Ok(Some(SamplingState::from_sampled(sampled))),
            Err(fault) => Err(fault),
        },
        None => Ok(None),
    }
}

/// Parses `1`, `0`, or `true` and `false` in any case.
pub(crate) const fn word(piece: Piece<'_>) -> Result<bool, Fault> {
    if piece.is(b"1") || piece.is_word("true") {
        Ok(true)
    } else if piece.is(b"0") || piece.is_word("false") {
        Ok(false)
    } else if piece.is_empty() {
        piece.fault(ErrorKind::Empty, 0)
    } else {
        piece.fault(ErrorKind::InvalidByte, 0)
    }
}
