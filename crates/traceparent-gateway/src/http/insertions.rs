use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use hyper::{HeaderMap, Response};
use tokio::io::AsyncWrite;

pub(crate) use self::{body::InsertingBody, stream::InsertingStream};

mod body;
mod stream;

/// The interim response that hyper writes when the body of a request is read that waits for it. The upstream's goes in
/// its place.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The end of a chunked body, as hyper writes it.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The bytes that a connection of HTTP/1 writes beside those of hyper, which knows neither interim responses of a server
/// nor trailers that the head has not declared.
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
    /// Whether the next message may be an interim response of hyper.
    drops_continue: bool,
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

    /// Takes hyper's next message for its own interim response if it looks like it, and drops it.
    pub(super) async fn drop_continue(&self) {
        self.rest().await;
        self.lock().drops_continue = true;
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
        if self.drops_continue && bytes.starts_with(CONTINUE) {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
