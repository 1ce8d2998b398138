use std::{
    io::{BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
};

use super::impatient;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// The window of those who take all that comes.
pub(crate) const WIDE: u32 = 1 << 30;

/// A client's connection over HTTP/2, frame by frame.
pub(crate) struct Frames<S = TcpStream> {
    pub(crate) stream: BufReader<S>,
}

/// A received frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The code of RST_STREAM, and of GOAWAY behind its last stream.
    pub(crate) fn code(&self) -> u32 {
        let code = self.payload.get(if self.kind == GOAWAY { 4..8 } else { 0..4 }).expect("a code");
        u32::from_be_bytes(code.try_into().expect("four bytes"))
    }

    /// The last stream of GOAWAY.
    pub(crate) fn last(&self) -> u32 {
        u32::from_be_bytes(self.payload[..4].try_into().expect("four bytes"))
    }

    /// Whether these are the headers of a response with status 200, behind an update of the table's size or without.
    pub(crate) fn is_ok(&self) -> bool {
        self.kind == HEADERS && self.payload.iter().find(|byte| **byte & 0xe0 != 0x20) == Some(&0x88)
    }

    pub(crate) fn ends(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

impl Frames {
    /// Connects, with this size of the windows of streams.
    pub(crate) fn open(address: SocketAddr, window: u32) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        impatient(&stream);
        Self::start(stream, window)
    }
}

impl<S: Read + Write> Frames<S> {
    /// Starts HTTP/2 on a new connection.
    pub(crate) fn start(stream: S, window: u32) -> Self {
        let mut frames = Self { stream: BufReader::new(stream) };
        frames.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("a preface");
        // Without a dynamic table, a status is one byte.
        let settings = [&[0, 1, 0, 0, 0, 0, 0, 4], &window.to_be_bytes()[..]].concat();
        frames.send(SETTINGS, 0, 0, &settings);
        frames
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Sends a frame, and returns whether the gateway takes it.
    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.write(&frame(kind, flags, stream, payload)).is_ok()
    }

    /// Sends a request for `/` with a method of one of the static table's entries, and ends it or not.
    pub(crate) fn request(&mut self, stream: u32, ends: bool) -> bool {
        let flags = END_HEADERS | if ends { END_STREAM } else { 0 };
        self.send(HEADERS, flags, stream, &request(if ends { "GET" } else { "POST" }, "/"))
    }

    /// Sends a GET of a path.
    pub(crate) fn get(&mut self, stream: u32, path: &str) {
        assert!(self.send(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", path)));
    }

    /// Waits until the gateway has read all that was sent.
    #[track_caller]
    pub(crate) fn ping(&mut self) {
        assert!(self.send(PING, 0, 0, b"are you?"));
        let answer = self.receive().expect("an answer");
        assert_eq!((answer.kind, answer.flags, &answer.payload[..]), (PING, ACK, &b"are you?"[..]));
    }

    pub(crate) fn reset(&mut self, stream: u32) -> bool {
        self.send(RST_STREAM, 0, stream, &[0, 0, 0, 8])
    }

    /// Receives the next frame but settings and window updates; `None` at the end of the connection.
    pub(crate) fn receive(&mut self) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).ok()?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.stream.read_exact(&mut payload).ok()?;
            let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
            let frame = Frame { kind: head[3], flags: head[4], stream, payload };
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => drop(self.send(SETTINGS, ACK, 0, &[])),
                SETTINGS | WINDOW_UPDATE => {}
                _ => return Some(frame),
            }
        }
    }

    /// Receives frames of a stream to its end, and returns its data if the status is 200.
    #[track_caller]
    pub(crate) fn body(&mut self, stream: u32) -> Vec<u8> {
        let head = self.receive().expect("headers");
        assert!(head.is_ok() && head.stream == stream, "{head:?}");
        if head.ends() { Vec::new() } else { self.data(stream) }
    }

    /// Receives frames of a stream behind its head to its end, and returns their data.
    #[track_caller]
    pub(crate) fn data(&mut self, stream: u32) -> Vec<u8> {
        let mut data = Vec::new();
        loop {
            let frame = self.receive().expect("the rest");
            assert_eq!((frame.kind, frame.stream), (DATA, stream), "{frame:?}");
            data.extend(&frame.payload);
            if frame.ends() {
                return data;
            }
        }
    }

    /// Receives frames up to GOAWAY.
    #[track_caller]
    pub(crate) fn goaway(&mut self) -> Frame {
        loop {
            let frame = self.receive().expect("GOAWAY");
            if frame.kind == GOAWAY {
                return frame;
            }
        }
    }
}

/// The block of a request without a body or with one.
pub(crate) fn request(method: &str, path: &str) -> Vec<u8> {
    let mut block = vec![if method == "GET" { 0x82 } else { 0x83 }, 0x86];
    for (name, value) in [(4, path), (1, "h")] {
        block.extend([name, u8::try_from(value.len()).expect("short")]);
        block.extend(value.as_bytes());
    }
    block
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}
