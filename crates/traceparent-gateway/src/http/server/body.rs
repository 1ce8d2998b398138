use std::{
    pin::Pin,
    task::{Context, Poll},
};

use h2::RecvStream;
use hyper::{
    HeaderMap,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    header::CONTENT_LENGTH,
};

use crate::http::{BoxError, stream_body::StreamBody, watch::PseudoEnds};

/// The body of a client's request.
#[derive(Debug)]
pub(crate) struct ClientBody(Inner);

#[derive(Debug)]
enum Inner {
    Http1(Incoming),
    Http2(StreamBody),
}

impl ClientBody {
    pub(super) fn http1(body: Incoming) -> Self {
        Self(Inner::Http1(body))
    }

    /// Creates the body that follows a head over HTTP/2.
    pub(super) fn http2(stream: RecvStream, head: &HeaderMap, pseudo_ends: PseudoEnds) -> Self {
        // The library has compared all fields, and compares the length with that of the data.
        let length = head.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        Self(Inner::Http2(StreamBody::new(stream, length, pseudo_ends)))
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut self.get_mut().0 {
            Inner::Http1(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Inner::Http2(body) => body.poll(context).map(|frame| frame.map_err(Into::into).transpose()),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Http1(body) => body.is_end_stream(),
            Inner::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Http1(body) => body.size_hint(),
            Inner::Http2(body) => body.size_hint(),
        }
    }
}
