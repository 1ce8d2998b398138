//! HTTP/2 frames by hand, because a library refuses to misbehave.

use std::io::{BufRead, Write};

use crate::text::bytes;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame of HTTP/2.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// The stream, or `u32::MAX` for that of the request which is answered.
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// Reads `HEADERS 1 end | :method: GET | ...`, `HEADERS 1 more | ...` without the end of the block, `DATA 1 end | text`, `RST 1 8`, `GOAWAY 1 0`; the stream `=` is that of the
    /// request which is answered.
    pub(crate) fn parse(text: &str) -> Self {
        let (head, rest) = text.split_once(" | ").unwrap_or((text, ""));
        let mut words = head.split(' ');
        let name = words.next().expect("a name");
        let stream = words.next().map_or(0, |stream| stream.parse().unwrap_or(u32::MAX));
        let last = words.next();
        let end = if last == Some("end") { END_STREAM } else { 0 };
        let whole = if last == Some("more") { 0 } else { END_HEADERS };
        let code = last.and_then(|code| code.parse::<u32>().ok()).unwrap_or(0);
        match name {
            "HEADERS" => Self { kind: HEADERS, flags: end | whole, stream, payload: fields(rest) },
            "DATA" => Self { kind: DATA, flags: end, stream, payload: bytes(rest) },
            "RST" => Self { kind: RST_STREAM, flags: 0, stream, payload: code.to_be_bytes().to_vec() },
            "GOAWAY" => {
                let payload = [stream.to_be_bytes(), code.to_be_bytes()].concat();
                Self { kind: GOAWAY, flags: 0, stream: 0, payload }
            }
            _ => panic!("no frame: {text}"),
        }
    }

    /// Reads a frame, or returns `None` where the connection ends.
    pub(crate) fn read(stream: &mut impl BufRead) -> Option<Self> {
        let mut head = [0; 9];
        stream.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).ok()?;
        let id = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Some(Self { kind: head[3], flags: head[4], stream: id, payload })
    }

    /// Writes the frame, on this stream if it has none of its own.
    pub(crate) fn write(&self, stream: &mut impl Write, current: u32) -> std::io::Result<()> {
        let id = if self.stream == u32::MAX { current } else { self.stream };
        let length = u32::try_from(self.payload.len()).expect("short").to_be_bytes();
        let head = [&length[1..], &[self.kind, self.flags], &id.to_be_bytes()].concat();
        stream.write_all(&[head, self.payload.clone()].concat())
    }

    /// Creates SETTINGS that forbid a dynamic table, so that what is read can be decoded field by field.
    pub(crate) fn settings() -> Self {
        Self { kind: SETTINGS, flags: 0, stream: 0, payload: vec![0, 1, 0, 0, 0, 0] }
    }

    /// Creates the acknowledgement of this kind of frame.
    pub(crate) fn ack(&self) -> Self {
        let payload = if self.kind == PING { self.payload.clone() } else { Vec::new() };
        Self { kind: self.kind, flags: ACK, stream: 0, payload }
    }

    /// Returns the status of a HEADERS frame, or `None` for trailers.
    pub(crate) fn status(&self) -> Option<u16> {
        let padding = usize::from(self.flags & 8 != 0) + if self.flags & 0x20 != 0 { 5 } else { 0 };
        let mut block = self.payload.get(padding..)?;
        while block.first()? & 0xe0 == 0x20 {
            block = &block[1..];
        }
        let known = [200, 204, 206, 304, 400, 404, 500];
        match block[0] {
            byte @ 0x88..=0x8e => Some(known[usize::from(byte - 0x88)]),
            0x48 | 0x08 | 0x18 if block.get(1)? & 0x80 == 0 => std::str::from_utf8(block.get(2..5)?).ok()?.parse().ok(),
            0x48 | 0x08 | 0x18 => Some(huffman(block.get(2..)?)),
            _ => None,
        }
    }
}

/// Three digits in HPACK's code: 0 to 2 are their own five bits, 3 to 9 are the six bits of 25 to 31.
fn huffman(coded: &[u8]) -> u16 {
    let bits: Vec<_> = coded.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let number = |bits: &[u8]| bits.iter().fold(0, |number, bit| number << 1 | u16::from(*bit));
    let (mut at, mut status) = (0, 0);
    for _ in 0..3 {
        let Some(five) = bits.get(at..at + 5).map(number) else { return 0 };
        let (digit, length) = if five < 3 { (five, 5) } else { (bits.get(at..at + 6).map_or(25, number) - 22, 6) };
        status = status * 10 + digit;
        at += length;
    }
    status
}

/// Fields as literals without indexing.
fn fields(text: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for field in text.split(" | ").filter(|field| !field.is_empty()) {
        let at = field[1..].find(": ").expect("a name and a value") + 1;
        block.push(0);
        for text in [&field[..at], &field[at + 2..]] {
            let text = bytes(text);
            let length = text.len();
            if length < 127 {
                block.push(u8::try_from(length).expect("short"));
            } else {
                let mut rest = length - 127;
                block.push(127);
                while rest >= 128 {
                    block.push(u8::try_from(rest % 128 + 128).expect("a byte"));
                    rest /= 128;
                }
                block.push(u8::try_from(rest).expect("a byte"));
            }
            block.extend(text);
        }
    }
    block
}
