use std::{
    convert::Infallible,
    io,
    net::Shutdown,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::mpsc::Sender,
    time::Instant,
};

use super::framing::Framing;
use crate::{config::Limits, http::timer::IdleTimer};

/// The answer to a request whose head does not end in time.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The answer to a request that can be read in two ways.
const AMBIGUOUS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The first bytes of HTTP/2, with which HTTP/1.1 never starts.
const PREFACE: &[u8] = b"PRI ";

/// A client's connection, which ends when nothing happens on it for too long.
///
/// After a timeout, reading returns the end of the stream, as if the client had left.
#[derive(Debug)]
pub(super) struct ClientStream {
    stream: Arc<TcpStream>,
    limits: Limits,
    requests: Requests,
    /// The number of received bytes of [`PREFACE`]; `None` after any other byte.
    preface: Option<usize>,
    waiting: Waiting,
    framing: Framing,
    since: Instant,
    /// The number of requests that had ended at the last look.
    ended: u64,
    reading: IdleTimer,
    writing: IdleTimer,
    /// The time since which writing has been blocked.
    stalled: Option<Instant>,
}

/// The next step that is expected of the client while no request is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// To start a request, or leave.
    ForRequest,
    /// To finish the head it has started.
    ForHead,
}

impl ClientStream {
    pub(super) fn new(stream: Arc<TcpStream>, limits: Limits, requests: Requests) -> Self {
        Self {
            stream,
            limits,
            requests,
            preface: Some(0),
            waiting: Waiting::ForRequest,
            framing: Framing::default(),
            since: Instant::now(),
            ended: 0,
            reading: IdleTimer::default(),
            writing: IdleTimer::default(),
            stalled: None,
        }
    }

    /// Takes note of received bytes, and returns whether the connection may go on.
    fn receive(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            match self.preface {
                Some(length) if length < PREFACE.len() => {
                    self.preface = (PREFACE[length] == *byte).then_some(length + 1);
                }
                _ => break,
            }
        }
        // The heads of HTTP/2 are not visible here, and not ambiguous.
        if self.poll_busy() || self.preface == Some(PREFACE.len()) {
            return true;
        }
        if self.waiting == Waiting::ForRequest {
            self.waiting = Waiting::ForHead;
            self.since = Instant::now();
        }
        self.framing.push(bytes);
        !self.framing.is_ambiguous()
    }

    /// Writes a last response, unless the client reads nothing.
    fn refuse(&self, response: &[u8]) {
        let _ = self.stream.try_write(response);
    }

    /// Returns whether a request is under way. If one was since the last look, waiting begins anew.
    fn poll_busy(&mut self) -> bool {
        let (started, ended) = self.requests.counts();
        if started != ended || ended != self.ended {
            self.ended = ended;
            self.waiting = Waiting::ForRequest;
            self.framing = Framing::default();
            self.since = Instant::now();
        }
        started != ended
    }

    /// Is ready when the client has done nothing for too long.
    fn poll_timeout(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // While a request is under way, the timer only makes sure to look again.
        self.poll_busy();
        let limit = match self.waiting {
            Waiting::ForRequest => self.limits.idle_timeout,
            Waiting::ForHead => self.limits.header_timeout,
        };
        self.reading.poll(self.since, limit, context)
    }

    /// Receives over the stream, which the watch for lost clients shares.
    fn poll_receive(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.stream.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(drop)),
            }
        }
    }

    fn poll_send(
        &self,
        context: &mut Context<'_>,
        send: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            match send(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_written<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let since = *self.stalled.get_or_insert_with(Instant::now);
        ready!(self.writing.poll(since, self.limits.idle_timeout, context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let filled = buffer.filled().len();
        let read = this.poll_receive(context, buffer);
        if read.is_ready() {
            if !this.receive(&buffer.filled()[filled..]) {
                this.refuse(AMBIGUOUS);
                buffer.set_filled(filled);
            }
            return read;
        }
        ready!(this.poll_timeout(context));
        if this.waiting == Waiting::ForHead {
            this.refuse(TOO_SLOW);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.poll_send(context, |stream| stream.try_write(bytes));
        this.poll_written(written, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.poll_send(context, |stream| stream.try_write_vectored(bytes));
        this.poll_written(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The system flushes.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.stream).shutdown(Shutdown::Write))
    }
}

/// The requests of one connection.
#[derive(Clone, Debug)]
pub(super) struct Requests(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    started: AtomicU64,
    ended: AtomicU64,
    /// Dropped with the last request and the connection.
    _open: Sender<Infallible>,
}

impl Requests {
    pub(super) fn new(open: Sender<Infallible>) -> Self {
        Self(Arc::new(Counts { started: AtomicU64::new(0), ended: AtomicU64::new(0), _open: open }))
    }

    pub(super) fn start(&self) -> UnderWay {
        self.0.started.fetch_add(1, Relaxed);
        UnderWay(Arc::clone(&self.0))
    }

    /// Returns the numbers of started and of ended requests.
    fn counts(&self) -> (u64, u64) {
        (self.0.started.load(Relaxed), self.0.ended.load(Relaxed))
    }
}

/// A guard of a request under way: while it exists, the connection is not idle.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Counts>);

impl Clone for UnderWay {
    fn clone(&self) -> Self {
        Requests(Arc::clone(&self.0)).start()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Relaxed);
    }
}
