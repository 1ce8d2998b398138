//! A gateway process, an upstream, and a client, none of which hides a byte.

mod client;
mod collector;
mod gateway;
pub(crate) mod http2;
#[cfg(feature = "tls")]
mod tls;
mod upstream;

pub(crate) use client::{Connection, Response, get, send};
pub(crate) use collector::{Collector, Exported, hex};
pub(crate) use gateway::{Gateway, file, refused, server_and_call, span_of};
#[cfg(feature = "tls")]
pub(crate) use tls::{Authority, ClientTls, Folder, Pair, ServerTls, TlsConnection, TlsUpstream, tls_in_front_of};
pub(crate) use upstream::{Exchange, Upstream, late, ok, silent, sized};

use std::{
    io::BufRead,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use socket2::{Domain, Socket, Type};

/// A valid header, not sampled and not random.
pub(crate) const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(crate) const CALLER: &str = "00f067aa0ba902b7";

/// The caller's header with these flags.
pub(crate) fn traceparent(flags: &str) -> String {
    format!("00-{TRACE_ID}-{CALLER}-{flags}")
}

/// The head of a received message: the first line and all fields, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) first_line: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Head {
    /// Reads a head; `None` at the end of the stream.
    pub(crate) fn read(stream: &mut impl BufRead) -> Option<Self> {
        let first_line = line(stream)?;
        let mut fields = Vec::new();
        loop {
            match line(stream)?.as_str() {
                "" => return Some(Self { first_line, fields }),
                field => {
                    let (name, value) = field.split_once(':').expect("a field");
                    fields.push((name.to_owned(), value.trim().to_owned()));
                }
            }
        }
    }

    /// All values of a field, whatever the case of its name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.fields.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a field that is there once.
    #[track_caller]
    pub(crate) fn one(&self, name: &str) -> &str {
        match self.all(name)[..] {
            [value] => value,
            ref values => panic!("{} fields {name}, not one: {values:?}", values.len()),
        }
    }

    /// The four parts of `traceparent`.
    #[track_caller]
    pub(crate) fn traceparent(&self) -> [&str; 4] {
        let parts: Vec<&str> = self.one("traceparent").split('-').collect();
        parts.try_into().expect("four parts")
    }

    /// Reads the body that belongs to this head.
    pub(crate) fn read_body(&self, stream: &mut impl BufRead) -> Vec<u8> {
        if let [length] = self.all("content-length")[..] {
            let mut body = vec![0; length.parse().expect("a length")];
            stream.read_exact(&mut body).expect("a whole body");
            return body;
        }
        let mut body = Vec::new();
        if self.all("transfer-encoding") == ["chunked"] {
            while let Some(chunk) = chunk(stream) {
                body.extend(chunk);
            }
            while line(stream).is_some_and(|trailer| !trailer.is_empty()) {}
        } else if self.first_line.starts_with("HTTP/") {
            stream.read_to_end(&mut body).expect("a whole body");
        }
        body
    }
}

/// Reads a chunk; `None` for the last one, of no length, and the trailers stay unread.
pub(crate) fn chunk(stream: &mut impl BufRead) -> Option<Vec<u8>> {
    let length = usize::from_str_radix(&line(stream).expect("a chunk"), 16).expect("a chunk's length");
    if length == 0 {
        return None;
    }
    let mut chunk = vec![0; length];
    stream.read_exact(&mut chunk).expect("a whole chunk");
    assert_eq!(line(stream).as_deref(), Some(""));
    Some(chunk)
}

/// Reads a line without its end; `None` at the end of the stream.
pub(crate) fn line(stream: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    match stream.read_until(b'\n', &mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()),
    }
}

/// Nothing here takes long; a test that hangs is better told than waited for.
fn impatient(stream: &TcpStream) {
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit");
    stream.set_nodelay(true).expect("no delay");
}

/// Takes a port on which nothing listens. Other tests cannot take it while the socket is open.
pub(crate) fn dead_port() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
    let address = socket.local_addr().expect("an address").as_socket().expect("an IP address");
    (socket, address)
}
