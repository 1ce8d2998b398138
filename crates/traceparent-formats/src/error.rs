use core::fmt;

use traceparent::{ErrorKind, Field, ParseError};

use crate::format::Format;

/// The part of a format that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// The value as a whole.
    Value,
    /// The version that precedes the IDs.
    Version,
    /// The trace-id.
    TraceId,
    /// The ID of the caller's span: our parent.
    SpanId,
    /// The ID of the caller's parent, or what stands in its place.
    ParentSpanId,
    /// The sampling state: a decision, priority, flags or options.
    SamplingState,
    /// A `key=value` pair.
    Pair,
    /// The upper half of the trace-id in Datadog's tags.
    UpperTraceId,
    /// Datadog's tags as a whole.
    Tags,
    /// Datadog's origin.
    Origin,
}

impl Part {
    /// Returns the name of the part in prose, such as `trace-id`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Version => "version",
            Self::TraceId => "trace-id",
            Self::SpanId => "span-id",
            Self::ParentSpanId => "parent span-id",
            Self::SamplingState => "sampling state",
            Self::Pair => "pair",
            Self::UpperTraceId => "upper half of trace-id",
            Self::Tags => "tags",
            Self::Origin => "origin",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An error returned when parsing a context fails. It holds the format, the part, the rule and the byte.
///
/// The error is `Copy`, has a size of eight bytes, and holds no part of the input. No byte of a header reaches a log
/// through it.
///
/// ```
/// use traceparent::ErrorKind;
/// use traceparent_formats::{Format, Part, b3};
///
/// let error = b3::parse(b"4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-2").unwrap_err();
/// assert_eq!((error.format(), error.part()), (Format::B3, Part::SamplingState));
/// assert_eq!((error.kind(), error.offset()), (ErrorKind::InvalidByte, 50));
/// assert_eq!(error.to_string(), "b3: invalid byte in sampling state at offset 50");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FormatError {
    format: Format,
    part: Part,
    kind: ErrorKind,
    offset: u32,
}

impl FormatError {
    pub(crate) const fn new(format: Format, part: Part, kind: ErrorKind, offset: usize) -> Self {
        let offset = if offset > u32::MAX as usize { u32::MAX } else { offset as u32 };
        Self { format, part, kind, offset }
    }

    pub(crate) const fn from_core(error: ParseError) -> Self {
        let part = match error.field() {
            Field::Version => Part::Version,
            Field::TraceId => Part::TraceId,
            Field::ParentId => Part::SpanId,
            Field::TraceFlags => Part::SamplingState,
            _ => Part::Value,
        };
        Self::new(Format::TraceContext, part, error.kind(), error.offset())
    }

    /// Returns the format that was read.
    pub const fn format(self) -> Format {
        self.format
    }

    /// Returns the part that breaks the rule.
    pub const fn part(self) -> Part {
        self.part
    }

    /// Returns the rule that the input breaks.
    pub const fn kind(self) -> ErrorKind {
        self.kind
    }

    /// Returns the offset in bytes of the first byte that breaks the rule, or the field's length if it is too short.
    ///
    /// It counts from the start of the field that holds the part. The offset of a missing or repeated part is 0 unless it
    /// is part of a larger value.
    pub const fn offset(self) -> usize {
        self.offset as usize
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, part, kind, offset } = *self;
        write!(f, "{format}: ")?;
        match kind {
            ErrorKind::TooShort => write!(f, "{part} is too short: it ends at offset {offset}"),
            ErrorKind::TooLong => write!(f, "{part} is too long: it has to end before offset {offset}"),
            ErrorKind::Empty => write!(f, "{part} is empty at offset {offset}"),
            ErrorKind::InvalidByte => write!(f, "invalid byte in {part} at offset {offset}"),
            ErrorKind::UpperCase => write!(f, "upper-case letter in {part} at offset {offset}"),
            ErrorKind::MissingDash => write!(f, "dash expected in {part} at offset {offset}"),
            ErrorKind::MissingEquals => write!(f, "{part} without an equals sign at offset {offset}"),
            ErrorKind::AllZero => write!(f, "{part} is all zeroes"),
            ErrorKind::ForbiddenVersion => write!(f, "unsupported version at offset {offset}"),
            ErrorKind::Repeated => write!(f, "{part} is repeated"),
            ErrorKind::Missing => write!(f, "{part} is missing"),
            ErrorKind::OutOfRange => write!(f, "{part} is out of range"),
            other => write!(f, "{part} is refused: {other}"),
        }
    }
}

impl core::error::Error for FormatError {}
