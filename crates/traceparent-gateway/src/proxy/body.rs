use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use crate::{
    http::{BoxError, Failure, TimeoutBody},
    tracer::SpanBody,
};

/// The body of a response: that of the upstream, or a short text of the gateway.
pub(crate) type ResponseBody = SpanBody<Either<TimeoutBody<Incoming>, Full<Bytes>>>;

/// The body of a request. It keeps the reason for which it did not come to its end, because the error of the client that
/// sends it may be about the upstream's connection.
#[derive(Debug)]
pub(crate) struct RequestBody {
    inner: TimeoutBody<Incoming>,
    failure: Arc<OnceLock<Failure>>,
}

impl RequestBody {
    /// Returns the body, and the cell for the failure of the client.
    pub(crate) fn new(inner: TimeoutBody<Incoming>) -> (Self, Arc<OnceLock<Failure>>) {
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
