use core::fmt;

/// The part of the input that broke a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The `traceparent` value as a whole.
    TraceParent,
    /// The version, bytes 0 and 1 of `traceparent`.
    Version,
    /// The trace-id, bytes 3 to 34 of `traceparent`.
    TraceId,
    /// The parent-id, bytes 36 to 51 of `traceparent`.
    ParentId,
    /// The trace-flags, bytes 53 and 54 of `traceparent`.
    TraceFlags,
    /// A span-id that is parsed by itself.
    SpanId,
    /// The `tracestate` list as a whole.
    TraceState,
    /// The key of a `tracestate` list-member.
    Key,
    /// The value of a `tracestate` list-member.
    Value,
    /// A sampling threshold, the `th` sub-key of the `ot` member.
    Threshold,
    /// An explicit randomness value, the `rv` sub-key of the `ot` member.
    Randomness,
    /// The value of the `ot` list-member.
    Ot,
    /// A percentage.
    Percent,
    /// The child-id of a response context.
    ChildId,
    /// A `Server-Timing` field.
    ServerTiming,
}

impl Field {
    /// Returns the specification's name for the field, such as `trace-id`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TraceParent => "traceparent",
            Self::Version => "version",
            Self::TraceId => "trace-id",
            Self::ParentId => "parent-id",
            Self::TraceFlags => "trace-flags",
            Self::SpanId => "span-id",
            Self::TraceState => "tracestate",
            Self::Key => "tracestate key",
            Self::Value => "tracestate value",
            Self::Threshold => "threshold",
            Self::Randomness => "randomness",
            Self::Ot => "ot member",
            Self::Percent => "percentage",
            Self::ChildId => "child-id",
            Self::ServerTiming => "server-timing",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The rule that the input breaks.
///
/// ```
/// use traceparent::{ErrorKind, TraceParent};
///
/// let kind = |value: &[u8]| TraceParent::parse(value).map_err(|error| error.kind());
/// assert_eq!(kind(b"00-4bf92f35"), Err(ErrorKind::TooShort));
/// assert_eq!(kind(b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"), Err(ErrorKind::UpperCase));
/// assert_eq!(kind(b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"), Err(ErrorKind::AllZero));
///
/// // The name is a label for metrics: there are few of them, and they do not change.
/// assert_eq!(ErrorKind::AllZero.as_str(), "all_zero");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input ends before the field is complete.
    TooShort,
    /// The input is longer than the field may be.
    TooLong,
    /// The field is empty and needs at least one byte.
    Empty,
    /// A required part is absent.
    Missing,
    /// A byte that the field's grammar does not allow.
    InvalidByte,
    /// An upper-case letter; hex digits and keys are lower case only.
    UpperCase,
    /// The field is not followed by the dash that ends it.
    MissingDash,
    /// The key is not followed by `=`.
    MissingEquals,
    /// The ID is all zeroes, which the specification calls invalid.
    AllZero,
    /// Version `ff`, which the specification forbids.
    ForbiddenVersion,
    /// A second field, member or sub-key where only one is allowed.
    Repeated,
    /// More list-members than the 32 allowed.
    TooManyMembers,
    /// A number outside of the field's range.
    OutOfRange,
}

impl ErrorKind {
    /// Returns a short, stable name for the labels of metrics, such as `invalid_byte`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::Empty => "empty",
            Self::Missing => "missing",
            Self::InvalidByte => "invalid_byte",
            Self::UpperCase => "upper_case",
            Self::MissingDash => "missing_dash",
            Self::MissingEquals => "missing_equals",
            Self::AllZero => "all_zero",
            Self::ForbiddenVersion => "forbidden_version",
            Self::Repeated => "repeated",
            Self::TooManyMembers => "too_many_members",
            Self::OutOfRange => "out_of_range",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An error returned when parsing fails. It holds the field, the rule and the byte.
///
/// The error is `Copy`, has a size of eight bytes, and holds no part of the input. Headers are untrusted, and
/// none of their bytes reaches a log through this error.
///
/// ```
/// use traceparent::{ErrorKind, Field, TraceParent};
///
/// let error = TraceParent::parse(b"00-4bf92f3577b34da6a3ce929d0e0e473G-00f067aa0ba902b7-01").unwrap_err();
/// assert_eq!(error.field(), Field::TraceId);
/// assert_eq!(error.kind(), ErrorKind::InvalidByte);
/// assert_eq!(error.offset(), 34);
/// assert_eq!(error.to_string(), "invalid byte in trace-id at offset 34");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ParseError {
    kind: ErrorKind,
    field: Field,
    offset: u32,
}

