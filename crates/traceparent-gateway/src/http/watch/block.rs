/// The largest number of entries of a dynamic table of 4096 bytes, each of which counts as at least 32.
const ENTRIES: u32 = 128;

/// The number of entries of the static table, and of those at its beginning that are pseudo-fields.
const STATIC_ENTRIES: u32 = 61;
const STATIC_PSEUDO: u32 = 14;

/// The first bits of `:` in the Huffman code.
const COLON: u8 = 0b1011_1000;

/// A reader of field blocks that finds pseudo-fields and decodes nothing else.
///
/// It follows the dynamic table by whether entries are pseudo-fields: an index counts from the entry that was inserted
/// last, so that it does not matter which ones have been evicted. Other errors are found by the library.
///
/// [RFC 7541, section 6](https://www.rfc-editor.org/rfc/rfc7541#section-6)
#[derive(Debug, Default)]
pub(super) struct BlockReader {
    /// A bit for each entry of the dynamic table, the last one first.
    table: u128,
    state: State,
    has_pseudo: bool,
}

/// What the next byte of a block is.
#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// The beginning of a representation.
    #[default]
    Representation,
    /// A further byte of an integer.
    Integer { kind: Integer, value: u32, shift: u32 },
    /// The beginning of the length of a name.
    NameLength { is_inserted: bool },
    /// The beginning of a name with this length.
    Name { is_inserted: bool, is_huffman: bool, length: u32 },
    /// The beginning of the length of a value.
    ValueLength,
    /// Bytes without meaning, and what follows them.
    Skip { length: u32, then: Then },
}

/// The meaning of an integer.
#[derive(Clone, Copy, Debug)]
enum Integer {
    /// The index of a field.
    Field,
    /// The index of a name, or 0 for one that follows.
    Name {
        is_inserted: bool,
    },
    TableSize,
    NameLength {
        is_inserted: bool,
        is_huffman: bool,
    },
    ValueLength,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    ValueLength,
    Representation,
}

