use core::{fmt, str::FromStr};

use crate::{
    error::{ErrorKind, Field, ParseError},
    flags::TraceFlags,
    hex,
    id::{SpanId, TraceId},
    version::Version,
};

/// The `traceparent` header: the trace of a request, the caller's span, and the trace flags.
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
    /// The name of the header, in lower case.
    pub const NAME: &'static str = "traceparent";

    /// The length in bytes of a version `00` header.
    pub const LENGTH: usize = FLAGS + 2;

    /// Creates a `traceparent` of version `00`.
    pub const fn new(trace_id: TraceId, parent_id: SpanId, flags: TraceFlags) -> Self {
        Self { trace_id, parent_id, flags, version: Version::V00 }
    }

    /// Parses a header value.
    ///
    /// Every part must have its exact width, in lower-case hex. White space is not allowed; carriers that leave
    /// some around a value call [`trim_ows`](crate::trim_ows) first. A value of version `00` has exactly 55
    /// bytes. For a higher version, the first 55 bytes are read, and byte 55 must be a dash if the value is
    /// longer. The cost does not grow with the length of the value.
    ///
    /// [W3C: versioning](https://www.w3.org/TR/trace-context-2/#versioning-of-traceparent)
    ///
    /// # Errors
    ///
    /// Returns an error for the left-most rule that is broken, with two exceptions. A value of fewer than 55
    /// bytes is always too short. The version, and what it allows after byte 54, is checked before the other
    /// parts.
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
        let version = match head {
            [b'0', b'0', b'-', ..] if value.len() == Self::LENGTH => Version::V00,
            [b'0', b'0', b'-', ..] => {
                return Err(ParseError::new(ErrorKind::TooLong, Field::TraceParent, Self::LENGTH));
            }
            _ => match parse_version(value, head) {
                Ok(version) => version,
                Err(error) => return Err(error),
            },
        };
        let Some((trace_id, parent_id)) = ids(head) else {
            return Err(ids_fault(head));
        };
        let Some(trace_id) = TraceId::from_u128(trace_id) else {
            return Err(ParseError::new(ErrorKind::AllZero, Field::TraceId, TRACE_ID));
        };
        let Some(parent_id) = SpanId::from_u64(parent_id) else {
            return Err(ParseError::new(ErrorKind::AllZero, Field::ParentId, PARENT_ID));
        };
        let Some(flags) = hex::byte(head[FLAGS], head[FLAGS + 1]) else {
            return Err(hex::fault(head, FLAGS, Self::LENGTH, Field::TraceFlags));
        };
        Ok(Self { trace_id, parent_id, flags: TraceFlags::from_bits(flags), version })
    }

    /// Parses a literal, at compile time if the result is a `const`.
    ///
    /// # Panics
    ///
    /// Panics if the literal is invalid. In a `const`, this is a compile error.
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

    /// Returns the header value. It always has version `00`.
    ///
    /// [W3C: traceparent mutation](https://www.w3.org/TR/trace-context-2/#mutating-the-traceparent-field)
    pub const fn encode(self) -> [u8; Self::LENGTH] {
        let trace_id = self.trace_id.to_bytes();
        let parent_id = self.parent_id.to_bytes();
        // Both IDs at once: a loop from 24 bytes to 48 digits is wide enough for vectors.
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

    /// Writes the header value into a buffer, and returns it as a string.
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

    /// Creates the `traceparent` for an outgoing call, in version `00`.
    ///
    /// The trace-id and the random flag stay. The parent-id and the sampled flag are those of the new span.
    ///
    /// [W3C: random trace-id flag](https://www.w3.org/TR/trace-context-2/#random-trace-id-flag)
    #[must_use]
    pub const fn child(self, span_id: SpanId, sampled: bool) -> Self {
        Self::new(self.trace_id, span_id, self.flags.with_sampled(sampled))
    }

    /// Returns the trace-id.
    pub const fn trace_id(self) -> TraceId {
        self.trace_id
    }

    /// Returns the parent-id, which is the span-id of the caller's span.
    pub const fn parent_id(self) -> SpanId {
        self.parent_id
    }

    /// Returns the flags, without the reserved bits.
    pub const fn flags(self) -> TraceFlags {
        self.flags
    }

    /// Returns the version of the parsed header. [`encode`](Self::encode) always writes version `00`.
    pub const fn version(self) -> Version {
        self.version
    }
}

/// Parses the version of a value that is not of version `00`, and checks whether that version allows what follows
/// byte 54.
#[cold]
const fn parse_version(value: &[u8], head: &[u8; TraceParent::LENGTH]) -> Result<Version, ParseError> {
    let Some(number) = hex::byte(head[0], head[1]) else {
        return Err(hex::fault(head, 0, 2, Field::Version));
    };
    let Some(version) = Version::from_u8(number) else {
        return Err(ParseError::new(ErrorKind::ForbiddenVersion, Field::Version, 0));
    };
    if head[2] != b'-' {
        return Err(ParseError::new(ErrorKind::MissingDash, Field::Version, 2));
    }
    if value.len() > TraceParent::LENGTH && value[TraceParent::LENGTH] != b'-' {
        return Err(ParseError::new(ErrorKind::MissingDash, Field::TraceFlags, TraceParent::LENGTH));
    }
    Ok(version)
}

/// Decodes both IDs at once, because 48 digits are enough for vectors. Returns `None` if a digit, or the dash
/// after an ID, is wrong.
const fn ids(head: &[u8; TraceParent::LENGTH]) -> Option<(u128, u64)> {
    let mut digits = [0; TraceId::LENGTH + SpanId::LENGTH];
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
    if head[TRACE_ID_END] != b'-' || head[PARENT_ID_END] != b'-' {
        return None;
    }
    let bytes: [u8; 24] = match hex::decode(&digits) {
        Some(bytes) => bytes,
        None => return None,
    };
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(trace_id), Some(parent_id)) => Some((u128::from_be_bytes(*trace_id), u64::from_be_bytes(*parent_id))),
        _ => None,
    }
}

/// Returns the left-most error in the IDs and the dashes after them. The caller has found that there is one.
#[cold]
const fn ids_fault(head: &[u8; TraceParent::LENGTH]) -> ParseError {
    if let Some(error) = id_fault(head, TRACE_ID, TRACE_ID_END, Field::TraceId) {
        return error;
    }
    if head[TRACE_ID_END] != b'-' {
        return ParseError::new(ErrorKind::MissingDash, Field::TraceId, TRACE_ID_END);
    }
    if let Some(error) = id_fault(head, PARENT_ID, PARENT_ID_END, Field::ParentId) {
        return error;
    }
    ParseError::new(ErrorKind::MissingDash, Field::ParentId, PARENT_ID_END)
}

/// Returns the error in the ID at these offsets, or `None` if it is valid.
const fn id_fault(head: &[u8; TraceParent::LENGTH], start: usize, end: usize, field: Field) -> Option<ParseError> {
    let mut is_zero = true;
    let mut i = start;
    while i < end {
        match hex::nibble(head[i]) {
            Some(nibble) => is_zero &= nibble == 0,
            None => return Some(hex::fault(head, i, end, field)),
        }
        i += 1;
    }
    if is_zero { Some(ParseError::new(ErrorKind::AllZero, field, start)) } else { None }
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
