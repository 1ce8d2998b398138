use std::mem;

use super::block::BlockReader;

/// The length of the preface that a client sends before its first frame.
const PREFACE: usize = 24;

/// The length of the head of a frame.
pub(super) const HEAD: usize = 9;

const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// A reader of frames that finds the blocks of fields and the ends of streams.
///
/// [RFC 9113, section 4.1](https://www.rfc-editor.org/rfc/rfc9113#section-4.1)
#[derive(Debug, Default)]
pub(super) struct FrameReader {
    /// The number of bytes before the next frame.
    skip: usize,
    /// The stream whose last data they are.
    last_data: Option<u32>,
    head: [u8; HEAD],
    /// The number of bytes of the head that have been read.
    length: usize,
    /// The number of bytes of the payload that are still to come.
    payload: usize,
    /// The number of bytes of padding at the end of the payload.
    padding: usize,
    /// The number of bytes in front of the block; `None` until it is known.
    prefix: Option<usize>,
    /// The stream of the current block, and whether that is its end.
    block: (u32, bool),
    reader: BlockReader,
    frames: FrameCounts,
}

/// The numbers of frames that have been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FrameCounts {
    /// Those of messages, with a byte at least.
    pub(super) useful: u32,
    /// All others but continuations, which the library counts.
    pub(super) useless: u32,
}

/// A part of a stream, which has been received as a whole unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The beginning of a block.
    Head {
        stream: u32,
    },
    Block {
        stream: u32,
        ends_stream: bool,
        has_pseudo: bool,
    },
    LastData {
        stream: u32,
    },
}

impl FrameReader {
    /// Creates a reader of what a server receives.
    pub(super) fn of_server() -> Self {
        Self { skip: PREFACE, ..Self::default() }
    }

    /// Returns the numbers of frames since the last call.
    pub(super) fn take_counts(&mut self) -> FrameCounts {
        mem::take(&mut self.frames)
    }

    /// Reads the next bytes, and reports what is complete with them.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut found: impl FnMut(Found)) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = split(&mut bytes, self.skip);
                self.skip -= skipped.len();
            } else if self.length < HEAD {
                let part = split(&mut bytes, HEAD - self.length);
                for (to, from) in self.head.iter_mut().skip(self.length).zip(part) {
                    *to = *from;
                }
                self.length += part.len();
                if self.length == HEAD {
                    self.begin();
                    let [_, _, _, kind, ..] = self.head;
                    if kind == HEADERS {
                        found(Found::Head { stream: self.block.0 });
                    }
                }
            } else {
                let part = split(&mut bytes, self.payload);
                self.payload -= part.len();
                self.push_payload(part);
            }
            if self.length == HEAD && self.payload == 0 {
                self.length = 0;
                let [_, _, _, kind, flags, ..] = self.head;
                if matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0 {
                    let (stream, ends_stream) = self.block;
                    found(Found::Block { stream, ends_stream, has_pseudo: self.reader.end() });
                }
            }
            if self.skip == 0
                && let Some(stream) = self.last_data.take()
            {
                found(Found::LastData { stream });
            }
        }
    }

    /// Begins a frame whose head is complete.
    fn begin(&mut self) {
        let [high, middle, low, kind, flags, stream @ ..] = self.head;
        let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
        self.payload = u32::from_be_bytes([0, high, middle, low]) as usize;
        match kind {
            DATA | HEADERS if self.payload > 0 => self.frames.useful += 1,
            CONTINUATION => {}
            _ => self.frames.useless += 1,
        }
        match kind {
            HEADERS => {
                self.block = (stream, flags & END_STREAM != 0);
                let priority = if flags & PRIORITY == 0 { 0 } else { 5 };
                self.prefix = (flags & PADDED == 0).then_some(priority);
                self.padding = 0;
            }
            CONTINUATION => (self.prefix, self.padding) = (Some(0), 0),
            _ => {
                self.last_data = (kind == DATA && flags & END_STREAM != 0).then_some(stream);
                self.skip = self.payload;
                self.payload = 0;
            }
        }
    }

    /// Reads a part of a payload whose rest is still to come.
    fn push_payload(&mut self, mut part: &[u8]) {
        if self.prefix.is_none() {
            let [padding, rest @ ..] = part else { return };
            self.padding = (*padding).into();
            let [_, _, _, _, flags, ..] = self.head;
            self.prefix = Some(if flags & PRIORITY == 0 { 0 } else { 5 });
            part = rest;
        }
        if let Some(prefix) = &mut self.prefix {
            *prefix -= split(&mut part, *prefix).len();
        }
        // Of the padding, this much is in this part.
        let padding = self.padding.saturating_sub(self.payload);
        let block = part.get(..part.len().saturating_sub(padding)).unwrap_or_default();
        self.reader.push(block);
    }
}

