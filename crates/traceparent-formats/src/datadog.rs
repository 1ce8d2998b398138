//! Datadog: `x-datadog-trace-id` and four fields beside it.
//!
//! [Datadog: trace context propagation](https://docs.datadoghq.com/tracing/trace_collection/trace_context_propagation/)

use traceparent::{ErrorKind, SpanId, TraceId};

use crate::{
    context::{LocalContext, RemoteContext},
    error::{FormatError, Part},
    format::Format,
    scan::{Fault, Piece, part},
    state::SamplingState,
    text::Encoded,
    words::{self, DIGITS},
};

/// The length in bytes of the longest tags and the longest origin that are read or written.
pub const MAX_LENGTH: usize = 512;

/// The key of the tag that holds the upper half of the trace-id.
const UPPER_HALF: &[u8] = b"_dd.p.tid";

/// The length in bytes of the tag that holds the upper half of the trace-id.
pub(crate) const UPPER_HALF_LENGTH: usize = UPPER_HALF.len() + 1 + SpanId::LENGTH;

const FORMAT: Format = Format::Datadog;
const NONE: &[u8] = b"";

/// The fields of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "every field of the format is here")]
pub struct Fields<'a> {
    /// `x-datadog-trace-id`: the lower half of the trace-id, decimal.
    pub trace_id: Option<&'a [u8]>,
    /// `x-datadog-parent-id`: the caller's span-id, decimal.
    pub parent_id: Option<&'a [u8]>,
    /// `x-datadog-sampling-priority`: an integer, positive to keep the trace.
    pub sampling_priority: Option<&'a [u8]>,
    /// `x-datadog-tags`: pairs between commas, the upper half of the trace-id among them.
    pub tags: Option<&'a [u8]>,
    /// `x-datadog-origin`: where the trace comes from, such as `synthetics`.
    pub origin: Option<&'a [u8]>,
}

/// Parses the fields, or returns `None` if there is no trace-id.
///
/// Without a parent-id, or with one of zero, the caller has no span. Without a priority, the decision is deferred.
/// Tags that do not tell the upper half of the trace-id well leave it zero, which
/// [`RemoteContext::tags_error`] reports.
///
/// # Errors
///
/// Returns an error for the first rule that the trace-id, the parent-id or the priority breaks. For example, a sign is
/// an invalid byte in an ID, and 2<sup>64</sup> is out of range.
///
/// ```
/// use traceparent_formats::datadog;
///
/// let context = datadog::parse(datadog::Fields {
///     trace_id: Some(b"11803532876627986230"),
///     tags: Some(b"_dd.p.tid=4bf92f3577b34da6"),
///     ..datadog::Fields::default()
/// })?;
/// assert_eq!(context.unwrap().trace_id().unwrap().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// # Ok::<(), traceparent_formats::FormatError>(())
/// ```
pub const fn parse(fields: Fields<'_>) -> Result<Option<RemoteContext<'_>>, FormatError> {
    let Some(trace_id) = fields.trace_id else { return Ok(None) };
    let lower = part!(FORMAT, Part::TraceId, Piece::whole(trace_id).decimal(20, u64::MAX));
    if lower == 0 {
        return Err(FormatError::new(FORMAT, Part::TraceId, ErrorKind::AllZero, 0));
    }
    let span_id = match fields.parent_id {
        Some(id) => SpanId::from_u64(part!(FORMAT, Part::SpanId, Piece::whole(id).decimal(20, u64::MAX))),
        None => None,
    };
    let priority = match fields.sampling_priority {
        Some(priority) => Some(part!(FORMAT, Part::SamplingState, integer(Piece::whole(priority)))),
        None => None,
    };
    let state = match priority {
        Some(priority) => SamplingState::from_sampled(priority > 0),
        None => SamplingState::Defer,
    };
    let (upper, tags, tags_error) = match fields.tags {
        None => (0, NONE, None),
        Some(tags) if tags.len() > MAX_LENGTH => {
            (0, NONE, Some(FormatError::new(FORMAT, Part::Tags, ErrorKind::TooLong, MAX_LENGTH)))
        }
        Some(tags) => match upper_half(Piece::whole(tags)) {
            Ok(upper) => (upper, tags, None),
            Err(fault) => (0, tags, Some(FormatError::new(FORMAT, Part::UpperTraceId, fault.kind, fault.offset))),
        },
    };
    let origin = match fields.origin {
        Some(origin) if origin.len() <= MAX_LENGTH => origin,
        _ => NONE,
    };
    let Some(trace_id) = TraceId::from_u128((upper as u128) << 64 | lower as u128) else { return Ok(None) };
    let context = RemoteContext::of_ids(trace_id, span_id, state).with_short(upper == 0).with_tags_error(tags_error);
    let carried = context.carried().with_datadog(priority, tags, origin);
    Ok(Some(context.with_carried(carried)))
}

/// Parses an integer of 64 bits.
const fn integer(piece: Piece<'_>) -> Result<i64, Fault> {
    if let [digit @ b'0'..=b'9'] = piece.bytes() {
        return Ok((*digit - b'0') as i64);
    }
    let is_negative = matches!(piece.bytes(), [b'-', ..]);
    match piece.skip(is_negative as usize).decimal(20, i64::MAX.unsigned_abs() + is_negative as u64) {
        Ok(magnitude) if is_negative => Ok(0_i64.wrapping_sub_unsigned(magnitude)),
        Ok(magnitude) => Ok(0_i64.wrapping_add_unsigned(magnitude)),
        Err(fault) => Err(fault),
    }
}

/// Returns the upper half of the trace-id, zero if no tag holds it.
const fn upper_half(tags: Piece<'_>) -> Result<u64, Fault> {
    let mut found = None;
    let mut rest = Some(tags);
    while let Some(pairs) = rest {
        let (pair, behind) = pairs.cut(b',');
        rest = behind;
        let (key, value) = pair.cut(b'=');
        let Some(value) = value else { continue };
        if !key.is(UPPER_HALF) {
            continue;
        }
        let half = match value.span_id() {
            Ok(half) => half.to_u64(),
            Err(fault) if matches!(fault.kind, ErrorKind::AllZero) => 0,
            Err(fault) => return Err(fault),
        };
        if found.replace(half).is_some() {
            return key.fault(ErrorKind::Repeated, 0);
        }
    }
    match found {
        Some(half) => Ok(half),
        None => Ok(0),
    }
}

/// Writes the lower half of the trace-id and the span-id that go out, and returns them, or `None` if the lower half is
/// zero and the trace cannot be written in this format.
#[inline]
pub(crate) fn encode_ids<'b>(
    context: &LocalContext<'_>,
    buffer: &'b mut [u8; 2 * DIGITS],
) -> Option<(&'b str, &'b str)> {
    let lower = context.trace_id().to_u128() as u64;
    if lower == 0 {
        return None;
    }
    let (trace_id, span_id) = buffer.split_first_chunk_mut()?;
    let first = words::write_decimal(lower, trace_id);
    let second = words::write_decimal(context.span_id().to_u64(), span_id.first_chunk_mut()?);
    let (trace_id, span_id) = core::str::from_utf8(buffer).ok()?.split_at_checked(DIGITS)?;
    Some((trace_id.get(first..)?, span_id.get(second..)?))
}

