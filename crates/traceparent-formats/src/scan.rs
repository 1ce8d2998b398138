//! Pieces of a value with their offsets, and the numbers in them.

use traceparent::{ErrorKind, ParseError, SpanId, TraceId};

use crate::words;

/// A rule that is broken at an offset. The caller knows the format and the part.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    pub(crate) offset: usize,
}

/// Returns the value of a result, or returns from the function with the error of a part.
macro_rules! part {
    ($format:expr, $part:expr, $result:expr) => {
        match $result {
            Ok(value) => value,
            Err(fault) => return Err($crate::error::FormatError::new($format, $part, fault.kind, fault.offset)),
        }
    };
}
pub(crate) use part;

#[derive(Clone, Copy)]
pub(crate) struct Piece<'a> {
    bytes: &'a [u8],
    start: usize,
}

impl<'a> Piece<'a> {
    pub(crate) const fn whole(bytes: &'a [u8]) -> Self {
        Self { bytes, start: 0 }
    }

    pub(crate) const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) const fn len(self) -> usize {
        self.bytes.len()
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the offset of the first byte.
    pub(crate) const fn start(self) -> usize {
        self.start
    }

    /// Returns the offset behind the last byte.
    pub(crate) const fn end(self) -> usize {
        self.start + self.bytes.len()
    }

    pub(crate) const fn is(self, other: &[u8]) -> bool {
        if self.len() != other.len() {
            return false;
        }
        let mut i = 0;
        while i < other.len() {
            if self.bytes[i] != other[i] {
                return false;
            }
            i += 1;
        }
        true
    }

    /// Whether the piece is this lower-case word, in any case.
    pub(crate) const fn is_word(self, word: &str) -> bool {
        let word = word.as_bytes();
        if self.len() != word.len() {
            return false;
        }
        let mut i = 0;
        while i < word.len() {
            if self.bytes[i].to_ascii_lowercase() != word[i] {
                return false;
            }
            i += 1;
        }
        true
    }

    /// Returns the piece before an index and the one from it; all and nothing if the index is too large.
    pub(crate) const fn split_at(self, at: usize) -> (Self, Self) {
        match self.bytes.split_at_checked(at) {
            Some((head, tail)) => {
                (Self { bytes: head, start: self.start }, Self { bytes: tail, start: self.start + head.len() })
            }
            None => (self, Self { bytes: b"", start: self.end() }),
        }
    }

    pub(crate) const fn skip(self, count: usize) -> Self {
        self.split_at(count).1
    }

    /// Returns the index of the first such byte.
    pub(crate) const fn find(self, byte: u8) -> Option<usize> {
        let mut i = match words::find(self.bytes, byte) {
            Ok(at) => return Some(at),
            Err(tail) => tail,
        };
        while i < self.bytes.len() {
            if self.bytes[i] == byte {
                return Some(i);
            }
            i += 1;
        }
        None
    }

    /// Returns the piece before the first separator, and the one behind it if there is a separator.
    pub(crate) const fn cut(self, separator: u8) -> (Self, Option<Self>) {
        match self.find(separator) {
            Some(at) => {
                let (head, tail) = self.split_at(at);
                (head, Some(tail.skip(1)))
            }
            None => (self, None),
        }
    }

    pub(crate) const fn trim_spaces(self) -> Self {
        let Self { mut bytes, mut start } = self;
        while let [b' ', tail @ ..] = bytes {
            bytes = tail;
            start += 1;
        }
        while let [head @ .., b' '] = bytes {
            bytes = head;
        }
        Self { bytes, start }
    }

    pub(crate) const fn fault<T>(self, kind: ErrorKind, index: usize) -> Result<T, Fault> {
        Err(Fault { kind, offset: self.start + index })
    }

    const fn moved<T>(self, error: ParseError) -> Result<T, Fault> {
        self.fault(error.kind(), error.offset())
    }

    /// Parses 32 lower-case hex digits.
    pub(crate) const fn trace_id(self) -> Result<TraceId, Fault> {
        if let (TraceId::LENGTH, Some(number)) = (self.len(), words::hex(self.bytes)) {
            if let Some(id) = TraceId::from_u128(number) {
                return Ok(id);
            }
        }
        match TraceId::parse(self.bytes) {
            Ok(id) => Ok(id),
            Err(error) => self.moved(error),
        }
    }

    /// Parses 16 lower-case hex digits.
    pub(crate) const fn span_id(self) -> Result<SpanId, Fault> {
        if let (SpanId::LENGTH, Some(number)) = (self.len(), words::hex(self.bytes)) {
            if let Some(id) = SpanId::from_u64(number as u64) {
                return Ok(id);
            }
        }
        match SpanId::parse(self.bytes) {
            Ok(id) => Ok(id),
            Err(error) => self.moved(error),
        }
    }

    /// Parses 16 or 32 lower-case hex digits; the flag is set for 16.
    pub(crate) const fn trace_id_of_either_width(self) -> Result<(TraceId, bool), Fault> {
        if self.is_empty() {
            return self.fault(ErrorKind::Empty, 0);
        }
        if self.len() != SpanId::LENGTH {
            return match self.trace_id() {
                Ok(id) => Ok((id, false)),
                Err(fault) => Err(fault),
            };
        }
        let low = match self.span_id() {
            Ok(id) => id.to_u64(),
            Err(fault) => return Err(fault),
        };
        match TraceId::from_u128(low as u128) {
            Some(id) => Ok((id, true)),
            None => self.fault(ErrorKind::AllZero, 0),
        }
    }

    /// Checks that there are at least one byte and at most `most` bytes.
    pub(crate) const fn sized(self, most: usize) -> Result<(), Fault> {
        if self.is_empty() {
            self.fault(ErrorKind::Empty, 0)
        } else if self.len() > most {
            self.fault(ErrorKind::TooLong, most)
        } else {
            Ok(())
        }
    }

    /// Parses 1 to `most` (at most 32) hex digits of either case.
    pub(crate) const fn any_hex(self, most: usize) -> Result<u128, Fault> {
        if let Err(fault) = self.sized(most) {
            return Err(fault);
        }
        // Nearly all IDs are of full width and in lower case.
        if let Some(number) = words::hex(self.bytes) {
            return Ok(number);
        }
        let mut number = 0;
        let mut i = 0;
        while i < self.bytes.len() {
            let digit = match self.bytes[i] {
                digit @ b'0'..=b'9' => digit - b'0',
                letter @ b'a'..=b'f' => letter - b'a' + 10,
                letter @ b'A'..=b'F' => letter - b'A' + 10,
                _ => return self.fault(ErrorKind::InvalidByte, i),
            };
            number = number << 4 | digit as u128;
            i += 1;
        }
        Ok(number)
    }

    /// Parses 1 to `digits` (at most 20) decimal digits whose number is at most `most`.
    pub(crate) const fn decimal(self, digits: usize, most: u64) -> Result<u64, Fault> {
        if let Err(fault) = self.sized(digits) {
            return Err(fault);
        }
        match words::decimal(self.bytes) {
            Some(number) if number <= most as u128 => Ok(number as u64),
            Some(_) => self.fault(ErrorKind::OutOfRange, 0),
            None => {
                let mut i = 0;
                while i < self.bytes.len() && self.bytes[i].is_ascii_digit() {
                    i += 1;
                }
                self.fault(ErrorKind::InvalidByte, i)
            }
        }
    }
}

/// Whether a byte is a printable ASCII character or a space.
pub(crate) const fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}
