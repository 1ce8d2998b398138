//! Eight bytes at once, as the lanes of one number. What is left over is for the caller, byte by byte.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = ONES << 7;
const HIGH_HALVES: u64 = ONES * 0xf0;

/// Returns the index of the first such byte, or the index from which the caller has to look on.
pub(crate) const fn find(bytes: &[u8], byte: u8) -> Result<usize, usize> {
    let (mut rest, mut i) = (bytes, 0);
    while let Some((chunk, tail)) = rest.split_first_chunk() {
        let differ = u64::from_le_bytes(*chunk) ^ (ONES * byte as u64);
        // The lowest bit that is set belongs to the first lane that is zero.
        let zeroes = differ.wrapping_sub(ONES) & !differ & HIGH_BITS;
        if zeroes != 0 {
            return Ok(i + zeroes.trailing_zeros() as usize / 8);
        }
        rest = tail;
        i += chunk.len();
    }
    Err(i)
}

/// Returns the length of a prefix that is printable. What follows it may be printable, too.
pub(crate) const fn printable_prefix(bytes: &[u8]) -> usize {
    let (mut rest, mut length) = (bytes, 0);
    while let Some((chunk, tail)) = rest.split_first_chunk() {
        let chunk = u64::from_le_bytes(*chunk);
        // The high bit is set by a byte below the space, by 0x7F, and by one that has it. A carry comes from such a byte.
        let (below, above) = (chunk.wrapping_sub(ONES * 0x20) & !chunk, chunk.wrapping_add(ONES) | chunk);
        if (below | above) & HIGH_BITS != 0 {
            break;
        }
        rest = tail;
        length += 8;
    }
    length
}

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

/// Returns the number of a prefix of 0, 8 or 16 decimal digits, and its length.
pub(crate) const fn decimal_prefix(digits: &[u8]) -> (u64, usize) {
    let (mut rest, mut number, mut length) = (digits, 0, 0);
    while let (0 | 8, Some((chunk, tail))) = (length, rest.split_first_chunk()) {
        let chunk = u64::from_le_bytes(*chunk);
        // Digits are 0x30..=0x39: 6 more do not reach 0x40.
        if chunk & HIGH_HALVES != ONES * 0x30 || chunk.wrapping_add(ONES * 6) & HIGH_HALVES != ONES * 0x30 {
            break;
        }
        // The first digit is in the lowest lane: ten times it and the next, then pairs, then fours.
        let pairs = (chunk & (ONES * 0x0f)).wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
        let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
        number = number * 100_000_000 + (fours.wrapping_mul(10_000 << 32 | 1) >> 32);
        rest = tail;
        length += 8;
    }
    (number, length)
}
