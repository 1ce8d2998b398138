//! Lower-case hex of fixed length, in loops that the compiler vectorises.
//!
//! It does so only while a loop stands alone: inlined into a parser, the loops are unrolled first, and
//! parsing takes twice the instructions. Hence `inline(never)`.

use crate::error::{ErrorKind, Field, ParseError};

/// Marks a byte that is no lower-case hex digit in [`NIBBLES`].
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

/// Returns the two digits' value, or `None` when either is no lower-case hex digit.
pub(crate) const fn byte(high: u8, low: u8) -> Option<u8> {
    let (high, low) = (NIBBLES[high as usize], NIBBLES[low as usize]);
    if high | low > 0x0f { None } else { Some(high << 4 | low) }
}

/// Returns the digit's value, or `None` when it is no lower-case hex digit.
pub(crate) const fn nibble(digit: u8) -> Option<u8> {
    match NIBBLES[digit as usize] {
        INVALID => None,
        value => Some(value),
    }
}

/// Whether every byte is a lower-case hex digit. No early exit: 48 bytes take no branch.
#[inline(never)]
pub(crate) const fn is_hex<const N: usize>(digits: &[u8; N]) -> bool {
    let mut invalid = false;
    let mut i = 0;
    while i < N {
        let digit = digits[i];
        invalid |= !((digit.wrapping_sub(b'0') < 10) | (digit.wrapping_sub(b'a') < 6));
        i += 1;
    }
    !invalid
}

/// Decodes 32 digits that [`is_hex`] has accepted.
#[inline(never)]
pub(crate) const fn decode_u128(digits: &[u8; 32]) -> u128 {
    let mut nibbles = [0; 32];
    let mut i = 0;
    while i < 32 {
        // '0'..='9' are 0x30..=0x39, 'a'..='f' are 0x61..=0x66: bit 6 tells them apart.
        let digit = digits[i];
        nibbles[i] = (digit & 0x0f).wrapping_add((digit >> 6).wrapping_mul(9));
        i += 1;
    }
    let mut bytes = [0; 16];
    let mut i = 0;
    while i < 16 {
        bytes[i] = nibbles[2 * i] << 4 | nibbles[2 * i + 1];
        i += 1;
    }
    u128::from_be_bytes(bytes)
}

/// Decodes 16 digits that [`is_hex`] has accepted.
pub(crate) const fn decode_u64(digits: &[u8; 16]) -> u64 {
    let digits = u128::from_be_bytes(*digits);
    (decode_u32((digits >> 64) as u64) as u64) << 32 | decode_u32(digits as u64) as u64
}

/// Decodes eight digits, the first in the most significant byte.
const fn decode_u32(digits: u64) -> u32 {
    let letters = digits >> 6 & 0x0101_0101_0101_0101;
    // Eight nibbles, one a byte; then neighbours are pushed together three times.
    let word = (digits & 0x0f0f_0f0f_0f0f_0f0f).wrapping_add(letters.wrapping_mul(9));
    let word = (word | word >> 4) & 0x00ff_00ff_00ff_00ff;
    let word = (word | word >> 8) & 0x0000_ffff_0000_ffff;
    (word | word >> 16) as u32
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

/// Returns the error of the first byte in `value[start..end]` that is no lower-case hex digit.
#[cold]
pub(crate) const fn fault(value: &[u8], start: usize, end: usize, field: Field) -> Option<ParseError> {
    let mut i = start;
    while i < end && i < value.len() {
        match value[i] {
            b'0'..=b'9' | b'a'..=b'f' => i += 1,
            b'A'..=b'F' => return Some(ParseError::new(ErrorKind::UpperCase, field, i)),
            _ => return Some(ParseError::new(ErrorKind::InvalidByte, field, i)),
        }
    }
    None
}

/// Checks that `value` is exactly `N` lower-case hex digits: length first, then byte by byte.
pub(crate) const fn exactly<const N: usize>(value: &[u8], field: Field) -> Result<&[u8; N], ParseError> {
    match value.first_chunk() {
        None => Err(ParseError::new(ErrorKind::TooShort, field, value.len())),
        Some(_) if value.len() > N => Err(ParseError::new(ErrorKind::TooLong, field, N)),
        Some(digits) => match fault(value, 0, N, field) {
            Some(error) => Err(error),
            None => Ok(digits),
        },
    }
}
