//! A collector, and a request to it.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    str::FromStr,
    sync::mpsc,
    thread,
    time::Duration,
};

/// The time that a collector has to answer, after which the command ends without it.
const PATIENCE: Duration = Duration::from_secs(3);

/// The path of spans below the URL of a collector.
const PATH: &str = "/v1/traces";

/// The address of a collector that takes spans by OTLP over plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The host and the port as the URL has them.
    authority: String,
    host: String,
    port: u16,
    path: String,
}

/// The error returned when a URL is not that of a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidEndpoint {
    #[error("the URL has to begin with http://, as TLS is not supported")]
    Scheme,
    #[error("the URL has no valid host and port")]
    Authority,
    #[error("the URL has a query, a fragment or a byte that is none of a path")]
    Path,
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(url: &str) -> Result<Self, InvalidEndpoint> {
        let rest = url.strip_prefix("http://").ok_or(InvalidEndpoint::Scheme)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| InvalidEndpoint::Authority)?),
            _ => (authority, 80),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:%".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_host) || host.contains(':') != authority.starts_with('[') {
            return Err(InvalidEndpoint::Authority);
        }
        if !path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte)) {
            return Err(InvalidEndpoint::Path);
        }
        let base = path.trim_end_matches('/');
        let path = if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") };
        Ok(Self { authority: authority.to_owned(), host: host.to_owned(), port, path })
    }
}

impl Endpoint {
    /// Sends a body, and waits a short time for the answer.
    pub(super) fn post(&self, body: Vec<u8>) -> io::Result<()> {
        let (sender, receiver) = mpsc::channel();
        let endpoint = self.clone();
        // Names are resolved without a limit of time, so all of it is done beside.
        thread::spawn(move || sender.send(endpoint.send(&body)));
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the collector does not answer");
        receiver.recv_timeout(PATIENCE).map_err(late)?
    }

    fn send(&self, body: &[u8]) -> io::Result<()> {
        let mut stream = self.connect()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let Self { authority, path, .. } = self;
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {}/{}\r\nContent-Type: application/x-protobuf\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n",
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
        );
        stream.write_all(&[head.as_bytes(), body].concat())?;
        let mut line = Vec::new();
        BufReader::new(stream).take(256).read_until(b'\n', &mut line)?;
        accepted(&line)
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Whether the first line of an answer is one of success.
fn accepted(line: &[u8]) -> io::Result<()> {
    let status =
        line.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| std::str::from_utf8(code).ok());
    match status.and_then(|code| code.parse::<u16>().ok()) {
        Some(200..=299) => Ok(()),
        Some(code) => Err(io::Error::other(format!("the collector answers with status {code}"))),
        None => Err(io::Error::other("the collector does not speak HTTP")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_host_a_port_and_a_path() {
        for (url, host, port, path) in [
            ("http://127.0.0.1:4318", "127.0.0.1", 4318, "/v1/traces"),
            ("http://collector.example:4318/", "collector.example", 4318, "/v1/traces"),
            ("http://collector/otlp/", "collector", 80, "/otlp/v1/traces"),
            ("http://[::1]:4318/v1/traces", "::1", 4318, "/v1/traces"),
            ("http://[::1]", "::1", 80, "/v1/traces"),
        ] {
            let endpoint: Endpoint = url.parse().unwrap();
            assert_eq!((endpoint.host.as_str(), endpoint.port, endpoint.path.as_str()), (host, port, path), "{url}");
        }
        for (url, error) in [
            ("https://collector:4318", InvalidEndpoint::Scheme),
            ("collector:4318", InvalidEndpoint::Scheme),
            ("http://", InvalidEndpoint::Authority),
            ("http://:4318", InvalidEndpoint::Authority),
            ("http://h:65536", InvalidEndpoint::Authority),
            ("http://::1", InvalidEndpoint::Authority),
            ("http://user@h", InvalidEndpoint::Authority),
            ("http://h\r\nX: y", InvalidEndpoint::Authority),
            ("http://h/a?b", InvalidEndpoint::Path),
            ("http://h/a b", InvalidEndpoint::Path),
        ] {
            assert_eq!(url.parse::<Endpoint>(), Err(error), "{url}");
        }
    }

    #[test]
    fn answers_are_judged_by_their_status() {
        accepted(b"HTTP/1.1 200 OK\r\n").unwrap();
        accepted(b"HTTP/1.0 202\r\n").unwrap();
        let error = |line: &[u8]| accepted(line).unwrap_err().to_string();
        assert_eq!(error(b"HTTP/1.1 503 Busy\r\n"), "the collector answers with status 503");
        assert_eq!(error(b"SSH-2.0\r\n"), "the collector does not speak HTTP");
        assert_eq!(error(b""), "the collector does not speak HTTP");
    }
}
