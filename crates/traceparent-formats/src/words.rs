//! Eight bytes at once, as the lanes of one number. What is left over is for the caller, byte by byte.

mod decimal;
mod hex;

pub(crate) use self::{
    decimal::{DIGITS, decimal, write_decimal},
    hex::{hex, hex_bytes},
};

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
