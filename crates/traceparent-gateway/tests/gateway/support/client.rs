use std::{
    io::{BufReader, Write},
    net::{SocketAddr, TcpStream},
};

use super::{Head, impatient};

/// A client's connection.
pub(crate) struct Connection {
    pub(crate) stream: BufReader<TcpStream>,
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: Head,
    pub(crate) body: String,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        impatient(&stream);
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).expect("the gateway reads");
    }

    /// Reads the head of a response.
    pub(crate) fn head(&mut self) -> Head {
        Head::read(&mut self.stream).expect("a response")
    }

    /// Reads a whole response.
    pub(crate) fn response(&mut self) -> Response {
        let head = self.head();
        let status = head.first_line.split(' ').nth(1).expect("a status").parse().expect("a number");
        let body = String::from_utf8(head.read_body(&mut self.stream)).expect("text");
        Response { status, head, body }
    }
}

/// Sends a request, as it is, and reads the response.
pub(crate) fn send(address: SocketAddr, request: impl AsRef<[u8]>) -> Response {
    let mut connection = Connection::open(address);
    connection.write(request);
    connection.response()
}

/// Gets `/` with these header lines.
pub(crate) fn get(address: SocketAddr, lines: &[&str]) -> Response {
    let lines = [&["GET / HTTP/1.1", "Host: shop.example"], lines, &["", ""]].concat();
    send(address, lines.join("\r\n"))
}
