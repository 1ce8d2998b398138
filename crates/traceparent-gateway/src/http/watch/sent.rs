use super::frames::{HEAD, HEADERS, split};

const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;

/// The number of bytes that are read of a frame: of GOAWAY, its head, two numbers and the beginning of its text.
const LENGTH: usize = HEAD + 8 + 32;

/// A reader of frames that are sent, which finds those that end streams and connections, and the heads of messages.
///
/// [RFC 9113, section 6](https://www.rfc-editor.org/rfc/rfc9113#section-6)
#[derive(Debug)]
pub(super) struct SentReader {
    /// The number of bytes before the next frame.
    skip: usize,
    bytes: [u8; LENGTH],
    /// The number of bytes that have been read of the current frame.
    length: usize,
}

/// A frame that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent<'a> {
    Head {
        stream: u32,
    },
    Reset {
        stream: u32,
        code: u32,
    },
    GoAway {
        code: u32,
        /// The beginning of the text for people.
        text: &'a [u8],
    },
}

impl Default for SentReader {
    fn default() -> Self {
        Self { skip: 0, bytes: [0; LENGTH], length: 0 }
    }
}

impl SentReader {
    /// Reads the next bytes, and reports what is complete with them.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut sent: impl FnMut(Sent<'_>)) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                self.skip -= split(&mut bytes, self.skip).len();
                continue;
            }
            let part = split(&mut bytes, self.wanted() - self.length);
            for (to, from) in self.bytes.iter_mut().skip(self.length).zip(part) {
                *to = *from;
            }
            self.length += part.len();
            // The head says how much more is wanted.
            let wanted = self.wanted();
            if self.length == wanted {
                self.frame().into_iter().for_each(&mut sent);
                self.skip = HEAD + self.payload() - wanted;
                self.length = 0;
            }
        }
    }

    /// Returns how many bytes of the current frame are read.
    fn wanted(&self) -> usize {
        let [_, _, _, kind, ..] = self.bytes;
        let is_read = self.length >= HEAD && matches!(kind, RST_STREAM | GOAWAY);
        if is_read { LENGTH.min(HEAD + self.payload()) } else { HEAD }
    }

    fn payload(&self) -> usize {
        let [high, middle, low, ..] = self.bytes;
        u32::from_be_bytes([0, high, middle, low]) as usize
    }

    fn frame(&self) -> Option<Sent<'_>> {
        let (head, payload) = self.bytes.get(..self.length)?.split_first_chunk::<HEAD>()?;
        let [_, _, _, kind, _, stream @ ..] = *head;
        let stream = u32::from_be_bytes(stream);
        match kind {
            HEADERS => Some(Sent::Head { stream }),
            RST_STREAM => Some(Sent::Reset { stream, code: u32::from_be_bytes(*payload.first_chunk()?) }),
            GOAWAY => {
                let (_last, rest) = payload.split_first_chunk::<4>()?;
                let (code, text) = rest.split_first_chunk()?;
                Some(Sent::GoAway { code: u32::from_be_bytes(*code), text })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap_or_default();
        [&[0, 0, length, kind, 0, 0, 0, 0, stream], payload].concat()
    }

    #[test]
    fn heads_and_ends_are_found_among_frames() {
        let bytes = [
            frame(4, 0, &[HEADERS; 12]),
            frame(HEADERS, 1, b"\x88"),
            frame(0, 1, &[RST_STREAM; 100]),
            frame(RST_STREAM, 3, &[0, 0, 0, 8]),
            frame(HEADERS, 5, b""),
            frame(0, 5, b""),
            frame(GOAWAY, 0, b"\x00\x00\x00\x05\x00\x00\x00\x0bcalm"),
            frame(GOAWAY, 0, &[[0; 8], [b'x'; 8], [b'x'; 8], [b'x'; 8], [b'x'; 8], [b'x'; 8]].concat()),
            frame(HEADERS, 7, b"\x88"),
        ]
        .concat();
        for size in [bytes.len(), 1, 7] {
            let (mut reader, mut found) = (SentReader::default(), Vec::new());
            for piece in bytes.chunks(size) {
                reader.push(piece, |sent| found.push(format!("{sent:?}")));
            }
            let expected = [
                Sent::Head { stream: 1 },
                Sent::Reset { stream: 3, code: 8 },
                Sent::Head { stream: 5 },
                Sent::GoAway { code: 11, text: b"calm" },
                Sent::GoAway { code: 0, text: &[b'x'; 32] },
                Sent::Head { stream: 7 },
            ];
            assert_eq!(found, expected.map(|sent| format!("{sent:?}")), "in pieces of {size}");
        }
    }

    #[test]
    fn frames_that_are_too_short_say_nothing() {
        let bytes = [frame(RST_STREAM, 1, b"\0"), frame(GOAWAY, 0, b"\0"), frame(HEADERS, 3, b"")].concat();
        let mut found = Vec::new();
        SentReader::default().push(&bytes, |sent| found.push(format!("{sent:?}")));
        assert_eq!(found, [format!("{:?}", Sent::Head { stream: 3 })]);
    }
}
