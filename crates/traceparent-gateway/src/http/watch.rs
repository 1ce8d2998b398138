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
};

mod answers;
mod block;
mod calm;
mod frames;

pub(super) use self::{answers::AnswerStates, calm::ClientCalm};

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

/// A stream of HTTP/2 that finds trailers with pseudo-fields, floods of a client, and the states of an upstream's answers.
#[derive(Debug)]
pub(super) struct WatchedStream<S> {
    stream: S,
    frames: FrameReader,
    /// The number of frames that have been read since the task last waited.
    turn: u32,
    /// What a server watches beside; `None` for what a client receives.
    client: Option<WatchedClient>,
    pseudo_ends: PseudoEnds,
    /// What a client watches beside.
    answers: Option<AnswerStates>,
}

/// A client that is watched.
#[derive(Debug)]
struct WatchedClient {
    /// The last stream that it opened.
    last: u32,
    count: CalmCount,
    calm: ClientCalm,
}

impl<S> WatchedStream<S> {
    /// Watches what a server receives.
    pub(super) fn of_server(stream: S) -> (Self, PseudoEnds, ClientCalm) {
        let calm = ClientCalm::default();
        let client = WatchedClient { last: 0, count: CalmCount::new(calm.clone()), calm: calm.clone() };
        let pseudo_ends = PseudoEnds::default();
        let watched = Self {
            stream,
            frames: FrameReader::of_server(),
            turn: 0,
            client: Some(client),
            pseudo_ends: pseudo_ends.clone(),
            answers: None,
        };
        (watched, pseudo_ends, calm)
    }

    /// Watches what a client receives.
    pub(super) fn of_client(stream: S) -> (Self, PseudoEnds, AnswerStates) {
        let (pseudo_ends, answers) = (PseudoEnds::default(), AnswerStates::default());
        let watched = Self {
            stream,
            frames: FrameReader::default(),
            turn: 0,
            client: None,
            pseudo_ends: pseudo_ends.clone(),
            answers: Some(answers.clone()),
        };
        (watched, pseudo_ends, answers)
    }

    fn receive(&mut self, bytes: &[u8]) {
        let Self { frames, client, pseudo_ends, answers, .. } = self;
        let end = |stream| answers.iter().for_each(|answers| answers.end(stream));
        frames.push(bytes, |found| match found {
            Found::Head { stream } => answers.iter().for_each(|answers| answers.begin(stream)),
            Found::Block { stream, ends_stream, has_pseudo } => {
                let opens = client.as_mut().is_some_and(|client| {
                    let opens = stream > client.last;
                    client.last = stream.max(client.last);
                    opens
                });
                if has_pseudo && ends_stream && !opens {
                    pseudo_ends.insert(stream);
                }
                if ends_stream {
                    end(stream);
                }
            }
            Found::LastData { stream } => end(stream),
        });
        let FrameCounts { useful, useless } = self.frames.take_counts();
        self.turn = self.turn.saturating_add(useful).saturating_add(useless);
        if let Some(client) = client {
            client.count.receive(useful, useless);
        }
    }

    fn is_flooded(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.calm.is_flooded())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_flooded() {
            // The server, which polls this, looks for it next.
            return Poll::Pending;
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

forward_writes!(WatchedStream);

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
