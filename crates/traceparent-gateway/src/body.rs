use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use crate::{failure::Failure, tracer::OpenSpan};

/// The body of a response: the upstream's, or a few words of our own.
pub(crate) type ResponseBody = SpanBody<Either<Incoming, Full<Bytes>>>;

/// A body that ends a span when it has been sent, or given up.
#[derive(Debug)]
pub(crate) struct SpanBody<B: Body> {
    inner: B,
    ended: bool,
    span: OpenSpan,
}

impl<B: Body> SpanBody<B> {
    pub(crate) fn new(inner: B, span: OpenSpan) -> Self {
        Self { inner, ended: false, span }
    }
}

impl<B: Body + Unpin> Body for SpanBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match frame {
            Some(Ok(_)) => {}
            Some(Err(_)) => self.span.failed(Failure::AnswerCut),
            None => self.ended = true,
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

impl<B: Body> Drop for SpanBody<B> {
    fn drop(&mut self) {
        if !self.ended && !self.inner.is_end_stream() {
            self.span.failed(Failure::ClientLeft);
        }
    }
}
