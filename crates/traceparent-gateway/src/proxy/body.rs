use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

use super::access::LoggedBody;
use crate::{
    http::{AnswerBody, Answered, BoxError, ClientBody, ExpectBody, Failure, GuardedBody, TimeoutBody, TrailersBody},
    tracer::SpanBody,
};

/// The body of a response: that of the upstream, or a short text of the gateway. It is on the heap, because what sends it
/// moves it often.
pub(crate) type ResponseBody = Box<LoggedBody<SpanBody<Either<UpstreamBody, Full<Bytes>>>>>;

/// The body of an upstream's answer, which ends the wait for that of the request.
pub(super) type UpstreamBody = GuardedBody<ForwardedBody<AnswerBody>, Answered>;

/// A body that is forwarded.
pub(super) type ForwardedBody<B> = TrailersBody<TimeoutBody<B>>;

/// The body of a request. It keeps the reason for which it did not come to its end, because the error of the client that
/// sends it may be about the upstream's connection.
#[derive(Debug)]
pub(crate) struct RequestBody {
    inner: ExpectBody<ForwardedBody<ClientBody>>,
    progress: Arc<RequestProgress>,
}

/// The progress of a request on its way to the upstream.
#[derive(Debug)]
pub(crate) struct RequestProgress {
    failure: OnceLock<Failure>,
    /// The beginning of the upstream's turn; `None` while the client's body is waited for.
    since: Mutex<Option<Instant>>,
    /// The number of bytes of the body.
    received: AtomicU64,
}

impl RequestProgress {
    /// Returns the number of bytes that have been received of the body.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Returns the reason for which the body did not come to its end.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure.get().copied()
    }

    /// Waits until a turn of the upstream has taken this long.
    pub(crate) async fn overdue(&self, limit: Duration) {
        loop {
            let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            // A turn that has not begun cannot end earlier than one that begins now.
            let deadline = since.unwrap_or(now) + limit;
            if deadline <= now {
                return;
            }
            sleep_until(deadline).await;
        }
    }

    fn set(&self, since: Option<Instant>) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

impl RequestBody {
    /// Returns the body, and its progress.
    pub(crate) fn new(inner: ExpectBody<ForwardedBody<ClientBody>>) -> (Self, Arc<RequestProgress>) {
        let since = Mutex::new(Some(Instant::now()));
        let progress = Arc::new(RequestProgress { failure: OnceLock::new(), since, received: AtomicU64::new(0) });
        (Self { inner, progress: Arc::clone(&progress) }, progress)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) else {
            self.progress.set(None);
            return Poll::Pending;
        };
        self.progress.set(Some(Instant::now()));
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.progress.received.fetch_add(bytes as u64, Relaxed);
            }
            Some(Err(error)) => drop(self.progress.failure.get_or_init(|| Failure::of_request(&**error))),
            None => {}
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