/// Returns the priority that goes out: the caller's if the decision is the same, otherwise 2 for debug, 1 or 0.
pub(crate) const fn priority(context: &LocalContext<'_>) -> i64 {
    match context.carried().datadog_priority() {
        Some(priority) if (priority > 0) == context.is_sampled() && !context.is_debug() => priority,
        _ if context.is_debug() => 2,
        _ => context.is_sampled() as i64,
    }
}

/// Returns a priority as text.
pub(crate) const fn encode_priority(priority: i64) -> Encoded<20> {
    let mut value = Encoded::EMPTY;
    if priority < 0 {
        value.push(b"-");
    }
    value.push_decimal(priority.unsigned_abs());
    value
}

/// Returns the tag that holds the upper half of the trace-id, or `None` if the half is zero.
pub(crate) const fn encode_upper_half<const N: usize>(context: &LocalContext<'_>) -> Option<Encoded<N>> {
    match SpanId::from_u64((context.trace_id().to_u128() >> 64) as u64) {
        Some(half) => {
            let mut value = Encoded::EMPTY;
            value.push(UPPER_HALF);
            value.push(b"=");
            value.push(&half.encode());
            Some(value)
        }
        None => None,
    }
}

/// Returns the tags that go out: the upper half of the trace-id, then the tags carried on, whole ones only.
pub(crate) fn encode_tags(context: &LocalContext<'_>) -> Encoded<MAX_LENGTH> {
    let mut value = encode_upper_half(context).unwrap_or(Encoded::EMPTY);
    for (key, content) in context.carried().datadog_tags() {
        let used = value.as_bytes().len();
        let comma = usize::from(used > 0);
        if used + comma + key.len() + 1 + content.len() <= MAX_LENGTH {
            value.push(if comma == 1 { b"," } else { b"" });
            value.push(key.as_bytes());
            value.push(b"=");
            value.push(content.as_bytes());
        }
    }
    value
}
