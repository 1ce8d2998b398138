//! The search for a byte, eight bytes at once.

/// The highest bit of each byte.
const HIGH: u64 = u64::from_le_bytes([0x80; 8]);

/// Sets the highest bit of each of eight ASCII bytes that equals a byte, and clears all other bits.
#[inline]
pub(crate) const fn marks(eight: u64, byte: u8) -> u64 {
    // Every difference is below 0x80, and 0x80 minus it keeps the highest bit only if it is zero.
    HIGH.wrapping_sub(eight ^ u64::from_le_bytes([byte; 8])) & HIGH
}

/// An iterator over the offsets of a byte in ASCII text, in order.
pub(crate) struct Offsets<'a> {
    byte: u8,
    /// The text that has not been read, and its offset.
    rest: &'a [u8],
    start: usize,
    /// The marks of the eight bytes before it that have not been returned.
    marks: u64,
}

impl<'a> Offsets<'a> {
    #[inline]
    pub(crate) const fn of(byte: u8, text: &'a [u8]) -> Self {
        Self { byte, rest: text, start: 0, marks: 0 }
    }
}

impl Iterator for Offsets<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.marks == 0 {
            let eight = match self.rest.split_first_chunk() {
                Some((eight, rest)) => {
                    self.rest = rest;
                    *eight
                }
                None if self.rest.is_empty() => return None,
                None => {
                    let mut eight = [0; 8];
                    eight.iter_mut().zip(core::mem::take(&mut self.rest)).for_each(|(to, byte)| *to = *byte);
                    eight
                }
            };
            self.start += 8;
            self.marks = marks(u64::from_le_bytes(eight), self.byte);
        }
        let offset = self.start - 8 + self.marks.trailing_zeros() as usize / 8;
        self.marks &= self.marks - 1;
        Some(offset)
    }
}
