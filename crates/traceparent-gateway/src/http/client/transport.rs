use std::{
    io, mem,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connect::Connected;
use crate::http::{Failure, TlsFailure, tls, upstream_places::UpstreamPlace};

/// What is known of a connection beside its bytes.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) peer: SocketAddr,
    place: Option<UpstreamPlace>,
    received: AtomicU64,
    /// How often there was room again for bytes that had to wait.
    made_room: AtomicU64,
    write_failed: AtomicBool,
    is_cut: AtomicBool,
    /// How TLS has ended the connection.
    tls_failure: OnceLock<TlsFailure>,
}

impl Transport {
    /// Returns how many bytes have been received.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Returns a number that changes whenever the upstream shows that it is there: it sends, or takes what had to wait.
    pub(super) fn signs_of_life(&self) -> u64 {
        self.received().wrapping_add(self.made_room.load(Relaxed))
    }

    /// Returns whether the connection should not be kept for later.
    pub(super) fn is_scarce(&self) -> bool {
        self.place.as_ref().is_some_and(UpstreamPlace::is_scarce)
    }

    /// Returns the failure of a connection that has ended without an answer.
    pub(super) fn failure(&self) -> Failure {
        self.tls_failure.get().map_or(Failure::NoAnswer, |failure| Failure::Tls(*failure))
    }

    /// Ends the connection, whatever the upstream still sends.
    pub(super) fn cut(&self) {
        self.is_cut.store(true, Relaxed);
    }

    /// Returns whether the upstream takes no more bytes.
    pub(super) fn is_write_closed(&self) -> bool {
        self.write_failed.load(Relaxed)
    }
}

/// A stream that counts what it receives, and how often writing goes on.
///
/// Bytes that can no longer be written are dropped without an error. An upstream may answer a request early and close
/// the connection: its answer, or its absence, is found by reading.
#[derive(Debug)]
pub(super) struct TransportStream<S> {
    stream: S,
    transport: Arc<Transport>,
    /// Whether bytes have to wait.
    is_full: bool,
}

impl<S> TransportStream<S> {
    pub(super) fn new(connected: Connected<S>) -> (Self, Arc<Transport>) {
        let Connected { stream, peer, place, .. } = connected;
        let transport = Arc::new(Transport {
            peer,
            place,
            received: AtomicU64::new(0),
            made_room: AtomicU64::new(0),
            write_failed: AtomicBool::new(false),
            is_cut: AtomicBool::new(false),
            tls_failure: OnceLock::new(),
        });
        (Self { stream, transport: Arc::clone(&transport), is_full: false }, transport)
    }

    /// Notes whether bytes have to wait, and turns a failed write into one of everything.
    fn poll_written<T>(&mut self, written: Poll<io::Result<T>>, everything: T) -> Poll<io::Result<T>> {
        let was_full = mem::replace(&mut self.is_full, written.is_pending());
        if was_full && !self.is_full {
            self.transport.made_room.fetch_add(1, Relaxed);
        }
        Poll::Ready(ready!(written).or_else(|_| {
            self.transport.write_failed.store(true, Relaxed);
            Ok(everything)
        }))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TransportStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.transport.is_cut.load(Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut this.stream).poll_read(context, buffer));
        let received = buffer.filled().len().saturating_sub(before);
        this.transport.received.fetch_add(received as u64, Relaxed);
        if let Some(failure) = read.as_ref().err().and_then(tls::failure) {
            this.transport.tls_failure.get_or_init(|| failure);
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TransportStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.transport.is_write_closed() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.poll_written(written, bytes.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let everything = slices.iter().map(|slice| slice.len()).sum();
        if this.transport.is_write_closed() {
            return Poll::Ready(Ok(everything));
        }
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.poll_written(written, everything)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        this.poll_written(flushed, ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
