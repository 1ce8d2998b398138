use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::mpsc::Sender,
    time::Instant,
};

use super::framing::Framing;
use crate::{config::Limits, http::timer::IdleTimer};

/// What a client gets that does not come to the end of a request's head.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// What a client gets whose request can be read in two ways.
const AMBIGUOUS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// What a connection starts with that is HTTP/2, and no HTTP/1.1 does.
const PREFACE: &[u8] = b"PRI ";

/// A client's connection, which ends when nothing happens on it for too long.
///
/// Where time is up, reading comes to an end, as if the client had left.
#[derive(Debug)]
pub(super) struct ClientStream {
    stream: TcpStream,
    limits: Limits,
    requests: Requests,
    /// How much of [`PREFACE`] has come; `None` where something else has.
    preface: Option<usize>,
    waiting: Waiting,
    framing: Framing,
    since: Instant,
    /// Requests that have ended, as of the last look.
    ended: u64,
    reading: IdleTimer,
    writing: IdleTimer,
    /// Since when nothing could be written that was to be.
    stalled: Option<Instant>,
}

/// What the client is expected to do where no request is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// To start a request, or leave.
    ForRequest,
    /// To finish the head it has started.
    ForHead,
}

impl ClientStream {
    pub(super) fn new(stream: TcpStream, limits: Limits, requests: Requests) -> Self {
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

    /// Notes what has come; whether it may go on.
    fn receive(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            match self.preface {
                Some(length) if length < PREFACE.len() => {
                    self.preface = (PREFACE[length] == *byte).then_some(length + 1);
                }
                _ => break,
            }
        }
        // The heads of HTTP/2 cannot be told from its other frames, and have one way of being read.
        if self.check_busy() || self.preface == Some(PREFACE.len()) {
            return true;
        }
        if self.waiting == Waiting::ForRequest {
            self.waiting = Waiting::ForHead;
            self.since = Instant::now();
        }
        !self.framing.push_and_check(bytes)
    }

    /// Says a last word, for which there is room unless the client reads nothing.
    fn refuse(&self, response: &[u8]) {
        let _ = self.stream.try_write(response);
    }

    /// Whether a request is under way. Where one was since the last look, waiting begins anew.
    fn check_busy(&mut self) -> bool {
        let (started, ended) = self.requests.counts();
        if started != ended || ended != self.ended {
            self.ended = ended;
            self.waiting = Waiting::ForRequest;
            self.framing = Framing::default();
            self.since = Instant::now();
        }
        started != ended
    }

    /// Comes to an end when the client has done nothing for too long.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // While a request is under way, this only makes sure to look again.
        self.check_busy();
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
        let since = *self.stalled.get_or_insert_with(Instant::now);
        ready!(self.writing.poll(since, self.limits.idle_timeout, context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let filled = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if read.is_ready() {
            if !this.receive(&buffer.filled()[filled..]) {
                this.refuse(AMBIGUOUS);
                buffer.set_filled(filled);
            }
            return read;
        }
        ready!(this.poll_patience(context));
        if this.waiting == Waiting::ForHead {
            this.refuse(TOO_SLOW);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
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
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// The requests of one connection.
#[derive(Clone, Debug)]
pub(super) struct Requests(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    started: AtomicU64,
    ended: AtomicU64,
    /// Gone when the last one is, and the connection.
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

    /// Returns how many have started, and how many have ended.
    fn counts(&self) -> (u64, u64) {
        (self.0.started.load(Relaxed), self.0.ended.load(Relaxed))
    }
}

/// A request that is under way as long as this is kept: its connection is not idle.
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
