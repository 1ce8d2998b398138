use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use hyper::{HeaderMap, Response};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The interim response that hyper writes when the body of a request is read that waits for it. The upstream's goes in
/// its place.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The end of a chunked body, as hyper writes it.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The bytes that a connection writes beside those of hyper, which knows neither interim responses of a server nor
/// trailers that the head has not declared.
///
/// Both have their place where one message has been written and the next one, or its end, has not begun: when hyper
/// flushes, nothing is left in its buffer.
#[derive(Clone, Debug, Default)]
pub(super) struct Insertions(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// How often everything has been written.
    flushes: u64,
    /// Whether hyper has written bytes since.
    is_inside: bool,
    /// Whether hyper may write its own interim response.
    expects: bool,
    /// What is written before more bytes of hyper.
    bytes: Vec<u8>,
    written: usize,
    /// What is written in the place of the last chunk.
    last_chunk: Option<Vec<u8>>,
    waker: Option<Waker>,
}

/// A wait until everything before has been written.
#[derive(Debug, Default)]
pub(super) struct Rest(Option<u64>);

impl Insertions {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prepares for a message, whose request may expect an interim response. What was left of the one before goes.
    pub(super) fn start(&self, expects: bool) {
        let mut state = self.lock();
        state.expects = expects;
        state.last_chunk = None;
    }

    /// Is ready when everything has been written since the first call.
    pub(super) fn poll_rest(&self, rest: &mut Rest, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        let since = *rest.0.get_or_insert(state.flushes);
        if state.flushes > since {
            return Poll::Ready(());
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Waits until everything has been written.
    pub(super) async fn rest(&self) {
        let mut rest = Rest::default();
        poll_fn(|context| self.poll_rest(&mut rest, context)).await;
    }

    /// Writes an interim response, before the answer, once everything before has been written.
    pub(super) async fn write_interim(&self, response: &Response<()>) {
        self.rest().await;
        let status = response.status();
        let head = format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default());
        let bytes = &mut self.lock().bytes;
        bytes.extend(head.as_bytes());
        write_fields(response.headers(), bytes);
    }

    /// Ends the current message with these trailers if it is chunked. Everything before has been written.
    pub(super) fn end_with(&self, trailers: &HeaderMap) {
        let mut bytes = b"0\r\n".to_vec();
        write_fields(trailers, &mut bytes);
        self.lock().last_chunk = Some(bytes);
    }
}

fn write_fields(fields: &HeaderMap, bytes: &mut Vec<u8>) {
    for (name, value) in fields {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
}

impl State {
    /// Returns how many bytes of hyper others have replaced.
    fn replace(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.is_inside {
            return None;
        }
        if self.expects && bytes.starts_with(CONTINUE) {
            return Some(CONTINUE.len());
        }
        let last_chunk = self.last_chunk.take_if(|_| bytes.starts_with(LAST_CHUNK))?;
        self.bytes.extend(last_chunk);
        Some(LAST_CHUNK.len())
    }

    fn poll_write<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(bytes) = self.bytes.get(self.written..).filter(|bytes| !bytes.is_empty()) {
            match ready!(Pin::new(&mut *stream).poll_write(context, bytes))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        self.bytes = Vec::new();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

/// A stream with insertions.
#[derive(Debug)]
pub(super) struct InsertingStream<S> {
    stream: S,
    insertions: Insertions,
}

impl<S> InsertingStream<S> {
    pub(super) fn new(stream: S, insertions: Insertions) -> Self {
        Self { stream, insertions }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for InsertingStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for InsertingStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, insertions } = self.get_mut();
        let mut state = insertions.lock();
        ready!(state.poll_write(stream, context))?;
        let first = slices.iter().find(|slice| !slice.is_empty());
        if let Some(replaced) = first.and_then(|slice| state.replace(slice)) {
            return Poll::Ready(Ok(replaced));
        }
        let written = ready!(Pin::new(stream).poll_write_vectored(context, slices))?;
        state.is_inside = true;
        state.expects = false;
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, insertions } = self.get_mut();
        let mut state = insertions.lock();
        ready!(state.poll_write(stream, context))?;
        ready!(Pin::new(stream).poll_flush(context))?;
        state.flushes += 1;
        state.is_inside = false;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, insertions } = self.get_mut();
        ready!(insertions.lock().poll_write(stream, context))?;
        Pin::new(stream).poll_shutdown(context)
    }
}
