//! The grammar of a `tracestate` list. Each rule is quoted above the function that checks it.

use crate::error::{ErrorKind, Field, ParseError};

pub(crate) const MAX_MEMBERS: usize = 32;
pub(crate) const MAX_KEY: usize = 256;
pub(crate) const MAX_VALUE: usize = 256;

/// `lcalpha / DIGIT`
const KEY_FIRST: u8 = 1;
/// `lcalpha / DIGIT / "_" / "-" / "*" / "/" / "@"`
const KEY: u8 = 2;
/// `0x20 / nblkchr`: `%x20-7E` without `,` and `=`
const VALUE: u8 = 4;
/// `SP / HTAB`
const OWS: u8 = 8;
/// `OWS "," OWS`
const SEPARATOR: u8 = 16;

const CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut class = 0;
        if matches!(byte as u8, b'a'..=b'z' | b'0'..=b'9') {
            class |= KEY_FIRST;
        }
        if matches!(byte as u8, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@') {
            class |= KEY;
        }
        if matches!(byte as u8, b' '..=b'~') && !matches!(byte as u8, b',' | b'=') {
            class |= VALUE;
        }
        if matches!(byte as u8, b' ' | b'\t') {
            class |= OWS;
        }
        if matches!(byte as u8, b' ' | b'\t' | b',') {
            class |= SEPARATOR;
        }
        table[byte] = class;
        byte += 1;
    }
    table
};

const fn is(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

/// Returns the byte at an offset, or 0, which no rule allows, at the end of the input.
const fn at(bytes: &[u8], offset: usize) -> u8 {
    if offset < bytes.len() { bytes[offset] } else { 0 }
}

/// Returns the number of bytes, of eight, before the first that is not in the class.
#[inline]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "by value, it is shifted through a register")]
const fn leading(eight: &[u8; 8], class: u8) -> usize {
    let mut n = 0;
    while n < eight.len() && is(eight[n], class) {
        n += 1;
    }
    n
}

/// Returns the first offset at or after `start` whose byte is not in the class.
#[inline]
const fn run(bytes: &[u8], start: usize, class: u8) -> usize {
    let Some((_, mut rest)) = bytes.split_at_checked(start) else {
        return start;
    };
    let mut i = start;
    // Eight bytes without a check for the end in between, and the last ones one by one.
    while let Some((eight, after)) = rest.split_first_chunk() {
        let n = leading(eight, class);
        i += n;
        if n < eight.len() {
            return i;
        }
        rest = after;
    }
    while let [byte, after @ ..] = rest {
        if !is(*byte, class) {
            return i;
        }
        i += 1;
        rest = after;
    }
    i
}

/// Whether sixteen bytes are all in the class `VALUE`. The compiler vectorises these comparisons, but not a table.
#[inline]
const fn are_value(bytes: &[u8; 16]) -> bool {
    let mut others = false;
    let mut i = 0;
    while i < bytes.len() {
        others |= !matches!(bytes[i], b' '..=b'~') | matches!(bytes[i], b',' | b'=');
        i += 1;
    }
    !others
}

/// Returns the same as [`run`] for the class `VALUE`. It checks sixteen bytes at once and then eight one by one, in
/// which many values end.
#[inline]
const fn run_of_value(bytes: &[u8], start: usize) -> usize {
    let Some((_, mut rest)) = bytes.split_at_checked(start) else {
        return start;
    };
    let mut i = start;
    while let Some((sixteen, after)) = rest.split_first_chunk() {
        if !are_value(sixteen) {
            break;
        }
        i += sixteen.len();
        rest = after;
        if let Some((eight, after)) = rest.split_first_chunk() {
            let n = leading(eight, VALUE);
            i += n;
            if n < eight.len() {
                return i;
            }
            rest = after;
        }
    }
    run(bytes, i, VALUE)
}

/// Returns the first offset at or after `start` whose byte is not white space. This is `start` in most lists.
const fn skip_ows(bytes: &[u8], start: usize) -> usize {
    let mut i = start;
    while is(at(bytes, i), OWS) {
        i += 1;
    }
    i
}

/// Checks the key at `start`, and returns the offset after it.
///
/// ```abnf
/// key = ( lcalpha / DIGIT ) 0*255 ( keychar )
/// keychar = lcalpha / DIGIT / "_" / "-"/ "*" / "/" / "@"
/// ```
const fn key(bytes: &[u8], start: usize) -> Result<usize, ParseError> {
    if start >= bytes.len() || matches!(at(bytes, start), b'=' | b',') {
        return Err(ParseError::new(ErrorKind::Empty, Field::Key, start));
    }
    if !is(at(bytes, start), KEY_FIRST) {
        return Err(invalid(at(bytes, start), Field::Key, start));
    }
    let end = run(bytes, start, KEY);
    if end - start > MAX_KEY {
        return Err(ParseError::new(ErrorKind::TooLong, Field::Key, start + MAX_KEY));
    }
    Ok(end)
}

const fn invalid(byte: u8, field: Field, offset: usize) -> ParseError {
    let kind = if byte.is_ascii_uppercase() { ErrorKind::UpperCase } else { ErrorKind::InvalidByte };
    ParseError::new(kind, field, offset)
}

/// Checks the value at `start`, and returns the offset of the comma after it, or of the end. White space
/// before the comma is not part of the value.
///
/// ```abnf
/// value    = 0*255(chr) nblk-chr
/// nblk-chr = %x21-2B / %x2D-3C / %x3E-7E
/// chr      = %x20 / nblk-chr
/// ```
const fn value(bytes: &[u8], start: usize) -> Result<usize, ParseError> {
    let run = run(bytes, start, VALUE);
    let end = if run - start > MAX_VALUE { start + MAX_VALUE } else { run };
    let comma = skip_ows(bytes, end);
    if comma < bytes.len() && at(bytes, comma) != b',' {
        let kind = if end < run { ErrorKind::TooLong } else { ErrorKind::InvalidByte };
        return Err(ParseError::new(kind, Field::Value, end));
    }
    // The checks so far accept a value of spaces only.
    if skip_ows(bytes, start) >= end {
        return Err(ParseError::new(ErrorKind::Empty, Field::Value, start));
    }
    Ok(comma)
}

/// The properties of a list by which its users choose how to read it.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) members: u8,
    /// Whether a member has the key `ot`.
    pub(crate) has_ot: bool,
    /// Whether a single comma, and nothing else, separates the members.
    pub(crate) tidy: bool,
}

