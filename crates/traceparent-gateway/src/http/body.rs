use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::timer::IdleTimer;

/// The error of any body.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// A body that fails with [`Paused`] after a pause that is too long.
#[derive(Debug)]
pub(crate) struct TimeoutBody<B> {
    inner: B,
    limit: Option<Duration>,
    /// The beginning of the current pause.
    pausing: Option<Instant>,
    timer: IdleTimer,
}

/// The error of a [`TimeoutBody`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a body paused for too long")]
pub(crate) struct Paused;

impl<B> TimeoutBody<B> {
    pub(crate) fn new(inner: B, limit: Option<Duration>) -> Self {
        Self { inner, limit, pausing: None, timer: IdleTimer::default() }
    }

    fn poll_timeout(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(limit) = self.limit else { return Poll::Pending };
        let since = *self.pausing.get_or_insert_with(Instant::now);
        self.timer.poll(since, limit, context)
    }
}

impl<B: Body<Error: Into<BoxError>> + Unpin> Body for TimeoutBody<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            self.pausing = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.poll_timeout(context));
        Poll::Ready(Some(Err(Paused.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A body that owns a guard, which is dropped with it.
#[derive(Debug)]
pub(crate) struct GuardedBody<B, T> {
    inner: B,
    _guard: T,
}

impl<B, T> GuardedBody<B, T> {
    pub(crate) fn new(inner: B, guard: T) -> Self {
        Self { inner, _guard: guard }
    }
}

impl<B: Body + Unpin, T: Unpin> Body for GuardedBody<B, T> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
