use std::{
    error::Error,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use crate::{
    http::{failure::Failure, timer::Alarm},
    tracer::OpenSpan,
};

/// The body of a response: the upstream's, or a few words of our own.
pub(crate) type ResponseBody = SpanBody<Either<Timely<Incoming>, Full<Bytes>>>;

type BoxError = Box<dyn Error + Send + Sync>;

/// A body that ends a span when it has been sent, or given up.
#[derive(Debug)]
pub(crate) struct SpanBody<B: Body> {
    inner: B,
    ended: bool,
    /// An error that is told only when what came before it had its chance to go out.
    error: Option<BoxError>,
    span: OpenSpan,
}

impl<B: Body> SpanBody<B> {
    pub(crate) fn new(inner: B, span: OpenSpan) -> Self {
        Self { inner, ended: false, error: None, span }
    }
}

impl<B: Body<Error: Into<BoxError>> + Unpin> Body for SpanBody<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            Some(Err(error)) => {
                let error = error.into();
                self.span.failed(Failure::of_answer(&*error));
                self.error = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            None => {
                self.ended = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: Body> Drop for SpanBody<B> {
    fn drop(&mut self) {
        if !self.ended && !self.inner.is_end_stream() {
            self.span.failed(Failure::ClientLeft);
        }
    }
}

/// A body that may pause only so long.
#[derive(Debug)]
pub(crate) struct Timely<B> {
    inner: B,
    limit: Option<Duration>,
    /// Since when nothing has come.
    pausing: Option<Instant>,
    alarm: Alarm,
}

/// A body paused for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a body paused for too long")]
pub(crate) struct Paused;

impl<B> Timely<B> {
    pub(crate) fn new(inner: B, limit: Option<Duration>) -> Self {
        Self { inner, limit, pausing: None, alarm: Alarm::default() }
    }

    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(limit) = self.limit else { return Poll::Pending };
        let since = *self.pausing.get_or_insert_with(Instant::now);
        self.alarm.poll(since, limit, context)
    }
}

impl<B: Body<Error: Into<BoxError>> + Unpin> Body for Timely<B> {
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
        ready!(self.poll_patience(context));
        Poll::Ready(Some(Err(Paused.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of a request. It remembers why it did not come to its end, because who sends it on may tell of the upstream's
/// connection and not of the client.
#[derive(Debug)]
pub(crate) struct RequestBody {
    inner: Timely<Incoming>,
    failure: Arc<OnceLock<Failure>>,
}

impl RequestBody {
    /// Returns the body, and where it leaves what it remembers.
    pub(crate) fn new(inner: Timely<Incoming>) -> (Self, Arc<OnceLock<Failure>>) {
        let failure = Arc::default();
        (Self { inner, failure: Arc::clone(&failure) }, failure)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        if let Some(Err(error)) = &frame {
            self.failure.get_or_init(|| Failure::of_request(&**error));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A body that keeps something until it is gone.
#[derive(Debug)]
pub(crate) struct Held<B, T> {
    inner: B,
    _held: T,
}

impl<B, T> Held<B, T> {
    pub(crate) fn new(inner: B, held: T) -> Self {
        Self { inner, _held: held }
    }
}

impl<B: Body + Unpin, T: Unpin> Body for Held<B, T> {
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