impl Shape {
    pub(crate) const EMPTY: Self = Self { members: 0, has_ot: false, tidy: true };
}

/// Checks a list that follows a list of the shape `before`, and returns the shape of both.
///
/// Each byte is read a bounded number of times. At most fifteen bytes are read after the key or value with the first
/// error.
///
/// ```abnf
/// list        = list-member 0*31( OWS "," OWS list-member )
/// list-member = key "=" value
/// list-member = OWS
/// ```
pub(crate) const fn list(bytes: &[u8], before: Shape) -> Result<Shape, ParseError> {
    let mut shape = before;
    let mut i = 0;
    loop {
        while is(at(bytes, i), SEPARATOR) {
            shape.tidy = false;
            i += 1;
        }
        if i >= bytes.len() {
            // After a comma at the end of the list, `i` is at the end of the input; after a member, it is past it.
            shape.tidy &= i > bytes.len() || bytes.is_empty();
            return Ok(shape);
        }
        if shape.members as usize == MAX_MEMBERS {
            return Err(ParseError::new(ErrorKind::TooManyMembers, Field::TraceState, i));
        }
        shape.members += 1;
        shape.has_ot |= at(bytes, i) == b'o' && at(bytes, i + 1) == b't' && at(bytes, i + 2) == b'=';
        let comma = match plain_member(bytes, i) {
            Some(comma) => comma,
            None => match member(bytes, i) {
                Ok(comma) => {
                    shape.tidy = false;
                    comma
                }
                Err(error) => return Err(error),
            },
        };
        i = comma + 1;
    }
}

/// Checks the member at an offset, and returns the offset of the comma after it, or of the end. Returns `None` for
/// a member that is invalid or has white space around its value.
#[inline]
const fn plain_member(bytes: &[u8], start: usize) -> Option<usize> {
    let equals = run(bytes, start, KEY);
    let value = equals + 1;
    if !is(at(bytes, start), KEY_FIRST) || at(bytes, equals) != b'=' || is(at(bytes, value), SEPARATOR) {
        return None;
    }
    let end = run_of_value(bytes, value);
    if end == value || end < bytes.len() && bytes[end] != b',' || at(bytes, end - 1) == b' ' {
        return None;
    }
    if equals - start <= MAX_KEY && end - value <= MAX_VALUE { Some(end) } else { None }
}

/// Checks the member at an offset, and returns the offset of the comma after it, or of the end.
#[cold]
const fn member(bytes: &[u8], start: usize) -> Result<usize, ParseError> {
    let equals = match key(bytes, start) {
        Ok(end) => end,
        Err(error) => return Err(error),
    };
    if equals >= bytes.len() || at(bytes, equals) == b',' {
        return Err(ParseError::new(ErrorKind::MissingEquals, Field::Key, equals));
    }
    if at(bytes, equals) != b'=' {
        return Err(invalid(at(bytes, equals), Field::Key, equals));
    }
    value(bytes, equals + 1)
}

/// Checks a key by itself.
pub(crate) const fn whole_key(bytes: &[u8]) -> Result<(), ParseError> {
    match key(bytes, 0) {
        Ok(end) if end == bytes.len() => Ok(()),
        Ok(end) => Err(invalid(at(bytes, end), Field::Key, end)),
        Err(error) => Err(error),
    }
}

/// Checks a value by itself. White space at its end is an error, because a parser of the list would remove it.
pub(crate) const fn whole_value(bytes: &[u8]) -> Result<(), ParseError> {
    match value(bytes, 0) {
        Ok(end) if end < bytes.len() => Err(ParseError::new(ErrorKind::InvalidByte, Field::Value, end)),
        Ok(end) if is(at(bytes, end - 1), OWS) => Err(ParseError::new(ErrorKind::InvalidByte, Field::Value, end - 1)),
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}
