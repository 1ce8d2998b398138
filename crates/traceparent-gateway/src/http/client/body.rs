use std::{
    pin::Pin,
    task::{Context, Poll},
};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::task::JoinHandle;

use super::{BoxError, liveness::Slot};
use crate::http::{pipe::Pipe, stream_body::StreamBody};

/// The body of an upstream's answer.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    Http1(Incoming),
    Http2(Http2Body),
}

/// The body of an answer over HTTP/2.
#[derive(Debug)]
pub(crate) struct Http2Body {
    inner: StreamBody,
    /// The task that still sends the request's body. Its slot is given back when both the task and this have ended.
    pipe: Option<JoinHandle<Option<Slot>>>,
    /// The slot of a request whose body has been sent.
    _slot: Option<Slot>,
}

impl Http2Body {
    pub(super) fn new<B>(inner: StreamBody, pipe: Option<Pipe<B>>, mut slot: Option<Slot>) -> Self
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let pipe = pipe.map(|pipe| {
            let slot = slot.take();
            tokio::spawn(async {
                // How the request's stream ends is told with its answer.
                drop(pipe.await);
                slot
            })
        });
        Self { inner, pipe, _slot: slot }
    }
}

impl Drop for Http2Body {
    fn drop(&mut self) {
        // After a complete answer the upstream may still want the rest of the request.
        if let Some(pipe) = self.pipe.take().filter(|_| !self.inner.has_ended()) {
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
            Self::Http2(body) => body.inner.poll(context).map(|frame| frame.map_err(Into::into).transpose()),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.inner.size_hint(),
        }
    }
}
