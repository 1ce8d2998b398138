use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::{
    body::{Body, Frame, SizeHint},
    rt::Executor,
};
use tokio::{task_local, time::Instant};

use crate::http::timer::IdleTimer;

task_local! {
    /// The progress of the stream whose task runs.
    static PROGRESS: Arc<Progress>;
}

/// The progress of the response on one stream of HTTP/2.
#[derive(Debug, Default)]
struct Progress {
    /// The time at which the body gave the data that waits for the client's window; `None` while the body is waited for.
    since: Mutex<Option<Instant>>,
}

impl Progress {
    fn set(&self, since: Option<Instant>) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn since(&self) -> Option<Instant> {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An executor of the streams of one connection. It resets a stream whose client takes nothing for too long: flow control
/// would let it, and the connection to the upstream, wait for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamExecutor {
    pub(super) idle_timeout: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, stream: F) {
        let progress = Arc::<Progress>::default();
        let limit = self.idle_timeout;
        tokio::spawn(PROGRESS.scope(Arc::clone(&progress), async move {
            let mut stream = Box::pin(stream);
            let mut timer = IdleTimer::default();
            // Dropping the stream resets it.
            std::future::poll_fn(|context| {
                if stream.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                match progress.since() {
                    Some(since) => timer.poll(since, limit, context),
                    None => Poll::Pending,
                }
            })
            .await;
        }));
    }
}

/// The body of a response, which notes for the stream's task whether its data waits for the client.
#[derive(Debug)]
pub(super) struct ProgressBody<B> {
    inner: B,
}

impl<B> ProgressBody<B> {
    pub(super) fn new(inner: B) -> Self {
        Self { inner }
    }
}

impl<B: Body + Unpin> Body for ProgressBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        let is_data = matches!(&frame, Poll::Ready(Some(Ok(frame))) if frame.is_data());
        // HTTP/1 has no task for each stream, and its connection notices by itself.
        let _ = PROGRESS.try_with(|progress| progress.set(is_data.then(Instant::now)));
        Poll::Ready(ready!(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
