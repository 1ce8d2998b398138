use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::{
    calm::CalmCount,
    frames::{Found, FrameCounts, FrameReader},
    sent::SentReader,
};

mod answers;
mod block;
mod calm;
mod frames;
mod heads;
mod sent;

pub(super) use self::{answers::AnswerStates, calm::Calm, heads::ReceivedHeads};

/// The number of streams that are remembered. Their bodies forget them.
const STREAMS: usize = 256;

/// The number of frames after which others get their turn. What frames carry waits in memory until its reader has one.
const TURN: u32 = 256;

/// The streams of a connection that ended with pseudo-fields, which are malformed in trailers. The library drops them.
///
/// Heads that are the end of their stream are among them where it cannot be told yet what they are.
///
/// [RFC 9113, section 8.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.1-12)
#[derive(Clone, Debug, Default)]
pub(super) struct PseudoEnds(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// The number of streams, so that the others need no lock.
    count: AtomicUsize,
    streams: Mutex<VecDeque<u32>>,
}

impl PseudoEnds {
    /// Removes a stream, and returns whether it was there.
    pub(super) fn remove(&self, stream: u32) -> bool {
        if self.0.count.load(Relaxed) == 0 {
            return false;
        }
        let mut streams = self.0.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let found = streams.iter().position(|found| *found == stream);
        let is_found = found.and_then(|at| streams.swap_remove_back(at)).is_some();
        self.0.count.store(streams.len(), Relaxed);
        is_found
    }

    fn insert(&self, stream: u32) {
        let mut streams = self.0.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.truncate(STREAMS - 1);
        streams.push_front(stream);
        self.0.count.store(streams.len(), Relaxed);
    }
}

/// A stream of HTTP/2 that finds trailers with pseudo-fields, floods of frames, requests that the library refuses, and the states of
/// an upstream's answers.
#[derive(Debug)]
pub(super) struct WatchedStream<S> {
    stream: S,
    frames: FrameReader,
    /// The number of frames that have been read since the task last waited.
    turn: u32,
    pseudo_ends: PseudoEnds,
    count: CalmCount,
    calm: Calm,
    end: OtherEnd,
}

/// The other end of a connection, and what is watched of it beside.
#[derive(Debug)]
enum OtherEnd {
    Client {
        /// The last stream that it opened.
        last: u32,
        heads: ReceivedHeads,
        sent: SentReader,
    },
    Upstream(AnswerStates),
}

impl<S> WatchedStream<S> {
    /// Watches what a server receives.
    pub(super) fn of_server(stream: S) -> (Self, PseudoEnds, Calm, ReceivedHeads) {
        let heads = ReceivedHeads::default();
        let end = OtherEnd::Client { last: 0, heads: heads.clone(), sent: SentReader::default() };
        let (watched, pseudo_ends, calm) = Self::new(stream, FrameReader::of_server(), end);
        (watched, pseudo_ends, calm, heads)
    }

    /// Watches what a client receives.
    pub(super) fn of_client(stream: S) -> (Self, PseudoEnds, Calm, AnswerStates) {
        let answers = AnswerStates::default();
        let (watched, pseudo_ends, calm) =
            Self::new(stream, FrameReader::default(), OtherEnd::Upstream(answers.clone()));
        (watched, pseudo_ends, calm, answers)
    }

    fn new(stream: S, frames: FrameReader, end: OtherEnd) -> (Self, PseudoEnds, Calm) {
        let (pseudo_ends, calm) = (PseudoEnds::default(), Calm::default());
        let watched = Self {
            stream,
            frames,
            turn: 0,
            pseudo_ends: pseudo_ends.clone(),
            count: CalmCount::new(calm.clone()),
            calm: calm.clone(),
            end,
        };
        (watched, pseudo_ends, calm)
    }

    fn receive(&mut self, bytes: &[u8]) {
        let Self { frames, pseudo_ends, end, .. } = self;
        frames.push(bytes, |found| {
            let opens = end.receive(found);
            if let Found::Block { stream, ends_stream: true, has_pseudo: true } = found
                && !opens
            {
                pseudo_ends.insert(stream);
            }
        });
        let FrameCounts { useful, useless } = self.frames.take_counts();
        self.turn = self.turn.saturating_add(useful).saturating_add(useless);
        self.count.receive(useful, useless);
    }

    /// Takes note of bytes that have been sent: of the slices, this many.
    fn send<'a>(&mut self, slices: impl IntoIterator<Item = &'a [u8]>, mut length: usize) {
        let OtherEnd::Client { heads, sent, .. } = &mut self.end else { return };
        for slice in slices {
            let part = slice.get(..length).unwrap_or(slice);
            sent.push(part, |sent| heads.send(sent));
            length -= part.len();
        }
    }
}

impl OtherEnd {
    /// Takes note of a part of a stream, and returns whether it is the head of a request.
    fn receive(&mut self, found: Found) -> bool {
        match (self, found) {
            (Self::Client { last, heads, .. }, Found::Head { stream }) if stream > *last => heads.receive(stream),
            (Self::Client { last, .. }, Found::Block { stream, .. }) if stream > *last => {
                *last = stream;
                return true;
            }
            (Self::Upstream(answers), Found::Head { stream }) => answers.begin(stream),
            (Self::Upstream(answers), Found::Block { stream, ends_stream: true, .. } | Found::LastData { stream }) => {
                answers.end(stream);
            }
            _ => {}
        }
        false
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.calm.is_flooded() {
            return match this.end {
                // The server, which polls this, looks for it next.
                OtherEnd::Client { .. } => Poll::Pending,
                OtherEnd::Upstream(_) => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
            };
        }
        if this.turn >= TURN {
            this.turn = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if read.is_pending() {
            this.turn = 0;
        }
        ready!(read)?;
        this.receive(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(context, bytes))?;
        this.send([bytes], written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(context, slices))?;
        this.send(slices.iter().map(|slice| &**slice), written);
        Poll::Ready(Ok(written))
    }

    forward_rest!();
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn others_get_their_turn_while_many_frames_arrive() {
        // PING, so that each frame is small.
        let bytes = [&[0, 0, 8, 6, 0, 0, 0, 0, 0], &[0; 8][..]].concat().repeat(8 * TURN as usize);
        let (mut watched, ..) = WatchedStream::of_client(&bytes[..]);
        let mut context = Context::from_waker(Waker::noop());
        let (mut read, mut pauses) = (0, 0);
        while read < bytes.len() {
            let mut space = [0; 1024];
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut watched).poll_read(&mut context, &mut buffer) {
                Poll::Ready(result) => {
                    assert!(result.is_ok());
                    read += buffer.filled().len();
                }
                Poll::Pending => pauses += 1,
            }
        }
        assert!((6..=8).contains(&pauses), "{pauses}");
    }
}
