use core::{fmt, str::FromStr};

use crate::{
    error::{ErrorKind, Field, ParseError},
    flags::TraceFlags,
    hex,
    id::{SpanId, TraceId},
    version::Version,
};

/// The `traceparent` header: which trace a request belongs to, which span called, and its flags.
///
/// [W3C: traceparent](https://www.w3.org/TR/trace-context-2/#traceparent-header)
///
/// ```
/// use traceparent::{SpanId, TraceParent};
///
/// let parent = TraceParent::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")?;
/// assert!(parent.flags().is_sampled());
///
/// let child = parent.child(SpanId::from_static("b7ad6b7169203331"), true);
/// assert_eq!(&child.encode(), b"00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-01");
/// # Ok::<(), traceparent::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace_id: TraceId,
    parent_id: SpanId,
    flags: TraceFlags,
    version: Version,
}

// 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
// 0  3                                36               53
const TRACE_ID: usize = 3;
const TRACE_ID_END: usize = TRACE_ID + TraceId::LENGTH;
const PARENT_ID: usize = TRACE_ID_END + 1;
const PARENT_ID_END: usize = PARENT_ID + SpanId::LENGTH;
const FLAGS: usize = PARENT_ID_END + 1;

impl TraceParent {
    /// The length in bytes of a version `00` header.
    pub const LENGTH: usize = FLAGS + 2;

    /// Makes a `traceparent` of version `00`.
    pub const fn new(trace_id: TraceId, parent_id: SpanId, flags: TraceFlags) -> Self {
        Self { trace_id, parent_id, flags, version: Version::V00 }
    }

    /// Parses a header value.
    ///
    /// Lower-case hex only, exact widths, no white space (see [`trim_ows`](crate::trim_ows) for
    /// carriers that leave some). Version `00` is exactly 55 bytes; of a higher version the first 55
    /// bytes are read and, where it goes on, byte 55 has to be a dash. The cost does not grow with the
    /// length of the value.
    ///
    /// [W3C: versioning](https://www.w3.org/TR/trace-context-2/#versioning-of-traceparent)
    ///
    /// # Errors
    ///
    /// The left-most rule broken, except that a value of fewer than 55 bytes is too short whatever it
    /// holds, and that the version decides what may follow byte 54 before anything else is looked at.
    ///
    /// ```
    /// use traceparent::TraceParent;
    ///
    /// let error = |value: &[u8]| TraceParent::parse(value).unwrap_err().to_string();
    /// assert_eq!(error(b"00-4bf9"), "traceparent is too short: it ends at offset 7");
    /// assert_eq!(
    ///     error(b"00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
    ///     "trace-id is all zeroes",
    /// );
    /// assert_eq!(
    ///     error(b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ///     "version ff is forbidden",
    /// );
    /// ```
    pub const fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let Some(head) = value.first_chunk::<{ Self::LENGTH }>() else {
            return Err(ParseError::new(ErrorKind::TooShort, Field::TraceParent, value.len()));
        };
        let version_00 = head[0] == b'0' && head[1] == b'0' && value.len() == Self::LENGTH;
        let dashes = head[2] == b'-' && head[TRACE_ID_END] == b'-' && head[PARENT_ID_END] == b'-';
        if version_00 && dashes {
            if let Some(parsed) = parse_fields(head) {
                return Ok(parsed);
            }
        }
        parse_slowly(value, head)
    }

    /// Parses a literal, at compile time where the result is a `const`.
    ///
    /// # Panics
    ///
    /// When the literal does not parse; in a `const`, that is a compile error.
    ///
    /// ```
    /// use traceparent::TraceParent;
    ///
    /// const EXAMPLE: TraceParent =
    ///     TraceParent::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    /// ```
    #[track_caller]
    pub const fn from_static(literal: &'static str) -> Self {
        match Self::parse(literal.as_bytes()) {
            Ok(parsed) => parsed,
            #[expect(clippy::panic, reason = "a literal is the programmer's own")]
            Err(_) => panic!("not a valid traceparent"),
        }
    }

    /// Returns the header value, always of version `00`.
    ///
    /// [W3C: traceparent mutation](https://www.w3.org/TR/trace-context-2/#mutating-the-traceparent-field)
    pub const fn encode(self) -> [u8; Self::LENGTH] {
        let trace_id = self.trace_id.to_bytes();
        let parent_id = self.parent_id.to_bytes();
        // Both ids in one go: 24 bytes become 48 digits in a loop wide enough for vectors.
        let mut ids = [0; 24];
        let mut i = 0;
        while i < 16 {
            ids[i] = trace_id[i];
            i += 1;
        }
        let mut i = 0;
        while i < 8 {
            ids[16 + i] = parent_id[i];
            i += 1;
        }
        let digits: [u8; 48] = hex::encode(&ids);
        let flags: [u8; 2] = hex::encode(&[self.flags.bits()]);

        let mut value = [b'-'; Self::LENGTH];
        value[0] = b'0';
        value[1] = b'0';
        let mut i = 0;
        while i < TraceId::LENGTH {
            value[TRACE_ID + i] = digits[i];
            i += 1;
        }
        let mut i = 0;
        while i < SpanId::LENGTH {
            value[PARENT_ID + i] = digits[TraceId::LENGTH + i];
            i += 1;
        }
        value[FLAGS] = flags[0];
        value[FLAGS + 1] = flags[1];
        value
    }

    /// Writes the header value into the caller's buffer and returns it as text.
    ///
    /// ```
    /// # use traceparent::TraceParent;
    /// # let parent = TraceParent::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    /// let mut buffer = [0; TraceParent::LENGTH];
    /// assert!(parent.encode_str(&mut buffer).starts_with("00-4bf92f"));
    /// ```
    pub fn encode_str(self, buffer: &mut [u8; Self::LENGTH]) -> &str {
        *buffer = self.encode();
        core::str::from_utf8(buffer).unwrap_or_default()
    }

    /// Makes the `traceparent` for a call further down: the same trace and random flag, another
    /// parent-id, and the sampled flag of the new span, in version `00`.
    ///
    /// [W3C: random trace-id flag](https://www.w3.org/TR/trace-context-2/#random-trace-id-flag)
    pub const fn child(self, span_id: SpanId, sampled: bool) -> Self {
        Self::new(self.trace_id, span_id, self.flags.with_sampled(sampled))
    }

    /// Returns the trace-id.
    pub const fn trace_id(self) -> TraceId {
        self.trace_id
    }

    /// Returns the parent-id: the span-id of the caller's span.
    pub const fn parent_id(self) -> SpanId {
        self.parent_id
    }

    /// Returns the flags; reserved bits were dropped on reading.
    pub const fn flags(self) -> TraceFlags {
        self.flags
    }

    /// Returns the version that was read; what goes out is always version `00`.
    pub const fn version(self) -> Version {
        self.version
    }
}

