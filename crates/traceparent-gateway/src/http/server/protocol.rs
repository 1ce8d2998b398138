use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// The first bytes of HTTP/2, with which HTTP/1.1 never starts.
///
/// [RFC 9113, section 3.4](https://www.rfc-editor.org/rfc/rfc9113#section-3.4)
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first byte of a TLS handshake, with which no request starts.
///
/// [RFC 8446, section 5.1](https://www.rfc-editor.org/rfc/rfc8446#section-5.1)
pub(super) const HANDSHAKE: u8 = 0x16;

/// A protocol that a client can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
    /// The client takes the port for one of TLS.
    Tls,
}

/// A stream that gives some bytes once more that have been read from it.
#[derive(Debug)]
pub(super) struct PeekedStream<S> {
    stream: S,
    peeked: [u8; PREFACE.len()],
    length: usize,
    /// The number of peeked bytes that have been given.
    given: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> PeekedStream<S> {
    /// Peeks at nothing.
    pub(super) fn new(stream: S) -> Self {
        Self { stream, peeked: [0; PREFACE.len()], length: 0, given: 0 }
    }

    /// Reads the first bytes, and returns the protocol that they choose.
    pub(super) async fn peek(&mut self) -> io::Result<Protocol> {
        loop {
            let read = self.stream.read(self.peeked.get_mut(self.length..).unwrap_or_default()).await?;
            self.length += read;
            let peeked = self.peeked.get(..self.length).unwrap_or_default();
            if peeked.first() == Some(&HANDSHAKE) {
                return Ok(Protocol::Tls);
            }
            match PREFACE.strip_prefix(peeked) {
                Some([]) => return Ok(Protocol::Http2),
                Some(_) if read > 0 => {}
                _ => return Ok(Protocol::Http1),
            }
        }
    }

    pub(super) fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PeekedStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let rest = this.peeked.get(this.given..this.length).unwrap_or_default();
        if rest.is_empty() {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        let given = rest.get(..buffer.remaining()).unwrap_or(rest);
        buffer.put_slice(given);
        this.given += given.len();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PeekedStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    forward_rest!();
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// Sends pieces to a stream that peeks, and checks that it gives all of them.
    async fn assert_protocol(expected: Protocol, pieces: &[&[u8]]) {
        let (mut client, server) = tokio::io::duplex(64);
        let mut stream = PeekedStream::new(server);
        let whole = pieces.concat();
        let send = async {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(client);
        };
        let (protocol, ()) = tokio::join!(stream.peek(), send);
        assert_eq!(protocol.unwrap(), expected, "{pieces:?}");
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, whole);
    }

    #[tokio::test]
    async fn the_first_bytes_choose() {
        assert_protocol(Protocol::Http2, &[PREFACE]).await;
        assert_protocol(Protocol::Http2, &[PREFACE, b"more"]).await;
        assert_protocol(Protocol::Http2, &PREFACE.chunks(1).collect::<Vec<_>>()).await;
        assert_protocol(Protocol::Http1, &[b"GET / HTTP/1.1\r\n\r\n"]).await;
        assert_protocol(Protocol::Http1, &[b"P", b"OST / HTTP/1.1\r\n\r\n"]).await;
        assert_protocol(Protocol::Http1, &[b"PRI * HTTP/1.1\r\n\r\n"]).await;
        assert_protocol(Protocol::Http1, &[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", b"x"]).await;
        assert_protocol(Protocol::Http1, &[b"PRI"]).await;
        assert_protocol(Protocol::Tls, &[b"\x16\x03\x01"]).await;
        assert_protocol(Protocol::Http1, &[]).await;
    }
}
