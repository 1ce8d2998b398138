use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::body::{Body, Frame, SizeHint};

use super::OpenSpan;
use crate::http::{BoxError, Failure};

/// The body of a response. Its spans end when it has been sent, or dropped before.
#[derive(Debug)]
pub(crate) struct SpanBody<B: Body> {
    inner: B,
    ended: bool,
    /// An error that waits until the frames before it had their chance to go out.
    error: Option<BoxError>,
    /// The span of the call that is answered by this body. It ends before the other one.
    call: Option<OpenSpan>,
    span: OpenSpan,
}

impl<B: Body> SpanBody<B> {
    /// Creates the body that answers the request of a span, out of the body that answered a call.
    pub(crate) fn new(inner: B, call: Option<OpenSpan>, span: OpenSpan) -> Self {
        Self { inner, ended: false, error: None, call, span }
    }

    fn failed(&mut self, failure: Failure) {
        if let Some(call) = &mut self.call {
            call.failed(failure);
        }
        self.span.failed(failure);
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
            Some(Ok(frame)) => {
                // Trailers are the last frame, and what sends them does not ask for another.
                self.ended |= frame.is_trailers();
                if let Some(trailers) = frame.trailers_ref() {
                    if let Some(call) = &mut self.call {
                        call.received(trailers);
                    }
                    self.span.received(trailers);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                let error = error.into();
                self.failed(Failure::of_answer(&*error));
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
            if let Some(call) = &mut self.call {
                call.left();
            }
            self.span.left();
        }
    }
}
