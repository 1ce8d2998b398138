//! Decimal digits, eight at once.

use super::{HIGH_HALVES, ONES};

/// Eight digits of zero.
const ZEROES: u64 = ONES * 0x30;

/// The most digits that are read, and the number of digits that are written, with zeroes in front.
pub(crate) const DIGITS: usize = 24;

/// Returns the number of 1 to 24 decimal digits, or `None` if any byte is not one or their count is another.
#[inline]
pub(crate) const fn decimal(digits: &[u8]) -> Option<u128> {
    if digits.is_empty() || digits.len() > DIGITS {
        return None;
    }
    let (low, middle, high) = match digits.split_last_chunk() {
        Some((rest, low)) => match rest.split_last_chunk() {
            Some((rest, middle)) => (u64::from_le_bytes(*low), u64::from_le_bytes(*middle), first(digits, rest.len())),
            None => (u64::from_le_bytes(*low), first(digits, rest.len()), ZEROES),
        },
        None => (short(digits), ZEROES, ZEROES),
    };
    let (low, low_wrong) = decimal_word(low);
    let (middle, middle_wrong) = decimal_word(middle);
    let (high, high_wrong) = decimal_word(high);
    if (low_wrong | middle_wrong | high_wrong) & HIGH_HALVES != 0 {
        return None;
    }
    Some((middle * 100_000_000 + low) as u128 + high as u128 * 10_000_000_000_000_000)
}

/// Returns the first `count` digits, at most eight of eight or more, behind zeroes.
#[inline]
const fn first(digits: &[u8], count: usize) -> u64 {
    match digits.first_chunk() {
        Some(chunk) => match (u64::from_le_bytes(*chunk) ^ ZEROES).checked_shl(64 - 8 * count as u32) {
            Some(lanes) => lanes ^ ZEROES,
            None => ZEROES,
        },
        None => ZEROES,
    }
}

/// Returns fewer than eight digits, behind zeroes.
#[inline]
const fn short(digits: &[u8]) -> u64 {
    let (mut rest, mut lanes) = (digits, ZEROES);
    while let [digit, tail @ ..] = rest {
        lanes = lanes >> 8 | (*digit as u64) << 56;
        rest = tail;
    }
    lanes
}

/// Returns the number of eight decimal digits, and what is not zero in a high half if any byte is not one.
#[inline]
const fn decimal_word(digits: u64) -> (u64, u64) {
    let lanes = digits ^ ZEROES;
    // Over 9, 6 more reach 0x10.
    let wrong = lanes | lanes.wrapping_add(ONES * 6);
    // The first digit is in the lowest lane: ten times it and the next, then pairs, then fours.
    let pairs = lanes.wrapping_mul((10 << 8) + 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul((100 << 16) + 1) >> 16 & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul((10_000 << 32) + 1) >> 32, wrong)
}

/// Returns the digits of a number under 10<sup>8</sup>, the first one in the lowest lane, as numbers.
#[inline]
const fn decimal_lanes(number: u64) -> u64 {
    // Every lane is halved: the quotient stays, and the remainder goes above it: q + ((n - 10^k q) << w).
    let quotient = number / 10_000;
    let fours = (number << 32) - quotient * ((10_000 << 32) - 1);
    // A hundredth is 10486 / 2^20 for numbers of four digits, a tenth is 103 / 2^10 for those of two.
    let hundredths = (fours * 10_486) >> 20 & 0x0000_007f_0000_007f;
    let pairs = (fours << 16) - hundredths * ((100 << 16) - 1);
    let tenths = (pairs * 103) >> 10 & 0x000f_000f_000f_000f;
    (pairs << 8) - tenths * ((10 << 8) - 1)
}

/// Writes a number in decimal, and returns the number of zeroes in front of it.
#[inline]
pub(crate) const fn write_decimal(number: u64, digits: &mut [u8; DIGITS]) -> usize {
    let (rest, low) = (number / 100_000_000, decimal_lanes(number % 100_000_000));
    let (high, middle) = (decimal_lanes(rest / 100_000_000), decimal_lanes(rest % 100_000_000));
    let (mut rest, mut i): (&mut [u8], _) = (digits, 0);
    while let Some((chunk, tail)) = rest.split_first_chunk_mut() {
        *chunk = ([high, middle, low][i] + ZEROES).to_le_bytes();
        rest = tail;
        i += 1;
    }
    // Bits in front of the first digit that is not zero. The last digit counts in any case.
    let zeroes = if high != 0 {
        high.trailing_zeros()
    } else if middle != 0 {
        64 + middle.trailing_zeros()
    } else {
        128 + (low | 1 << 56).trailing_zeros()
    };
    zeroes as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_has_a_digit() {
        let mut digits = [0; DIGITS];
        let zeroes = write_decimal(0, &mut digits);
        assert_eq!(&digits[zeroes..], b"0");
    }
}
