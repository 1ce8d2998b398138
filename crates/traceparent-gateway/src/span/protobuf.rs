//! The wire format of Protocol Buffers, as far as spans need it.
//!
//! [Protocol Buffers: encoding](https://protobuf.dev/programming-guides/encoding/)

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

/// Adds an integer of 1 to 10 bytes.
#[inline]
fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Returns the number of bytes of an integer.
const fn varint_length(value: u64) -> usize {
    // Most are small, and the division is slow.
    if value < 0x80 { 1 } else { (70 - value.leading_zeros() as usize) / 7 }
}

/// Returns the number of bytes of a field with a number below 16 and a value of this length.
pub(crate) const fn field_length(length: usize) -> usize {
    1 + varint_length(length as u64) + length
}

/// Returns the number of bytes of a field with a number below 16 and this integer.
pub(crate) const fn integer_length(value: u64) -> usize {
    1 + varint_length(value)
}

/// Adds the beginning of a field whose value has this length.
#[inline]
pub(crate) fn push_length(out: &mut Vec<u8>, field: u64, length: usize) {
    if field < 16 && length < 0x80 {
        out.extend_from_slice(&[(field << 3 | LENGTH) as u8, length as u8]);
    } else {
        push_long(out, field, length);
    }
}

/// Adds the beginning of a field that takes more than two bytes.
#[cold]
fn push_long(out: &mut Vec<u8>, field: u64, length: usize) {
    push_varint(out, field << 3 | LENGTH);
    push_varint(out, length as u64);
}

/// Adds a field of bytes, a text or a message.
#[inline]
pub(crate) fn push_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    push_length(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

/// Adds a field of bytes or a text, unless it is empty.
#[inline]
pub(crate) fn push_some(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    if !bytes.is_empty() {
        push_bytes(out, field, bytes);
    }
}

/// Adds a field of a number of variable length.
#[inline]
pub(crate) fn push_integer(out: &mut Vec<u8>, field: u64, value: u64) {
    push_varint(out, field << 3 | VARINT);
    push_varint(out, value);
}

/// Adds a field of a number of variable length, unless it is zero.
#[inline]
pub(crate) fn push_nonzero(out: &mut Vec<u8>, field: u64, value: u64) {
    if value > 0 {
        push_integer(out, field, value);
    }
}

/// Adds a field of a number of 64 bits.
#[inline]
pub(crate) fn push_fixed64(out: &mut Vec<u8>, field: u64, value: u64) {
    push_varint(out, field << 3 | FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Adds a field of a number of 32 bits.
#[inline]
pub(crate) fn push_fixed32(out: &mut Vec<u8>, field: u64, value: u32) {
    push_varint(out, field << 3 | FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    Integer(u64),
    Bytes(&'a [u8]),
}

/// An iterator over the fields of a message that has only these two kinds of values. It ends at anything else.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(first & 0x7f) << shift;
            if *first < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Field<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.varint()?;
        let value = self.varint()?;
        let field = match key & 7 {
            VARINT => Field::Integer(value),
            LENGTH => {
                let (bytes, rest) = self.0.split_at_checked(usize::try_from(value).ok()?)?;
                self.0 = rest;
                Field::Bytes(bytes)
            }
            _ => return None,
        };
        Some((key >> 3, field))
    }
}

/// Returns an iterator over the texts and messages in a message.
pub(crate) fn messages(fields: &[u8]) -> impl Iterator<Item = &[u8]> {
    Fields(fields).filter_map(|(_, field)| match field {
        Field::Bytes(bytes) => Some(bytes),
        Field::Integer(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_those_of_prost() {
        for bit in 0..64 {
            for value in [(1_u64 << bit) - 1, 1 << bit, u64::MAX - bit] {
                let (mut ours, mut theirs) = (Vec::new(), Vec::new());
                push_integer(&mut ours, 3, value);
                prost::encoding::uint64::encode(3, &value, &mut theirs);
                assert_eq!(ours, theirs);
                assert_eq!(ours.len(), integer_length(value));
                assert_eq!(Fields(&ours).next(), Some((3, Field::Integer(value))));
            }
        }
    }

    #[test]
    fn lengths_are_counted() {
        for length in [0, 1, 127, 128, 16_383, 16_384] {
            let mut field = Vec::new();
            push_bytes(&mut field, 15, &vec![7; length]);
            assert_eq!(field.len(), field_length(length));
            assert_eq!(Fields(&field).next(), Some((15, Field::Bytes(&vec![7; length]))));
        }
    }

    #[test]
    fn broken_messages_end() {
        for broken in
            [&b""[..], b"\x0a", b"\x0a\x02a", b"\x0d\0\0\0\0", b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"]
        {
            assert_eq!(Fields(broken).next(), None, "{broken:?}");
        }
    }
}