/// Reads the fields of a version `00` header whose dashes are in place; `None` when any is invalid.
const fn parse_fields(head: &[u8; TraceParent::LENGTH]) -> Option<TraceParent> {
    let mut digits = [0; 48];
    let mut i = 0;
    while i < TraceId::LENGTH {
        digits[i] = head[TRACE_ID + i];
        i += 1;
    }
    let mut i = 0;
    while i < SpanId::LENGTH {
        digits[TraceId::LENGTH + i] = head[PARENT_ID + i];
        i += 1;
    }
    if !hex::is_hex(&digits) {
        return None;
    }
    let (Some((trace_id, _)), Some((_, parent_id))) = (digits.split_first_chunk(), digits.split_last_chunk()) else {
        return None;
    };
    let trace_id = TraceId::from_u128(hex::decode_u128(trace_id));
    let parent_id = SpanId::from_u64(hex::decode_u64(parent_id));
    match (trace_id, parent_id, hex::byte(head[FLAGS], head[FLAGS + 1])) {
        (Some(trace_id), Some(parent_id), Some(flags)) => {
            Some(TraceParent::new(trace_id, parent_id, TraceFlags::from_bits(flags)))
        }
        _ => None,
    }
}

/// Reads higher versions, and finds out what is wrong with any other value, from left to right.
#[cold]
#[inline(never)]
const fn parse_slowly(value: &[u8], head: &[u8; TraceParent::LENGTH]) -> Result<TraceParent, ParseError> {
    if let Some(error) = hex::fault(head, 0, 2, Field::Version) {
        return Err(error);
    }
    let version = match hex::byte(head[0], head[1]) {
        Some(number) => match Version::from_u8(number) {
            Some(version) => version,
            None => return Err(ParseError::new(ErrorKind::ForbiddenVersion, Field::Version, 0)),
        },
        None => return Err(ParseError::new(ErrorKind::InvalidByte, Field::Version, 0)),
    };
    if head[2] != b'-' {
        return Err(ParseError::new(ErrorKind::MissingDash, Field::Version, 2));
    }
    if value.len() > TraceParent::LENGTH {
        if version.to_u8() == 0 {
            return Err(ParseError::new(ErrorKind::TooLong, Field::TraceParent, TraceParent::LENGTH));
        }
        if value[TraceParent::LENGTH] != b'-' {
            return Err(ParseError::new(ErrorKind::MissingDash, Field::TraceFlags, TraceParent::LENGTH));
        }
    }
    if let Some(error) = id_fault(head, TRACE_ID, TRACE_ID_END, Field::TraceId) {
        return Err(error);
    }
    if let Some(error) = id_fault(head, PARENT_ID, PARENT_ID_END, Field::ParentId) {
        return Err(error);
    }
    if let Some(error) = hex::fault(head, FLAGS, TraceParent::LENGTH, Field::TraceFlags) {
        return Err(error);
    }
    match parse_fields(head) {
        Some(parsed) => Ok(TraceParent { version, ..parsed }),
        None => Err(ParseError::new(ErrorKind::InvalidByte, Field::TraceParent, 0)),
    }
}

/// Returns what is wrong with an id and the dash behind it.
const fn id_fault(head: &[u8; TraceParent::LENGTH], start: usize, end: usize, field: Field) -> Option<ParseError> {
    if let Some(error) = hex::fault(head, start, end, field) {
        return Some(error);
    }
    if is_zero(head, start, end) {
        return Some(ParseError::new(ErrorKind::AllZero, field, start));
    }
    if end < head.len() && head[end] != b'-' {
        return Some(ParseError::new(ErrorKind::MissingDash, field, end));
    }
    None
}

const fn is_zero(head: &[u8; TraceParent::LENGTH], start: usize, end: usize) -> bool {
    let mut i = start;
    while i < end && i < head.len() {
        if head[i] != b'0' {
            return false;
        }
        i += 1;
    }
    true
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.encode_str(&mut [0; Self::LENGTH]))
    }
}

impl FromStr for TraceParent {
    type Err = ParseError;

    fn from_str(value: &str) -> Result<Self, ParseError> {
        Self::parse(value.as_bytes())
    }
}

impl TryFrom<&[u8]> for TraceParent {
    type Error = ParseError;

    fn try_from(value: &[u8]) -> Result<Self, ParseError> {
        Self::parse(value)
    }
}
