use core::fmt;

use crate::words::{self, DIGITS};

/// A value that was written into `N` bytes on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Encoded<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Encoded<N> {
    pub(crate) const EMPTY: Self = Self { bytes: [0; N], length: 0 };

    /// Appends ASCII bytes as far as there is room.
    pub(crate) const fn push(&mut self, ascii: &[u8]) {
        let mut i = 0;
        while i < ascii.len() && self.length < N {
            self.bytes[self.length] = ascii[i];
            self.length += 1;
            i += 1;
        }
    }

    /// Appends a number in decimal.
    pub(crate) const fn push_decimal(&mut self, number: u64) {
        let mut digits = [0; DIGITS];
        let zeroes = words::write_decimal(number, &mut digits);
        if let Some((_, digits)) = digits.split_at_checked(zeroes) {
            self.push(digits);
        }
    }

    /// Returns the value as bytes, all of them ASCII.
    pub const fn as_bytes(&self) -> &[u8] {
        match self.bytes.split_at_checked(self.length) {
            Some((value, _)) => value,
            None => &self.bytes,
        }
    }

    /// Returns the value as text.
    pub const fn as_str(&self) -> &str {
        match core::str::from_utf8(self.as_bytes()) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}

impl<const N: usize> AsRef<str> for Encoded<N> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> fmt::Display for Encoded<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Encoded<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoded({:?})", self.as_str())
    }
}
