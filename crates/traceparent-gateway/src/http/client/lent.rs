use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::oneshot::{self, Receiver, Sender};

/// A request's body on its way out, which comes back if nothing has been taken from it.
#[derive(Debug)]
pub(super) struct LentBody<B> {
    /// `None` for an empty body.
    body: Option<B>,
    /// `None` once anything has been taken.
    owner: Option<Sender<B>>,
}

/// Where a lent body comes back.
#[derive(Debug)]
pub(super) enum Return<B> {
    Empty,
    Lent(Receiver<B>),
}

impl<B: Body> LentBody<B> {
    /// Lends a body.
    pub(super) fn new(body: B) -> (Self, Return<B>) {
        if body.is_end_stream() {
            return (Self { body: None, owner: None }, Return::Empty);
        }
        let (owner, receiver) = oneshot::channel();
        (Self { body: Some(body), owner: Some(owner) }, Return::Lent(receiver))
    }
}

impl<B: Body> Return<B> {
    /// Waits until the body has been let go, and lends it again; `None` if anything has been taken from it.
    pub(super) async fn again(self) -> Option<(LentBody<B>, Self)> {
        match self {
            Self::Empty => Some((LentBody { body: None, owner: None }, Self::Empty)),
            Self::Lent(body) => body.await.ok().map(LentBody::new),
        }
    }
}

impl<B: Body + Unpin> Body for LentBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(context));
        this.owner = None;
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B> Drop for LentBody<B> {
    fn drop(&mut self) {
        if let (Some(owner), Some(body)) = (self.owner.take(), self.body.take()) {
            let _ = owner.send(body);
        }
    }
}
