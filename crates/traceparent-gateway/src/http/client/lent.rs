use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::{
    HeaderMap,
    body::{Body, Bytes, Frame, SizeHint},
};
use tokio::sync::oneshot::{self, Receiver, Sender};

use crate::http::headers::section_size;

/// A request's body on its way out, which comes back when it is dropped while all that has been taken from it is still
/// there.
///
/// It is small, because what sends a request moves it often.
#[derive(Debug)]
pub(super) struct LentBody<B>(Option<Box<Lent<B>>>);

/// A body that is not empty.
#[derive(Debug)]
struct Lent<B> {
    body: B,
    has_ended: bool,
    /// What has been taken before, and comes once more.
    replay: VecDeque<Part>,
    taken: VecDeque<Part>,
    /// How many more bytes may be taken and come back.
    room: usize,
    /// `None` where the body does not come back.
    owner: Option<Sender<Returned<B>>>,
}

/// A part of a body that is not empty.
#[derive(Clone, Debug)]
enum Part {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// A body that has come back.
#[derive(Debug)]
pub(super) struct Returned<B> {
    body: B,
    has_ended: bool,
    taken: VecDeque<Part>,
    room: usize,
}

/// Where a lent body comes back.
#[derive(Debug)]
pub(super) enum Return<B> {
    Empty,
    Lent(Receiver<Returned<B>>),
}

impl Part {
    fn new(frame: Frame<Bytes>) -> Option<Self> {
        match frame.into_data() {
            Ok(data) => Some(Self::Data(data)),
            Err(frame) => frame.into_trailers().ok().map(Self::Trailers),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Trailers(trailers) => section_size(trailers),
        }
    }

    fn into_frame(self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data),
            Self::Trailers(trailers) => Frame::trailers(trailers),
        }
    }
}

impl<B: Body<Data = Bytes>> LentBody<B> {
    /// Lends a body, which comes back as long as at most `room` bytes have been taken from it.
    pub(super) fn new(body: B, room: usize) -> (Self, Return<B>) {
        if body.is_end_stream() {
            return (Self::default(), Return::Empty);
        }
        Self::lend(Returned { body, has_ended: false, taken: VecDeque::new(), room })
    }

    /// Lends a body that has come back, once more from its beginning.
    fn lend(returned: Returned<B>) -> (Self, Return<B>) {
        let Returned { body, has_ended, taken: replay, room } = returned;
        let (owner, receiver) = oneshot::channel();
        let lent = Lent { body, has_ended, replay, taken: VecDeque::new(), room, owner: Some(owner) };
        (Self(Some(Box::new(lent))), Return::Lent(receiver))
    }
}

/// An empty body.
impl<B> Default for LentBody<B> {
    fn default() -> Self {
        Self(None)
    }
}

impl<B: Body<Data = Bytes>> Lent<B> {
    /// Notes what is taken, as long as there is room for it and a use.
    fn take(&mut self, part: &Part) {
        let Some(owner) = &self.owner else { return };
        let size = part.size();
        if size > self.room || owner.is_closed() {
            self.owner = None;
            self.taken = VecDeque::new();
        } else if size > 0 {
            self.room -= size;
            self.taken.push_back(part.clone());
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>>
    where
        B: Unpin,
    {
        let part = if let Some(part) = self.replay.pop_front() {
            Some(part)
        } else if self.has_ended || self.body.is_end_stream() {
            return Poll::Ready(None);
        } else {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context)).transpose();
            // What comes after an error is not the rest.
            frame.inspect_err(|_| self.owner = None)?.and_then(Part::new)
        };
        match &part {
            Some(part) => self.take(part),
            None => self.has_ended = true,
        }
        Poll::Ready(part.map(Part::into_frame).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.replay.is_empty() && (self.has_ended || self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let data = self.replay.iter().filter(|part| matches!(part, Part::Data(_)));
        let replay = data.map(|data| data.size() as u64).sum::<u64>();
        let rest = if self.has_ended { SizeHint::with_exact(0) } else { self.body.size_hint() };
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + replay);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + replay);
        }
        hint
    }
}

impl<B: Body<Data = Bytes>> Return<B> {
    /// Waits until the body has been let go, and lends it again, once more from its beginning; `None` if that is gone,
    /// or if anything has been taken and must not be sent twice.
    pub(super) async fn again(self, may_replay: bool) -> Option<(LentBody<B>, Self)> {
        match self {
            Self::Empty => Some((LentBody::default(), Self::Empty)),
            Self::Lent(returned) => {
                let returned = returned.await.ok()?;
                (may_replay || returned.taken.is_empty()).then(|| LentBody::lend(returned))
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
        self.get_mut().0.as_mut().map_or(Poll::Ready(None), |lent| lent.poll(context))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|lent| lent.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |lent| lent.size_hint())
    }
}

impl<B> Drop for LentBody<B> {
    fn drop(&mut self) {
        let Some(lent) = self.0.take() else { return };
        let Lent { body, has_ended, mut replay, mut taken, room, owner } = *lent;
        if let Some(owner) = owner {
            let room = room + taken.iter().map(Part::size).sum::<usize>();
            taken.append(&mut replay);
            let _ = owner.send(Returned { body, has_ended, taken, room });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{convert::Infallible, future::poll_fn};

    use http_body_util::{BodyExt, StreamBody};
    use hyper::header::HeaderValue;

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

    /// A body whose end is told by nothing but the end, and its trailers.
    #[tokio::test]
    async fn a_body_comes_back_after_its_end() {
        let mut sum = HeaderMap::new();
        sum.insert("x-sum", HeaderValue::from_static("7"));
        let frames = [Frame::data(Bytes::from_static(b"data")), Frame::trailers(sum.clone())];
        let frames = frames.into_iter().map(Ok::<_, Infallible>);
        let (mut lent, mut owner) = LentBody::new(StreamBody::new(tokio_stream::iter(frames)), 64);
        for _ in 0..3 {
            assert!(!lent.is_end_stream());
            let whole = Pin::new(&mut lent).collect().await.unwrap();
            assert_eq!(whole.trailers(), Some(&sum));
            assert_eq!(whole.to_bytes(), "data");
            assert!(lent.is_end_stream());
            drop(lent);
            (lent, owner) = owner.again(true).await.unwrap();
        }
        drop(lent);
        assert!(owner.again(false).await.is_none());
    }

    #[tokio::test]
    async fn a_body_that_failed_does_not_come_back() {
        for parts in [vec![Err("lost")], vec![Ok(Frame::data(Bytes::from_static(b"data"))), Err("lost")]] {
            let (lent, owner) = LentBody::new(StreamBody::new(tokio_stream::iter(parts)), 64);
            assert_eq!(lent.collect().await.unwrap_err(), "lost");
            assert!(owner.again(true).await.is_none());
        }
    }

    #[tokio::test]
    async fn a_body_of_nothing_comes_back_after_its_end() {
        let (lent, owner) = LentBody::new(body(&[0]), 0);
        assert_eq!(lent.collect().await.unwrap().to_bytes(), "");
        assert!(owner.again(false).await.is_some());
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