/// Takes bytes from the front, at most this many.
pub(super) fn split<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (part, rest) = bytes.split_at(length.min(bytes.len()));
    *bytes = rest;
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap_or_default();
        [&[0, 0, length, kind, flags, 0x80, 0, 0, stream], payload].concat()
    }

    /// Reads bytes in one piece and byte by byte.
    #[track_caller]
    fn assert_found(expected: &[(u32, bool, bool)], bytes: &[u8]) {
        for size in [bytes.len(), 1, 7] {
            let mut reader = FrameReader::of_server();
            let mut found = Vec::new();
            reader.push(&[b'x'; PREFACE], |_| {});
            for piece in bytes.chunks(size) {
                reader.push(piece, |part| {
                    if let Found::Block { stream, ends_stream, has_pseudo } = part {
                        found.push((stream, ends_stream, has_pseudo));
                    }
                });
            }
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn blocks_are_found_among_frames() {
        let bytes = [
            frame(4, 0, 0, &[0x82; 6]),
            frame(HEADERS, END_HEADERS, 1, b"\x82"),
            frame(0, 0, 1, &[0x82; 100]),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x00\x01a\x01b"),
            frame(4, 1, 0, b""),
            frame(HEADERS, END_HEADERS | END_STREAM, 3, b"\x00\x01a\x01b\x82"),
            frame(HEADERS, END_HEADERS | END_STREAM, 5, b""),
        ];
        assert_found(&[(1, false, true), (1, true, false), (3, true, true), (5, true, false)], &bytes.concat());
    }

    #[test]
    fn frames_of_messages_are_told_from_others() {
        let bytes = [
            frame(HEADERS, END_HEADERS, 1, b"\x82"),
            frame(DATA, 0, 1, b"data"),
            frame(DATA, 0, 1, b""),
            frame(HEADERS, 0, 3, b"\x82"),
            frame(CONTINUATION, END_HEADERS, 3, b""),
        ];
        let mut reader = FrameReader::default();
        reader.push(&bytes.concat(), |_| {});
        assert_eq!(reader.take_counts(), FrameCounts { useful: 3, useless: 1 });
        for kind in [2, 3, 4, 6, 8, 0xee] {
            reader.push(&frame(kind, 0, 0, b"payload"), |_| {});
            assert_eq!(reader.take_counts(), FrameCounts { useful: 0, useless: 1 });
        }
        assert_eq!(reader.take_counts(), FrameCounts::default());
    }

    #[test]
    fn streams_end_with_all_of_their_last_data() {
        let bytes = [
            frame(HEADERS, END_HEADERS, 1, b"\x88"),
            frame(DATA, 0, 1, b"data"),
            frame(DATA, END_STREAM, 1, b"last"),
            frame(DATA, END_STREAM, 3, b""),
            frame(4, END_STREAM, 5, b"none"),
        ]
        .concat();
        let last = |found: &[Found]| {
            let last = found.iter().filter_map(|part| match part {
                Found::LastData { stream } => Some(*stream),
                Found::Head { .. } | Found::Block { .. } => None,
            });
            last.collect::<Vec<_>>()
        };
        // The end of the first stream is its last byte.
        let end = bytes.len() - 2 * HEAD - b"none".len();
        for (length, expected) in [(end - 1, &[][..]), (end, &[1]), (bytes.len(), &[1, 3])] {
            for size in [bytes.len(), 1, 7] {
                let (mut reader, mut found) = (FrameReader::default(), Vec::new());
                for piece in bytes[..length].chunks(size) {
                    reader.push(piece, |part| found.push(part));
                }
                assert_eq!(last(&found), expected, "{length} bytes in pieces of {size}");
            }
        }
    }

    #[test]
    fn blocks_go_on_in_continuations() {
        let bytes = [
            frame(HEADERS, END_STREAM, 1, b"\x00\x05:p"),
            frame(CONTINUATION, 0, 1, b""),
            frame(CONTINUATION, END_HEADERS, 1, b"ath\x01b"),
            frame(HEADERS, 0, 3, b"\x00\x01a"),
            frame(CONTINUATION, END_HEADERS, 3, b"\x01:"),
        ];
        assert_found(&[(1, true, true), (3, false, false)], &bytes.concat());
    }

    #[test]
    fn padding_and_priority_are_none_of_a_block() {
        let padded = END_HEADERS | PADDED;
        let bytes = [
            frame(HEADERS, padded, 1, b"\x03\x00\x01a\x01b\x82\x82\x82"),
            frame(HEADERS, padded, 3, b"\x03\x82\x82\x82\x82"),
            frame(HEADERS, END_HEADERS | PRIORITY, 5, b"\x82\x82\x82\x82\x82\x00\x01a\x01b"),
            frame(HEADERS, padded | PRIORITY, 7, b"\x01\x82\x82\x82\x82\x82\x00\x01a\x01b\x82"),
            frame(HEADERS, padded, 9, b"\x00\x82"),
            // More padding than there is payload.
            frame(HEADERS, padded, 11, b"\x09\x82"),
        ];
        let expected = [1, 3, 5, 7, 9, 11].map(|stream| (stream, false, matches!(stream, 3 | 9)));
        assert_found(&expected, &bytes.concat());
    }
}
