use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::{
    HeaderMap,
    body::{Body, Frame, SizeHint},
};

use super::{Insertions, Rest};

/// A body whose trailers are inserted in the place of its last chunk.
#[derive(Debug)]
pub(crate) struct InsertingBody<B> {
    inner: B,
    /// `None` for a receiver that takes no trailers.
    insertions: Option<Insertions>,
    /// Trailers that wait until what is before them has been written.
    trailers: Option<Box<(HeaderMap, Rest)>>,
}

impl<B> InsertingBody<B> {
    /// Wraps the body of a message. Without insertions, or without chunks, its trailers are lost.
    pub(crate) fn new(inner: B, insertions: Option<Insertions>) -> Self {
        Self { inner, insertions, trailers: None }
    }

    /// Waits for the place of trailers, and takes it.
    fn poll_trailers(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(waiting) = &mut self.trailers
            && let Some(insertions) = &self.insertions
        {
            let (trailers, rest) = &mut **waiting;
            ready!(insertions.poll_rest(rest, context));
            insertions.end_with(trailers);
        }
        self.trailers = None;
        Poll::Ready(())
    }
}

impl<B: Body + Unpin> Body for InsertingBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.trailers.is_none() {
            let frame = ready!(Pin::new(&mut self.inner).poll_frame(context)?);
            match frame.map(Frame::into_trailers) {
                Some(Err(frame)) => return Poll::Ready(Some(Ok(frame))),
                Some(Ok(trailers)) => self.trailers = Some(Box::new((trailers, Rest::default()))),
                None => return Poll::Ready(None),
            }
        }
        self.poll_trailers(context).map(|()| None)
    }

    fn is_end_stream(&self) -> bool {
        self.trailers.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
