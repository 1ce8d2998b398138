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

use super::{
    rest::{BodyEnd, Rest},
    stream::UnderWay,
};
use crate::http::{BoxError, stream_body::StreamBody, watch::PseudoEnds};

/// The body of a client's request.
#[derive(Debug)]
pub(crate) struct ClientBody(Inner);

#[derive(Debug)]
enum Inner {
    Empty,
    Http1(Http1Body),
    Http2(StreamBody),
}

/// A body over HTTP/1, which is read to its end even if it is dropped before. Until then, its request is under way.
#[derive(Debug)]
struct Http1Body {
    /// `None` at the end.
    unread: Option<(Incoming, UnderWay)>,
    end: BodyEnd,
}

impl ClientBody {
    pub(super) fn http1(body: Incoming, under_way: &UnderWay, rest: &Rest) -> Self {
        if body.is_end_stream() {
            return Self(Inner::Empty);
        }
        Self(Inner::Http1(Http1Body { unread: Some((body, under_way.clone())), end: rest.body_end() }))
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
            Inner::Empty => Poll::Ready(None),
            Inner::Http1(body) => body.poll(context),
            Inner::Http2(body) => body.poll(context).map(|frame| frame.map_err(Into::into).transpose()),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Http1(body) => body.unread.is_none(),
            Inner::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Http1(body) => {
                body.unread.as_ref().map_or(SizeHint::with_exact(0), |(unread, _)| unread.size_hint())
            }
            Inner::Http2(body) => body.size_hint(),
        }
    }
}

impl Http1Body {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some((unread, _)) = &mut self.unread else { return Poll::Ready(None) };
        let frame = Pin::new(&mut *unread).poll_frame(context);
        let is_last = match &frame {
            // Trailers are the last frame.
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => true,
            Poll::Ready(Some(Ok(_))) if !unread.is_end_stream() => false,
            Poll::Ready(None | Some(Ok(_))) => {
                self.end.reached();
                true
            }
            Poll::Ready(Some(Err(_))) => true,
            Poll::Pending => false,
        };
        if is_last {
            self.unread = None;
        }
        frame.map_err(Into::into)
    }
}

impl Drop for Http1Body {
    fn drop(&mut self) {
        if let Some((unread, under_way)) = self.unread.take() {
            self.end.skip_to(unread, under_way);
        }
    }
}
