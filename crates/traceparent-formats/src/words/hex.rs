//! Hex digits: eight at once, or 48 in a loop over pairs of them.

use super::{HIGH_HALVES, ONES};

/// Returns the number of 16 or 32 lower-case hex digits, or `None` if any byte is not one or their count is another.
#[inline]
pub(crate) const fn hex(digits: &[u8]) -> Option<u128> {
    match digits.split_first_chunk() {
        Some((low, [])) => match hex_half(low) {
            Some(low) => Some(low as u128),
            None => None,
        },
        Some((high, low)) if low.len() == high.len() => match (hex_half(high), low.first_chunk()) {
            (Some(high), Some(low)) => match hex_half(low) {
                Some(low) => Some((high as u128) << 64 | low as u128),
                None => None,
            },
            _ => None,
        },
        _ => None,
    }
}

#[inline]
const fn hex_half(digits: &[u8; 16]) -> Option<u64> {
    let (high, low) = split(u128::from_le_bytes(*digits));
    let (high, high_wrong) = hex_word(high);
    let (low, low_wrong) = hex_word(low);
    if high_wrong | low_wrong == 0 { Some((high as u64) << 32 | low as u64) } else { None }
}

/// Returns the first eight lanes and the last.
const fn split(lanes: u128) -> (u64, u64) {
    (lanes as u64, (lanes >> 64) as u64)
}

/// Returns the number of eight digits, and what is not zero if any byte is not a lower-case hex digit.
#[inline]
const fn hex_word(digits: u64) -> (u32, u64) {
    // '0'..='9' are 0x30..=0x39 and 'a'..='f' are 0x61..=0x66: they differ in bit 6.
    let nibbles = digits.wrapping_sub(ONES * 0x30).wrapping_sub((digits >> 6 & ONES) * 39);
    // All must be below 16, and exactly those over 9, to which 6 adds bit 4, must have been letters.
    let wrong = nibbles & HIGH_HALVES | (nibbles.wrapping_add(ONES * 6) ^ digits >> 2) & ONES << 4;
    // The first digit is in the lowest lane: pairs of lanes become bytes, and those one word.
    let bytes = (nibbles << 4 | nibbles >> 8) & 0x00ff_00ff_00ff_00ff;
    let halves = (bytes | bytes >> 8) & 0x0000_ffff_0000_ffff;
    (((halves | halves >> 16) as u32).swap_bytes(), wrong)
}

/// Decodes 48 lower-case hex digits, or returns `None` if any byte is not one. There is no early exit.
#[inline]
pub(crate) const fn hex_bytes(digits: &[u8; 48]) -> Option<[u8; 24]> {
    let mut bytes = [0; 24];
    let mut wrong = 0;
    let mut i = 0;
    while i < bytes.len() {
        let pair = pair(digits, 2 * i);
        let nibbles = pair.wrapping_sub(0x3030).wrapping_sub((pair >> 6 & 0x0101) * 39);
        wrong |= nibbles | (nibbles.wrapping_add(0x0606) ^ pair >> 2) & 0x1010;
        bytes[i] = (nibbles.wrapping_mul(0x1001) >> 8) as u8;
        i += 1;
    }
    if wrong & 0xf0f0 == 0 { Some(bytes) } else { None }
}

/// Returns two bytes as a number whose low half is the first.
const fn pair(bytes: &[u8], at: usize) -> u16 {
    // Read as an array: the compiler loads two indexed bytes one by one.
    match bytes.split_at_checked(at) {
        Some((_, rest)) => match rest.first_chunk() {
            Some(pair) => u16::from_le_bytes(*pair),
            None => 0,
        },
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of a lower-case digit.
    fn digit(byte: u8) -> Option<u128> {
        (!byte.is_ascii_uppercase()).then(|| char::from(byte).to_digit(16)).flatten().map(u128::from)
    }

    fn number(digits: &[u8]) -> Option<u128> {
        digits.iter().try_fold(0, |number, byte| Some(number << 4 | digit(*byte)?))
    }

    /// What is not taken here is looked at byte by byte, so that nothing else tells digits that are not taken.
    #[test]
    fn all_digits_are_taken_and_nothing_else() {
        let digits = b"0123456789abcdeffedcba98765432103c5a69f0e1d2b487";
        for place in 0..digits.len() {
            for byte in 0..=u8::MAX {
                let mut digits = *digits;
                digits[place] = byte;
                for length in 0..=digits.len() {
                    let expected = number(&digits[..length]).filter(|_| matches!(length, 16 | 32));
                    assert_eq!(hex(&digits[..length]), expected, "{byte} at {place} of {length}");
                }
                let bytes = hex_bytes(&digits);
                assert_eq!(bytes.is_some(), number(&digits).is_some(), "{byte} at {place}");
                for (byte, pair) in bytes.iter().flatten().zip(digits.chunks(2)) {
                    assert_eq!(Some(u128::from(*byte)), number(pair));
                }
            }
        }
    }
}
