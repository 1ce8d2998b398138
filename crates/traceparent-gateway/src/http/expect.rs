use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::{
    HeaderMap, StatusCode,
    body::{Body, Frame, SizeHint},
};
use tokio::time::{Sleep, sleep};

use super::{
    BoxError,
    interim::{Expectation, Interim},
};

/// How long an upstream may take to say that it wants a body. Some never do.
const PATIENCE: Duration = Duration::from_secs(1);

/// A body that its client sends only when it is told to.
///
/// The upstream tells it, by 100 (Continue). One that stays silent for a second gets the body nevertheless; one that
/// answers without it never does.
///
/// [RFC 9110, section 10.1.1](https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1)
#[derive(Debug)]
pub(crate) struct ExpectBody<B> {
    inner: B,
    /// `None` when the body is sent.
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    interim: Interim,
    patience: Pin<Box<Sleep>>,
}

/// The error of an [`ExpectBody`] that was not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer came without the body")]
struct Unwanted;

impl<B: Body> ExpectBody<B> {
    /// Wraps a body, whose client gets these interim responses.
    pub(crate) fn new(inner: B, interim: &Interim) -> Self {
        let waits = interim.is_expected() && !inner.is_end_stream();
        let waiting = waits.then(|| Waiting { interim: interim.clone(), patience: Box::pin(sleep(PATIENCE)) });
        Self { inner, waiting }
    }
}

impl Waiting {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Unwanted>> {
        if self.interim.is_expected() && self.patience.as_mut().poll(context).is_ready() {
            self.interim.send(StatusCode::CONTINUE, &HeaderMap::new());
        }
        self.interim.poll_expectation(context).map(|outcome| match outcome {
            Expectation::Over => Err(Unwanted),
            _ => Ok(()),
        })
    }
}

impl<B: Body<Error: Into<BoxError>> + Unpin> Body for ExpectBody<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.poll(context))?;
            self.waiting = None;
        }
        Pin::new(&mut self.inner).poll_frame(context).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
