use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use h2::RecvStream;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::task::JoinHandle;

use super::{BoxError, liveness::Slot, pipe::Pipe};

/// The body of an upstream's answer.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    Http1(Incoming),
    Http2(Http2Body),
}

/// A body that is received over a stream of HTTP/2. It is complete only if the stream says so.
#[derive(Debug)]
pub(crate) struct Http2Body {
    stream: RecvStream,
    has_ended: bool,
    /// What still sends the request's body.
    pipe: Option<JoinHandle<()>>,
    _slot: Option<Slot>,
}

impl Http2Body {
    pub(super) fn new<B>(stream: RecvStream, pipe: Option<Pipe<B>>, slot: Option<Slot>) -> Self
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        Self { has_ended: stream.is_end_stream(), stream, pipe: pipe.map(tokio::spawn), _slot: slot }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, h2::Error>> {
        if let Some(data) = ready!(self.stream.poll_data(context)).transpose()? {
            self.stream.flow_control().release_capacity(data.len())?;
            self.has_ended = self.stream.is_end_stream();
            return Poll::Ready(Ok(Some(Frame::data(data))));
        }
        let trailers = ready!(self.stream.poll_trailers(context))?;
        self.has_ended = true;
        Poll::Ready(Ok(trailers.map(Frame::trailers)))
    }
}

impl Drop for Http2Body {
    fn drop(&mut self) {
        // After a complete answer the upstream may still want the rest of the request.
        if let Some(pipe) = self.pipe.take().filter(|_| !self.has_ended) {
            pipe.abort();
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.get_mut() {
            Self::Http1(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Self::Http2(body) => body.poll(context).map(|frame| frame.map_err(Into::into).transpose()),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) if body.stream.is_end_stream() => SizeHint::with_exact(0),
            Self::Http2(_) => SizeHint::default(),
        }
    }
}
