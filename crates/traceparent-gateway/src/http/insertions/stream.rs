use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Insertions;

/// A stream with insertions.
#[derive(Debug)]
pub(crate) struct InsertingStream<S> {
    stream: S,
    insertions: Insertions,
}

impl<S> InsertingStream<S> {
    pub(crate) fn new(stream: S, insertions: Insertions) -> Self {
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
        let written = ready!(match slices {
            // The system takes less time for one buffer than for a list of one.
            [slice] => Pin::new(stream).poll_write(context, slice),
            _ => Pin::new(stream).poll_write_vectored(context, slices),
        })?;
        state.is_inside = true;
        state.drops_continue = false;
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
