//! AWS X-Ray: the field `x-amzn-trace-id`, and the same value in the environment variable `_X_AMZN_TRACE_ID` of Lambda.
//!
//! [AWS: tracing header](https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader)

use traceparent::{ErrorKind, SpanId, TraceId};

use crate::{
    context::{LocalContext, RemoteContext},
    error::{FormatError, Part},
    format::Format,
    ids,
    scan::{Fault, Piece, is_printable, part},
    state::SamplingState,
    text::Encoded,
    words,
};

/// The length in bytes of the longest value that is read.
pub const MAX_LENGTH: usize = 4096;

/// The most bytes of other pairs, with the semicolons before them, that a written value carries on.
pub const MAX_CARRIED: usize = 256;

/// The length in bytes of the longest value that is written.
pub const MAX_WRITTEN: usize =
    "Root=1-12345678-123456789012345678901234;Parent=1234567890123456;Sampled=1".len() + MAX_CARRIED;

/// The length in bytes of `Root`: a version, 8 digits that may be a time, and 24 digits.
const ROOT: usize = 35;

/// Parses a value: pairs in any order between semicolons.
///
/// `Root` without `Parent` is what a load balancer adds. `Sampled` that is `?` or absent defers the decision. Pairs
/// with other keys are handed out by [`Carried::xray_pairs`](crate::Carried::xray_pairs).
///
/// # Errors
///
/// Returns an error for the left-most rule that is broken. A value without `Root` misses it, unless it has `Sampled`
/// alone.
///
/// ```
/// use traceparent_formats::xray;
///
/// let context = xray::parse(b"Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=a87bd80c:1")?;
/// assert_eq!(context.trace_id().unwrap().to_string(), "5759e988bd862e3fe1be46a994272793");
/// assert_eq!(context.span_id(), None);
/// assert_eq!(context.carried().xray_pairs().next(), Some(("Lineage", "a87bd80c:1")));
/// # Ok::<(), traceparent_formats::FormatError>(())
/// ```
pub const fn parse(value: &[u8]) -> Result<RemoteContext<'_>, FormatError> {
    let whole = Piece::whole(value);
    part!(Format::XRay, Part::Value, whole.sized(MAX_LENGTH));
    let (mut root, mut parent, mut sampled, mut has_self) = (None, None, None, false);
    let mut rest = Some(whole);
    if let Some((trace_id, span_id, state, behind)) = usual(whole) {
        (root, parent, sampled) = (Some(trace_id), Some(span_id), Some(state));
        rest = behind;
    }
    while let Some(pairs) = rest {
        let (pair, behind) = pairs.cut(b';');
        rest = behind;
        let pair = pair.trim_spaces();
        if pair.is_empty() && rest.is_none() && pairs.start() > 0 {
            break;
        }
        part!(Format::XRay, Part::Pair, printable(pair));
        let (key, Some(value)) = pair.cut(b'=') else {
            return Err(FormatError::new(Format::XRay, Part::Pair, ErrorKind::MissingEquals, pair.end()));
        };
        let is_repeated = if key.is(b"Root") {
            let root_id = part!(Format::XRay, Part::TraceId, root_id(value));
            root.replace(root_id).is_some()
        } else if key.is(b"Parent") {
            let span_id = part!(Format::XRay, Part::SpanId, value.span_id());
            parent.replace(span_id).is_some()
        } else if key.is(b"Sampled") {
            let state = part!(Format::XRay, Part::SamplingState, state(value));
            sampled.replace(state).is_some()
        } else {
            let is_self = key.is(b"Self");
            let is_repeated = is_self && has_self;
            has_self |= is_self;
            is_repeated
        };
        if is_repeated {
            return Err(FormatError::new(Format::XRay, Part::Pair, ErrorKind::Repeated, key.start()));
        }
    }
    let state = match sampled {
        Some(state) => state,
        None => SamplingState::Defer,
    };
    let context = match (root, parent, sampled) {
        (Some(trace_id), span_id, _) => RemoteContext::of_ids(trace_id, span_id, state),
        (None, None, Some(state)) => RemoteContext::of_state(state),
        (None, _, _) => {
            return Err(FormatError::new(Format::XRay, Part::TraceId, ErrorKind::Missing, whole.end()));
        }
    };
    let carried = context.carried().with_xray(value);
    Ok(context.with_carried(carried))
}