impl ParseError {
    pub(crate) const fn new(kind: ErrorKind, field: Field, offset: usize) -> Self {
        let offset = if offset > u32::MAX as usize { u32::MAX } else { offset as u32 };
        Self { kind, field, offset }
    }

    /// Returns the rule that the input breaks.
    pub const fn kind(self) -> ErrorKind {
        self.kind
    }

    /// Returns the field that breaks it.
    pub const fn field(self) -> Field {
        self.field
    }

    /// Returns the offset in bytes, starting at 0, of the first byte that breaks the rule.
    ///
    /// The offset is the input's length if the input is too short. It counts from the start of the joined list
    /// if several `tracestate` fields are read. Offsets of 4 GiB and more are reported as `u32::MAX`.
    pub const fn offset(self) -> usize {
        self.offset as usize
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, field, offset } = *self;
        match kind {
            ErrorKind::TooShort => write!(f, "{field} is too short: it ends at offset {offset}"),
            ErrorKind::TooLong => write!(f, "{field} is too long: it has to end before offset {offset}"),
            ErrorKind::Empty => write!(f, "{field} is empty at offset {offset}"),
            ErrorKind::Missing => write!(f, "{field} is missing"),
            ErrorKind::InvalidByte => write!(f, "invalid byte in {field} at offset {offset}"),
            ErrorKind::UpperCase => write!(f, "upper-case letter in {field} at offset {offset}"),
            ErrorKind::MissingDash => write!(f, "{field} is not followed by a dash at offset {offset}"),
            ErrorKind::MissingEquals => write!(f, "{field} is not followed by an equals sign at offset {offset}"),
            ErrorKind::AllZero => write!(f, "{field} is all zeroes"),
            ErrorKind::ForbiddenVersion => f.write_str("version ff is forbidden"),
            ErrorKind::Repeated => write!(f, "{field} is repeated"),
            ErrorKind::TooManyMembers => write!(f, "{field} has more than 32 members at offset {offset}"),
            ErrorKind::OutOfRange => write!(f, "{field} is out of range"),
        }
    }
}

impl core::error::Error for ParseError {}

/// The error returned when a caller's buffer is too small. The content of the buffer is then unspecified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferTooSmall {
    needed: usize,
}

impl BufferTooSmall {
    pub(crate) const fn new(needed: usize) -> Self {
        Self { needed }
    }

    /// Returns the length in bytes that the buffer must have.
    pub const fn needed(self) -> usize {
        self.needed
    }
}

impl fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the buffer is too small: {} bytes are needed", self.needed)
    }
}

impl core::error::Error for BufferTooSmall {}

/// The error returned when several `tracestate` fields cannot be joined in a caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a list is invalid or does not fit; there is no third way to fail")]
pub enum FieldsError {
    /// The fields are not a valid list.
    Invalid(ParseError),
    /// The list is valid and does not fit the buffer.
    BufferTooSmall(BufferTooSmall),
}

impl From<ParseError> for FieldsError {
    fn from(error: ParseError) -> Self {
        Self::Invalid(error)
    }
}

impl From<BufferTooSmall> for FieldsError {
    fn from(error: BufferTooSmall) -> Self {
        Self::BufferTooSmall(error)
    }
}

impl fmt::Display for FieldsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => error.fmt(f),
            Self::BufferTooSmall(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for FieldsError {}
