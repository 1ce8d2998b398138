use memchr::memchr;

const CONTENT_LENGTH: &[u8] = b"content-length:";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding:";

/// A reader of HTTP/1 request heads that finds both `Content-Length` and `Transfer-Encoding`: two servers may read two
/// different requests out of that.
///
/// [RFC 9112, section 6.1](https://www.rfc-editor.org/rfc/rfc9112#section-6.1-15)
///
/// It sees heads that arrive by themselves. A head that arrives together with the request before it is read by the rule
/// that the encoding counts, and ends its connection.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// The beginning of the current line, in lower case, up to the length of the longest name.
    line: [u8; TRANSFER_ENCODING.len()],
    length: usize,
    lines: usize,
    has_length: bool,
    has_encoding: bool,
    ended: bool,
}

impl Framing {
    /// Reads the next bytes.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !self.ended && !bytes.is_empty() {
            let end = memchr(b'\n', bytes);
            let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            self.push_line(line);
            if end.is_some() {
                self.end_line();
            }
            bytes = rest.get(1..).unwrap_or_default();
        }
    }

    /// Returns whether the bytes so far have both fields.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.has_length && self.has_encoding
    }

    fn push_line(&mut self, bytes: &[u8]) {
        for (to, from) in self.line[self.length..].iter_mut().zip(bytes) {
            *to = from.to_ascii_lowercase();
            self.length += 1;
        }
    }

    fn end_line(&mut self) {
        let line = &self.line[..self.length];
        self.has_length |= line.starts_with(CONTENT_LENGTH);
        self.has_encoding |= line.starts_with(TRANSFER_ENCODING);
        // Empty lines in front of a request do not count.
        let is_empty = matches!(line, [] | b"\r");
        self.ended = is_empty && self.lines > 0;
        self.lines += usize::from(!is_empty);
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same in one piece, byte by byte, and in two pieces.
    #[track_caller]
    fn assert_ambiguous(expected: bool, head: &str) {
        let bytes = head.as_bytes();
        let is_ambiguous = |pieces: &[&[u8]]| {
            let mut framing = Framing::default();
            for piece in pieces {
                framing.push(piece);
            }
            framing.is_ambiguous()
        };
        assert_eq!(is_ambiguous(&[bytes]), expected);
        for cut in 0..bytes.len() {
            assert_eq!(is_ambiguous(&[&bytes[..cut], &bytes[cut..]]), expected, "cut at {cut}");
        }
        assert_eq!(is_ambiguous(&bytes.chunks(1).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn a_length_and_an_encoding_are_one_too_many() {
        assert_ambiguous(true, "POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_ambiguous(true, "\r\nPOST / HTTP/1.1\nX: 1\nTRANSFER-ENCODING:chunked\nY: 2\ncontent-length:4\n\n");
    }

    #[test]
    fn one_of_them_is_enough() {
        assert_ambiguous(false, "POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\n");
        assert_ambiguous(false, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX-Content-Length: 4\r\n\r\n");
        assert_ambiguous(false, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Lengths: 4\r\n\r\n");
    }

    #[test]
    fn what_follows_the_head_is_none_of_it() {
        assert_ambiguous(false, "POST / HTTP/1.1\r\nContent-Length: 30\r\n\r\nTransfer-Encoding: chunked\r\n\r\n");
    }
}
