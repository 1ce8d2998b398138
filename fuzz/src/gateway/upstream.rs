use std::{
    mem::take,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A server that reads requests strictly, remembers them, and answers all of them alike.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    requests: Requests,
}

type Requests = Arc<Mutex<Vec<Result<Received, Malformed>>>>;

/// A request as the server has read it. Names are in lower case.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) fields: Vec<(String, Vec<u8>)>,
    pub(super) trailers: Vec<(String, Vec<u8>)>,
}

/// The reason why a request cannot be read, and its bytes.
#[derive(Debug)]
#[allow(dead_code, reason = "printed")]
pub(super) struct Malformed(&'static str, String);

impl Upstream {
    pub(super) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Requests::default();
        let received = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&received)));
            }
        });
        Self { address, requests }
    }

    /// Returns the requests since the last call.
    pub(super) fn take(&self) -> Vec<Result<Received, Malformed>> {
        take(&mut *self.requests.lock().unwrap())
    }
}

async fn serve(mut stream: TcpStream, requests: Requests) {
    let mut bytes = Vec::new();
    loop {
        let mut reader = Reader { bytes: &bytes, at: 0 };
        match reader.request() {
            Ok(received) => {
                let at = reader.at;
                bytes.drain(..at);
                requests.lock().unwrap().push(Ok(received));
                let answered = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                if answered.is_err() {
                    return;
                }
            }
            // A request that the gateway breaks off is not one.
            Err(Unread::More) => match stream.read_buf(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            },
            Err(Unread::Malformed(rule)) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                requests.lock().unwrap().push(Err(Malformed(rule, text)));
                return;
            }
        }
    }
}

enum Unread {
    More,
    Malformed(&'static str),
}

/// A reader by the grammar of [RFC 9112](https://www.rfc-editor.org/rfc/rfc9112), which takes nothing that the grammar does
/// not have.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn request(&mut self) -> Result<Received, Unread> {
        let line = self.line()?;
        let words: Vec<_> = line.split(|byte| *byte == b' ').collect();
        let [method, target, b"HTTP/1.1"] = words[..] else { return Err(Unread::Malformed("request line")) };
        if !is_token(method) || target.is_empty() || !target.iter().copied().all(is_of_target) {
            return Err(Unread::Malformed("method or target"));
        }
        if !(target.starts_with(b"/") || target == b"*") {
            return Err(Unread::Malformed("form of the target"));
        }
        let fields = self.fields()?;
        let values = |name: &str| {
            let values = fields.iter().filter(|(other, _)| other == name).map(|(_, value)| value.clone());
            values.collect::<Vec<_>>()
        };
        let host = values("host");
        if host.len() != 1 || host[0].iter().any(|byte| b" /@,?#\\\"<>\t".contains(byte)) {
            return Err(Unread::Malformed("host"));
        }
        let mut trailers = Vec::new();
        match (&values("content-length")[..], &values("transfer-encoding")[..]) {
            ([], []) => {}
            ([length], []) => {
                let length = std::str::from_utf8(length).ok().and_then(|length| length.parse().ok());
                self.take(length.ok_or(Unread::Malformed("length"))?)?;
            }
            ([], [coding]) if coding == b"chunked" => loop {
                let size = self.line()?;
                let size = std::str::from_utf8(size).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
                let size = size.ok_or(Unread::Malformed("chunk size"))?;
                if size == 0 {
                    trailers = self.fields()?;
                    break;
                }
                self.take(size)?;
                if self.line()? != b"" {
                    return Err(Unread::Malformed("end of chunk"));
                }
            },
            _ => return Err(Unread::Malformed("framing")),
        }
        Ok(Received { fields, trailers })
    }

    fn fields(&mut self) -> Result<Vec<(String, Vec<u8>)>, Unread> {
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(fields);
            }
            let colon = line.iter().position(|byte| *byte == b':').ok_or(Unread::Malformed("field without colon"))?;
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if !is_token(name) || value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
                return Err(Unread::Malformed("field"));
            }
            fields.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()));
        }
    }

    fn line(&mut self) -> Result<&'a [u8], Unread> {
        let rest = &self.bytes[self.at..];
        let end = rest.windows(2).position(|window| window == b"\r\n").ok_or(Unread::More)?;
        let line = &rest[..end];
        if line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(Unread::Malformed("line"));
        }
        self.at += end + 2;
        Ok(line)
    }

    fn take(&mut self, length: usize) -> Result<(), Unread> {
        let end = self.at.checked_add(length).ok_or(Unread::Malformed("length"))?;
        if end > self.bytes.len() {
            return Err(Unread::More);
        }
        self.at = end;
        Ok(())
    }
}

/// Returns whether a URI has this byte, but for the one in front of a fragment.
///
/// [RFC 3986, section 2](https://www.rfc-editor.org/rfc/rfc3986#section-2)
fn is_of_target(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte)
}

fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}
