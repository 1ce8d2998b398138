use std::{
    collections::VecDeque,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::oneshot::{self, Receiver, Sender};

/// A request's body on its way out, which comes back when it is dropped while all that has been taken from it is still
/// there.
#[derive(Debug)]
pub(super) struct LentBody<B> {
    /// `None` for an empty body.
    body: Option<B>,
    /// What has been taken before, and comes once more.
    replay: VecDeque<Bytes>,
    taken: VecDeque<Bytes>,
    /// How many more bytes may be taken and come back.
    room: usize,
    /// `None` where the body does not come back.
    owner: Option<Sender<Returned<B>>>,
}

/// A body that has come back.
#[derive(Debug)]
pub(super) struct Returned<B> {
    body: B,
    taken: VecDeque<Bytes>,
    room: usize,
}

/// Where a lent body comes back.
#[derive(Debug)]
pub(super) enum Return<B> {
    Empty,
    Lent(Receiver<Returned<B>>),
}

impl<B: Body<Data = Bytes>> LentBody<B> {
    /// Lends a body, which comes back as long as at most `room` bytes have been taken from it.
    pub(super) fn new(body: B, room: usize) -> (Self, Return<B>) {
        if body.is_end_stream() { (Self::empty(), Return::Empty) } else { Self::lend(body, VecDeque::new(), room) }
    }

    fn lend(body: B, replay: VecDeque<Bytes>, room: usize) -> (Self, Return<B>) {
        let (owner, receiver) = oneshot::channel();
        let lent = Self { body: Some(body), replay, taken: VecDeque::new(), room, owner: Some(owner) };
        (lent, Return::Lent(receiver))
    }

    fn empty() -> Self {
        Self { body: None, replay: VecDeque::new(), taken: VecDeque::new(), room: 0, owner: None }
    }

    /// Notes what is taken, as long as there is room for it and a use.
    fn take(&mut self, frame: Option<&Bytes>) {
        let Some(owner) = &self.owner else { return };
        match frame {
            Some(data) if data.len() <= self.room && !owner.is_closed() => {
                self.room -= data.len();
                self.taken.push_back(data.clone());
            }
            _ => {
                self.owner = None;
                self.taken = VecDeque::new();
            }
        }
    }
}

impl<B: Body<Data = Bytes>> Return<B> {
    /// Waits until the body has been let go, and lends it again, once more from its beginning; `None` if that is gone,
    /// or if anything has been taken and must not be sent twice.
    pub(super) async fn again(self, may_replay: bool) -> Option<(LentBody<B>, Self)> {
        match self {
            Self::Empty => Some((LentBody::empty(), Self::Empty)),
            Self::Lent(returned) => {
                let Returned { body, taken, room } = returned.await.ok()?;
                (may_replay || taken.is_empty()).then(|| LentBody::lend(body, taken, room))
            }
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for LentBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        if let Some(data) = this.replay.pop_front() {
            this.take(Some(&data));
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let Some(body) = this.body.as_mut().filter(|body| !body.is_end_stream()) else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(context)).transpose()?;
        this.take(frame.as_ref().and_then(Frame::data_ref));
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.replay.is_empty() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let replay = self.replay.iter().map(|data| data.len() as u64).sum::<u64>();
        let rest = self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + replay);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + replay);
        }
        hint
    }
}

impl<B> Drop for LentBody<B> {
    fn drop(&mut self) {
        if let (Some(owner), Some(body)) = (self.owner.take(), self.body.take()) {
            let mut taken = mem::take(&mut self.taken);
            let room = self.room + taken.iter().map(Bytes::len).sum::<usize>();
            taken.append(&mut self.replay);
            let _ = owner.send(Returned { body, taken, room });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{convert::Infallible, future::poll_fn};

    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    fn body(parts: &[usize]) -> impl Body<Data = Bytes, Error = Infallible> + Unpin + use<> {
        let frames: Vec<_> = parts.iter().map(|length| Ok(Frame::data(vec![b'x'; *length].into()))).collect();
        StreamBody::new(tokio_stream::iter(frames))
    }

    /// Takes some of the parts, drops the body, and returns the length of the body that is lent again.
    async fn lent_again(parts: &[usize], taken: usize, may_replay: bool) -> Option<usize> {
        let (mut lent, owner) = LentBody::new(body(parts), 64);
        for _ in 0..taken {
            poll_fn(|context| Pin::new(&mut lent).poll_frame(context)).await.unwrap().unwrap();
        }
        drop(lent);
        let (lent, _owner) = owner.again(may_replay).await?;
        Some(lent.collect().await.unwrap().to_bytes().len())
    }

    #[tokio::test]
    async fn an_untouched_body_comes_back() {
        assert_eq!(lent_again(&[3, 4], 0, false).await, Some(7));
    }

    #[tokio::test]
    async fn a_touched_body_comes_back_only_to_be_replayed() {
        assert_eq!(lent_again(&[3, 4], 1, false).await, None);
        assert_eq!(lent_again(&[3, 4], 1, true).await, Some(7));
        assert_eq!(lent_again(&[3, 4], 2, true).await, Some(7));
    }

    #[tokio::test]
    async fn a_long_body_does_not_come_back() {
        assert_eq!(lent_again(&[64, 1], 1, true).await, Some(65));
        assert_eq!(lent_again(&[64, 1], 2, true).await, None);
    }

    #[tokio::test]
    async fn a_body_is_replayed_more_than_once() {
        let (mut lent, mut owner) = LentBody::new(body(&[3, 4]), 7);
        for _ in 0..3 {
            poll_fn(|context| Pin::new(&mut lent).poll_frame(context)).await.unwrap().unwrap();
            drop(lent);
            (lent, owner) = owner.again(true).await.unwrap();
        }
        assert_eq!(lent.collect().await.unwrap().to_bytes().len(), 7);
    }
}