impl BlockReader {
    /// Reads a part of a block.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            if let State::Skip { length, then } = self.state {
                let skipped = bytes.len().min(length as usize);
                bytes = bytes.get(skipped..).unwrap_or_default();
                self.skip(length.saturating_sub(u32::try_from(skipped).unwrap_or(length)), then);
            } else {
                self.push_byte(*first);
                bytes = rest;
            }
        }
    }

    /// Ends a block, and returns whether it had a pseudo-field.
    pub(super) fn end(&mut self) -> bool {
        self.state = State::Representation;
        std::mem::take(&mut self.has_pseudo)
    }

    fn push_byte(&mut self, byte: u8) {
        match self.state {
            State::Representation => match byte.leading_zeros() {
                0 => self.begin(Integer::Field, byte, 7),
                1 => self.begin(Integer::Name { is_inserted: true }, byte, 6),
                2 => self.begin(Integer::TableSize, byte, 5),
                _ => self.begin(Integer::Name { is_inserted: false }, byte, 4),
            },
            State::Integer { kind, value, shift } => {
                let value = value.saturating_add(u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(u32::MAX));
                if byte & 0x80 == 0 {
                    self.integer(kind, value);
                } else {
                    self.state = State::Integer { kind, value, shift: shift.saturating_add(7) };
                }
            }
            State::NameLength { is_inserted } => {
                self.begin(Integer::NameLength { is_inserted, is_huffman: byte & 0x80 != 0 }, byte, 7);
            }
            State::Name { is_inserted, is_huffman, length } => {
                let is_pseudo = if is_huffman { byte & 0xfe == COLON } else { byte == b':' };
                self.name(is_pseudo, is_inserted);
                self.skip(length.saturating_sub(1), Then::ValueLength);
            }
            State::ValueLength => self.begin(Integer::ValueLength, byte, 7),
            State::Skip { .. } => {}
        }
    }

    /// Begins an integer in the last bits of a byte.
    fn begin(&mut self, kind: Integer, byte: u8, bits: u32) {
        let most = (1_u8 << bits) - 1;
        match byte & most {
            value if value < most => self.integer(kind, value.into()),
            value => self.state = State::Integer { kind, value: value.into(), shift: 0 },
        }
    }

    fn integer(&mut self, kind: Integer, value: u32) {
        self.state = match (kind, value) {
            (Integer::Field, index) => {
                self.has_pseudo |= self.is_pseudo(index);
                State::Representation
            }
            (Integer::TableSize, _) => State::Representation,
            (Integer::Name { is_inserted }, 0) => State::NameLength { is_inserted },
            (Integer::Name { is_inserted }, index) => {
                self.name(self.is_pseudo(index), is_inserted);
                State::ValueLength
            }
            // A name without a byte is malformed, and no pseudo-field.
            (Integer::NameLength { is_inserted, .. }, 0) => {
                self.name(false, is_inserted);
                State::ValueLength
            }
            (Integer::NameLength { is_inserted, is_huffman }, length) => {
                State::Name { is_inserted, is_huffman, length }
            }
            (Integer::ValueLength, length) => return self.skip(length, Then::Representation),
        };
    }

    fn skip(&mut self, length: u32, then: Then) {
        self.state = match (length, then) {
            (0, Then::ValueLength) => State::ValueLength,
            (0, Then::Representation) => State::Representation,
            (length, then) => State::Skip { length, then },
        };
    }

    fn name(&mut self, is_pseudo: bool, is_inserted: bool) {
        self.has_pseudo |= is_pseudo;
        if is_inserted {
            self.table = self.table << 1 | u128::from(is_pseudo);
        }
    }

    fn is_pseudo(&self, index: u32) -> bool {
        match index.checked_sub(STATIC_ENTRIES + 1) {
            Some(entry) => entry < ENTRIES && self.table >> entry & 1 == 1,
            None => (1..=STATIC_PSEUDO).contains(&index),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a block in one piece, byte by byte, and in two pieces.
    fn read(before: &[&[u8]], block: &[u8]) -> bool {
        let read = |pieces: &[&[u8]]| {
            let mut reader = BlockReader::default();
            for before in before {
                reader.push(before);
                reader.end();
            }
            for piece in pieces {
                reader.push(piece);
            }
            reader.end()
        };
        let whole = read(&[block]);
        assert_eq!(read(&block.chunks(1).collect::<Vec<_>>()), whole, "{block:?}");
        for cut in 0..block.len() {
            let (one, other) = block.split_at(cut);
            assert_eq!(read(&[one, other]), whole, "{block:?} cut at {cut}");
        }
        whole
    }

    #[test]
    fn pseudo_fields_have_many_spellings() {
        for block in [
            b"\x82".as_slice(),
            b"\x8e",
            b"\x04\x02/b",
            b"\x44\x02/b",
            b"\x14\x02/b",
            b"\x00\x05:path\x02/b",
            b"\x40\x05:path\x02/b",
            // Huffman codes of ":path" and of ":a".
            b"\x00\x84\xb9\x58\xd3\x3f\x02/b",
            b"\x00\x82\xb8\x3f\x01b",
            b"\x00\x01a\x01b\x82",
            b"\x3f\xe1\x1f\x82",
        ] {
            assert!(read(&[], block), "{block:?}");
        }
    }

    #[test]
    fn other_fields_are_none() {
        for block in [
            b"".as_slice(),
            b"\x8f",
            b"\xbd",
            b"\xbe",
            b"\x0f\x00\x01b",
            b"\x0f\x2e\x01b",
            b"\x7f\x00\x01b",
            b"\x00\x01a\x01:",
            b"\x00\x03a:b\x02\x82\x84",
            b"\x00\x82\x1f\x3f\x01b",
            b"\x00\x00\x01b",
            b"\x00\x01a\x00\x20",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x0f",
        ] {
            assert!(!read(&[], block), "{block:?}");
        }
    }

    #[test]
    fn long_integers_are_lengths() {
        // A value of 127 + 3 bytes, all of which would be pseudo-fields.
        let block = [b"\x00\x01a\x7f\x03".as_slice(), &[0x82; 130]].concat();
        assert!(!read(&[], &block));
        assert!(read(&[], &[&block, b"\x82".as_slice()].concat()));
    }

    #[test]
    fn the_dynamic_table_is_followed() {
        // `:path: /b`, and then `a: b`: the one inserted last has the index 62.
        let inserted: [&[u8]; 2] = [b"\x44\x02/b", b"\x40\x01a\x01b"];
        assert!(!read(&inserted, b"\xbe"));
        assert!(read(&inserted, b"\xbf"));
        assert!(!read(&inserted, b"\xc0"));
        // The name of an entry, inserted once more with another value.
        assert!(read(&inserted, b"\x7f\x00\x02/c"));
        assert!(!read(&[inserted[0], inserted[1], b"\x7e\x01c"], b"\xbe\xbf"));
        assert!(read(&[inserted[0], b"\x7e\x01c"], b"\xbe"));
        // What is not inserted is not counted.
        assert!(read(&[inserted[0], b"\x00\x01a\x01b"], b"\xbe"));
        // An index above the largest table.
        assert!(!read(&[&b"\x44\x00".repeat(200)], b"\xff\x80\x01"));
    }
}