/// Reads the pairs in the order in which nearly all values have them, and returns them with the piece behind the next
/// semicolon. For all else it returns `None`, and the pairs are read one by one.
const fn usual(whole: Piece<'_>) -> Option<(TraceId, SpanId, SamplingState, Option<Piece<'_>>)> {
    // Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1
    let Some((b"Root=", rest)) = whole.bytes().split_first_chunk() else { return None };
    let Some((root @ [b'1', b'-', _, _, _, _, _, _, _, _, b'-', ..], rest)) = rest.split_first_chunk::<ROOT>() else {
        return None;
    };
    let Some((b";Parent=", rest)) = rest.split_first_chunk() else { return None };
    let Some((span_id, rest)) = rest.split_at_checked(SpanId::LENGTH) else { return None };
    let Some((b";Sampled=", [state, rest @ ..])) = rest.split_first_chunk() else { return None };
    let (Some((trace_id, span_id)), Some(state)) = (ids::both(&digits(root), span_id), state_of(*state)) else {
        return None;
    };
    match rest {
        [] => Some((trace_id, span_id, state, None)),
        [b';', rest @ ..] => Some((trace_id, span_id, state, Some(whole.skip(whole.len() - rest.len())))),
        _ => None,
    }
}

const fn printable(pair: Piece<'_>) -> Result<(), Fault> {
    let bytes = pair.bytes();
    let mut i = words::printable_prefix(bytes);
    while i < bytes.len() {
        if !is_printable(bytes[i]) {
            return pair.fault(ErrorKind::InvalidByte, i);
        }
        i += 1;
    }
    Ok(())
}

const fn root_id(root: Piece<'_>) -> Result<TraceId, Fault> {
    // 1-5759e988-bd862e3fe1be46a994272793
    // 0 2        11
    match root.bytes() {
        [] => return root.fault(ErrorKind::Empty, 0),
        [b'1', ..] => {}
        [b'0'..=b'9' | b'a'..=b'f', ..] => return root.fault(ErrorKind::ForbiddenVersion, 0),
        _ => return root.fault(ErrorKind::InvalidByte, 0),
    }
    let Some(bytes) = root.bytes().first_chunk::<ROOT>() else {
        return root.fault(ErrorKind::TooShort, root.len());
    };
    if root.len() > ROOT {
        return root.fault(ErrorKind::TooLong, ROOT);
    }
    if bytes[1] != b'-' {
        return root.fault(ErrorKind::MissingDash, 1);
    }
    if bytes[10] != b'-' {
        return root.fault(ErrorKind::MissingDash, 10);
    }
    let digits = digits(bytes);
    if let Some(number) = words::hex(&digits) {
        if let Some(id) = TraceId::from_u128(number) {
            return Ok(id);
        }
    }
    match TraceId::parse(&digits) {
        Ok(id) => Ok(id),
        Err(error) => {
            let dashes = if error.offset() < 8 { 2 } else { 3 };
            root.fault(error.kind(), error.offset() + dashes)
        }
    }
}

/// Returns the digits of a `Root` without version and dashes.
const fn digits(root: &[u8; ROOT]) -> [u8; TraceId::LENGTH] {
    let mut digits = [0; TraceId::LENGTH];
    let mut i = 0;
    while i < digits.len() {
        digits[i] = root[if i < 8 { i + 2 } else { i + 3 }];
        i += 1;
    }
    digits
}

const fn state(piece: Piece<'_>) -> Result<SamplingState, Fault> {
    if let Err(fault) = piece.sized(1) {
        return Err(fault);
    }
    if let [byte] = piece.bytes() {
        if let Some(state) = state_of(*byte) {
            return Ok(state);
        }
    }
    piece.fault(ErrorKind::InvalidByte, 0)
}

const fn state_of(byte: u8) -> Option<SamplingState> {
    match byte {
        b'0' => Some(SamplingState::Deny),
        b'1' => Some(SamplingState::Accept),
        b'?' => Some(SamplingState::Defer),
        _ => None,
    }
}

/// Returns the value that goes out: our own pairs, then those carried on, whole ones only.
///
/// Pairs beyond [`MAX_CARRIED`] bytes are left out, shorter ones behind them are not.
pub fn encode(context: &LocalContext<'_>) -> Encoded<MAX_WRITTEN> {
    let trace_id = context.trace_id().encode();
    let (time, random) = trace_id.split_at(8);
    let mut value = Encoded::EMPTY;
    value.push(b"Root=1-");
    value.push(time);
    value.push(b"-");
    value.push(random);
    value.push(b";Parent=");
    value.push(&context.span_id().encode());
    value.push(if context.is_sampled() { b";Sampled=1" } else { b";Sampled=0" });
    for (key, content) in context.carried().written_xray_pairs() {
        value.push(b";");
        value.push(key.as_bytes());
        value.push(b"=");
        value.push(content.as_bytes());
    }
    value
}

const _: () = assert!(ROOT == 1 + 1 + 8 + 1 + 24 && SpanId::LENGTH == 16);
