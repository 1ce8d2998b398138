//! Lower-case hex of fixed length, in plain loops that the compiler vectorises.

use crate::error::{ErrorKind, Field, ParseError};

/// The value in [`NIBBLES`] of a byte that is not a lower-case hex digit.
const INVALID: u8 = 0xff;

const NIBBLES: [u8; 256] = {
    let mut table = [INVALID; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// Returns the value of two digits, or `None` if either is not a lower-case hex digit.
pub(crate) const fn byte(high: u8, low: u8) -> Option<u8> {
    let (high, low) = (NIBBLES[high as usize], NIBBLES[low as usize]);
    if high | low > 0x0f { None } else { Some(high << 4 | low) }
}

/// Returns the value of a digit, or `None` if it is not a lower-case hex digit.
pub(crate) const fn nibble(digit: u8) -> Option<u8> {
    match NIBBLES[digit as usize] {
        INVALID => None,
        value => Some(value),
    }
}

/// Decodes `D = 2 * N` digits, or returns `None` if any byte is not a lower-case hex digit.
///
/// There is no early exit, so the time does not depend on the digits.
#[inline]
pub(crate) const fn decode<const D: usize, const N: usize>(digits: &[u8; D]) -> Option<[u8; N]> {
    const { assert!(D == 2 * N) };
    let mut bytes = [0; N];
    let mut wrong = 0;
    let mut i = 0;
    while i < N {
        let pair = pair(digits, 2 * i);
        // '0'..='9' are 0x30..=0x39 and 'a'..='f' are 0x61..=0x66: they differ in bit 6.
        let nibbles = pair.wrapping_sub(0x3030).wrapping_sub((pair >> 6 & 0x0101) * 39);
        // Both must be below 16, and exactly those over 9, to which 6 adds bit 4, must have been letters.
        let letters = nibbles.wrapping_add(0x0606) ^ pair >> 2;
        wrong |= nibbles | letters & 0x1010;
        // The first digit is in the low half: 16 times it and the second digit add up in the high half.
        bytes[i] = (nibbles.wrapping_mul(0x1001) >> 8) as u8;
        i += 1;
    }
    if wrong & 0xf0f0 == 0 { Some(bytes) } else { None }
}

/// Returns two bytes as a number whose low half is the first.
const fn pair(bytes: &[u8], at: usize) -> u16 {
    // Read as an array: the compiler loads two indexed bytes one by one.
    match chunk(bytes, at) {
        Some(pair) => u16::from_le_bytes(*pair),
        None => 0,
    }
}

/// Returns the `N` bytes at an offset, or `None` if there are fewer.
const fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    match bytes.split_at_checked(at) {
        Some((_, rest)) => rest.first_chunk(),
        None => None,
    }
}

/// Encodes `N` bytes as `D = 2 * N` digits.
pub(crate) const fn encode<const N: usize, const D: usize>(bytes: &[u8; N]) -> [u8; D] {
    const { assert!(D == 2 * N) };
    let mut digits = [0; D];
    let mut i = 0;
    while i < N {
        let byte = bytes[i] as u16;
        // Two lanes, high nibble first in memory; a nibble over 9 gains the distance from '9' + 1 to 'a'.
        let nibbles = byte >> 4 | (byte & 0x0f) << 8;
        let letters = (nibbles + 0x0606) >> 4 & 0x0101;
        let pair = (nibbles + 0x3030 + letters * 39).to_le_bytes();
        digits[2 * i] = pair[0];
        digits[2 * i + 1] = pair[1];
        i += 1;
    }
    digits
}

/// Returns the error for the first byte in `value[start..end]` that is not a lower-case hex digit. The caller
/// has found that there is such a byte.
#[cold]
pub(crate) const fn fault(value: &[u8], start: usize, end: usize, field: Field) -> ParseError {
    let mut i = start;
    while i < end && i < value.len() {
        match value[i] {
            b'0'..=b'9' | b'a'..=b'f' => i += 1,
            b'A'..=b'F' => return ParseError::new(ErrorKind::UpperCase, field, i),
            _ => break,
        }
    }
    ParseError::new(ErrorKind::InvalidByte, field, i)
}

/// Decodes a value of exactly `D` lower-case hex digits. The length is checked first.
pub(crate) const fn exactly<const D: usize, const N: usize>(value: &[u8], field: Field) -> Result<[u8; N], ParseError> {
    let Some(digits) = value.first_chunk::<D>() else {
        return Err(ParseError::new(ErrorKind::TooShort, field, value.len()));
    };
    if value.len() > D {
        return Err(ParseError::new(ErrorKind::TooLong, field, D));
    }
    match decode(digits) {
        Some(bytes) => Ok(bytes),
        None => Err(fault(value, 0, D, field)),
    }
}
