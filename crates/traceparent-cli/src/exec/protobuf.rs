//! The few parts of protobuf that one span needs.

/// A message that is being written.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn tag(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from(field << 3 | wire_type));
    }

    /// Adds an integer, or an enum's number.
    pub(super) fn number(mut self, field: u32, number: i64) -> Self {
        self.tag(field, 0);
        self.varint(number as u64);
        self
    }

    pub(super) fn fixed64(mut self, field: u32, number: u64) -> Self {
        self.tag(field, 1);
        self.0.extend(number.to_le_bytes());
        self
    }

    pub(super) fn fixed32(mut self, field: u32, number: u32) -> Self {
        self.tag(field, 5);
        self.0.extend(number.to_le_bytes());
        self
    }

    /// Adds bytes or text. Empty ones are left out, as protobuf has it.
    pub(super) fn bytes(mut self, field: u32, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        if !bytes.is_empty() {
            self.tag(field, 2);
            self.varint(bytes.len() as u64);
            self.0.extend_from_slice(bytes);
        }
        self
    }

    /// Adds a message, empty or not.
    pub(super) fn message(mut self, field: u32, message: Self) -> Self {
        self.tag(field, 2);
        self.varint(message.0.len() as u64);
        self.0.extend(message.0);
        self
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
