//! The destinations of a list that is written.

use core::fmt;

/// A destination for ASCII text, in pieces.
pub(crate) trait Sink {
    fn put(&mut self, text: &[u8]) -> fmt::Result;
}

impl Sink for fmt::Formatter<'_> {
    fn put(&mut self, text: &[u8]) -> fmt::Result {
        self.write_str(core::str::from_utf8(text).unwrap_or_default())
    }
}

#[cfg(feature = "alloc")]
impl Sink for alloc::vec::Vec<u8> {
    fn put(&mut self, text: &[u8]) -> fmt::Result {
        self.extend_from_slice(text);
        Ok(())
    }
}

/// Counts characters instead of writing them.
pub(crate) struct Count(pub(crate) usize);

impl Sink for Count {
    fn put(&mut self, text: &[u8]) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// Writes what fits into a buffer, and counts everything.
pub(crate) struct Cursor<'b> {
    pub(crate) buffer: &'b mut [u8],
    pub(crate) length: usize,
}

impl Sink for Cursor<'_> {
    #[inline]
    fn put(&mut self, text: &[u8]) -> fmt::Result {
        let end = self.length + text.len();
        if let Some(room) = self.buffer.get_mut(self.length..end) {
            room.copy_from_slice(text);
        }
        self.length = end;
        Ok(())
    }
}
