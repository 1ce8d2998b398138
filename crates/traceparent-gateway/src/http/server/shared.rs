use std::{
    future::pending,
    io,
    mem::MaybeUninit,
    net::Shutdown,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, Interest, ReadBuf},
    net::TcpStream,
};

use super::linger::Linger;

/// The size of the buffer for bytes that are dropped.
const BUFFER: usize = 16 * 1024;

/// A TCP stream that the watch for lost clients shares.
#[derive(Clone, Debug)]
pub(super) struct SharedStream(Arc<TcpStream>);

impl SharedStream {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(stream))
    }

    /// Waits until the client has gone for good. One that only sends no more still waits for its answer.
    pub(super) async fn lost(&self) {
        if self.0.ready(Interest::ERROR).await.is_err() {
            pending::<()>().await;
        }
    }

    /// Returns the first byte that the client sends, which is not consumed.
    pub(super) async fn peek(&self) -> io::Result<u8> {
        let mut first = [0];
        match self.0.peek(&mut first).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(first[0]),
        }
    }

    /// Returns whether bytes of the client have arrived that were not read.
    pub(super) fn has_unread(&self) -> bool {
        let mut first = [MaybeUninit::uninit()];
        SockRef::from(&*self.0).peek(&mut first).is_ok_and(|read| read > 0)
    }

    /// Writes a last response, unless the client reads nothing.
    pub(super) fn refuse(&self, response: &[u8]) {
        let _ = self.0.try_write(response);
    }

    /// Ends a connection, but drops within limits what the client still sends: closing before that may destroy the last
    /// bytes that were written.
    pub(super) async fn linger(mut self, limits: Linger) {
        let _ = self.shutdown().await;
        let drain = limits.drain(|context| {
            // Thousands of clients may be waited for at once.
            let mut buffer = [MaybeUninit::uninit(); BUFFER];
            let mut read = ReadBuf::uninit(&mut buffer);
            let result = ready!(Pin::new(&mut self).poll_read(context, &mut read));
            Poll::Ready(Some(read.filled().len()).filter(|length| result.is_ok() && *length > 0))
        });
        drain.await;
    }

    /// Reads what has arrived.
    ///
    /// A read that leaves room has taken everything, and `epoll` tells of what arrives later: the next read waits without
    /// asking the system.
    fn try_read(&self, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
        let mut read = Err(io::ErrorKind::WouldBlock.into());
        let _ = self.0.try_io(Interest::READABLE, || {
            read = self.0.try_read_buf(buffer);
            let is_all =
                cfg!(target_os = "linux") && read.as_ref().is_ok_and(|read| *read > 0) && buffer.remaining() > 0;
            if is_all { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        read
    }

    fn poll_send(
        &self,
        context: &mut Context<'_>,
        send: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(context))?;
            match send(&self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

impl AsyncRead for SharedStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(context))?;
            match self.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(drop)),
            }
        }
    }
}

impl AsyncWrite for SharedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, |stream| stream.try_write_vectored(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The system flushes.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.0).shutdown(Shutdown::Write))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::{io::AsyncReadExt, net::TcpListener, try_join};

    use super::*;

    #[tokio::test]
    async fn a_read_that_leaves_room_is_the_last_until_more_arrives() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let connect = TcpStream::connect(listener.local_addr().unwrap());
        let (mut client, (stream, _)) = try_join!(connect, listener.accept()).unwrap();
        let mut stream = SharedStream::new(stream);
        let mut space = [0; 4];
        for _ in 0..3 {
            client.write_all(b"abc").await.unwrap();
            assert_eq!(stream.read(&mut space).await.unwrap(), 3);
            let asks = stream.0.try_io(Interest::READABLE, || Ok(())).is_ok();
            assert_eq!(asks, cfg!(not(target_os = "linux")));
        }
        client.write_all(b"abcdef").await.unwrap();
        client.shutdown().await.unwrap();
        for length in [4, 2, 0] {
            assert_eq!(stream.read(&mut space).await.unwrap(), length);
        }
    }
}
