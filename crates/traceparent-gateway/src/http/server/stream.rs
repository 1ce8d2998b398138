use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc::Sender,
    time::Instant,
};

use super::{activity::Activity, framing::Framing, places::Place, refusal::last_answer};
use crate::{
    config::Limits,
    http::{Failure, departure::Departure, timer::IdleTimer},
};

/// A client's connection, which ends when nothing happens on it for too long.
///
/// After a timeout or a refusal, reading returns the end of the stream, as if the client had left.
#[derive(Debug)]
pub(super) struct ClientStream<S> {
    stream: S,
    limits: Limits,
    requests: Requests,
    /// HTTP/2 has heads and limits of its own.
    is_http2: bool,
    waiting: Waiting,
    framing: Framing,
    since: Instant,
    /// The number of requests that had ended at the last look.
    ended: u64,
    reading: IdleTimer,
    writing: IdleTimer,
    /// The time since which writing has been blocked.
    stalled: Option<Instant>,
    /// A guard of bytes that have waited to be written, until all have been.
    unwritten: Option<UnderWay>,
}

/// The next step that is expected of the client while no request is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// To start a request, or leave.
    ForRequest,
    /// To finish the head it has started.
    ForHead,
}

impl<S: AsyncWrite + Unpin> ClientStream<S> {
    pub(super) fn new(stream: S, limits: Limits, requests: Requests) -> Self {
        Self {
            stream,
            limits,
            requests,
            is_http2: false,
            waiting: Waiting::ForRequest,
            framing: Framing::default(),
            since: Instant::now(),
            ended: 0,
            reading: IdleTimer::default(),
            writing: IdleTimer::default(),
            stalled: None,
            unwritten: None,
        }
    }

    /// Leaves reading to the limits of HTTP/2.
    pub(super) fn set_http2(&mut self) {
        self.is_http2 = true;
    }

    /// Takes note of received bytes, and returns whether the connection may go on.
    fn receive(&mut self, bytes: &[u8]) -> bool {
        if self.is_http2 || self.poll_busy() {
            return true;
        }
        if self.waiting == Waiting::ForRequest {
            self.waiting = Waiting::ForHead;
            self.since = Instant::now();
        }
        self.framing.push(bytes);
        !self.framing.is_ambiguous()
    }

    /// Refuses a request, with a last response unless the client reads nothing.
    fn refuse(&mut self, failure: Failure, context: &mut Context<'_>) {
        if self.requests.0.refusal.set(failure).is_ok() {
            let _ = Pin::new(&mut self.stream).poll_write(context, &last_answer(failure));
            let _ = Pin::new(&mut self.stream).poll_flush(context);
        }
    }

    /// Returns whether a request is under way. If one was since the last look, waiting begins anew.
    fn poll_busy(&mut self) -> bool {
        let activity = self.requests.activity();
        let (is_busy, ended) = (activity.is_busy(), activity.ended());
        if is_busy || ended != self.ended {
            self.ended = ended;
            self.waiting = Waiting::ForRequest;
            self.framing = Framing::default();
            self.since = Instant::now();
        }
        is_busy
    }

    /// Is ready when the client has done nothing for too long.
    fn poll_timeout(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_http2 {
            return Poll::Pending;
        }
        // While a request is under way, the timer only makes sure to look again.
        self.poll_busy();
        let limit = match self.waiting {
            Waiting::ForRequest => self.limits.idle_timeout,
            Waiting::ForHead => self.limits.header_timeout,
        };
        self.reading.poll(self.since, limit, context)
    }

    fn poll_written<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        self.unwritten.get_or_insert_with(|| self.requests.start());
        let since = *self.stalled.get_or_insert_with(Instant::now);
        ready!(self.writing.poll(since, self.limits.idle_timeout, context));
        self.requests.0.departure.set(Failure::ClientStalled);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.requests.refusal().is_some() {
            return Poll::Ready(Ok(()));
        }
        let filled = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if read.is_ready() {
            if !this.receive(&buffer.filled()[filled..]) {
                this.refuse(Failure::AmbiguousLength, context);
                buffer.set_filled(filled);
            }
            return read;
        }
        ready!(this.poll_timeout(context));
        if this.waiting == Waiting::ForHead {
            this.refuse(Failure::HeadTooSlow, context);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.poll_written(written, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, bytes);
        this.poll_written(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        if flushed.is_ready() {
            this.unwritten = None;
        }
        this.poll_written(flushed, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// The requests of one connection.
#[derive(Clone, Debug)]
pub(super) struct Requests(Arc<Shared>);

/// What is dropped with the last request and the connection.
#[derive(Debug)]
struct Shared {
    place: Place,
    departure: Departure,
    /// The reason for which a request is refused before its head has ended.
    refusal: OnceLock<Failure>,
    _open: Sender<Infallible>,
}

impl Requests {
    pub(super) fn new(place: Place, open: Sender<Infallible>) -> Self {
        Self(Arc::new(Shared { place, departure: Departure::default(), refusal: OnceLock::new(), _open: open }))
    }

    pub(super) fn start(&self) -> UnderWay {
        self.activity().start();
        UnderWay(Arc::clone(&self.0))
    }

    /// Returns the departure of a client whose requests end with its connection.
    pub(super) fn departure(&self) -> &Departure {
        &self.0.departure
    }

    /// Returns the reason for which a request was refused before its head had ended, or `None` if none was.
    pub(super) fn refusal(&self) -> Option<Failure> {
        self.0.refusal.get().copied()
    }

    pub(super) fn activity(&self) -> &Arc<Activity> {
        self.0.place.activity()
    }
}

/// A guard of a request under way, or of its answer: while it exists, the connection is not idle.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Shared>);

impl Clone for UnderWay {
    fn clone(&self) -> Self {
        Requests(Arc::clone(&self.0)).start()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.place.activity().end();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        sync::mpsc::channel,
        time::timeout,
    };

    use super::{super::places::Places, *};

    #[tokio::test]
    async fn a_connection_is_busy_until_its_bytes_are_written() {
        let limits = Limits::default();
        let place = Places::new(Arc::default()).take(Ipv4Addr::LOCALHOST.into(), limits).await.unwrap();
        let requests = Requests::new(place, channel(1).0);
        let (near, mut far) = duplex(4);
        let mut stream = ClientStream::new(near, limits, requests.clone());
        stream.write_all(b"full").await.unwrap();
        stream.flush().await.unwrap();
        assert!(!requests.activity().is_busy());
        timeout(std::time::Duration::ZERO, stream.write_all(b"rest")).await.unwrap_err();
        assert!(requests.activity().is_busy());
        far.read_exact(&mut [0; 4]).await.unwrap();
        // More may wait.
        stream.write_all(b"rest").await.unwrap();
        assert!(requests.activity().is_busy());
        stream.flush().await.unwrap();
        assert!(!requests.activity().is_busy());
    }
}
