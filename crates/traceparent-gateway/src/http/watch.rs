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

use self::frames::FrameReader;

mod block;
mod frames;

/// The number of streams that are remembered. Their bodies forget them.
const STREAMS: usize = 256;

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

/// A stream of HTTP/2 that finds trailers with pseudo-fields.
#[derive(Debug)]
pub(super) struct WatchedStream<S> {
    stream: S,
    frames: FrameReader,
    /// The last stream that a client opened; `None` for what a client receives.
    last: Option<u32>,
    ends: PseudoEnds,
}

impl<S> WatchedStream<S> {
    /// Watches what a server receives.
    pub(super) fn of_server(stream: S) -> (Self, PseudoEnds) {
        Self::new(stream, FrameReader::of_server(), Some(0))
    }

    /// Watches what a client receives.
    pub(super) fn of_client(stream: S) -> (Self, PseudoEnds) {
        Self::new(stream, FrameReader::default(), None)
    }

    fn new(stream: S, frames: FrameReader, last: Option<u32>) -> (Self, PseudoEnds) {
        let ends = PseudoEnds::default();
        (Self { stream, frames, last, ends: ends.clone() }, ends)
    }

    fn receive(&mut self, bytes: &[u8]) {
        let (last, ends) = (&mut self.last, &self.ends);
        self.frames.push(bytes, |block, has_pseudo| {
            let opens = last.as_mut().is_some_and(|last| {
                let opens = block.stream > *last;
                *last = block.stream.max(*last);
                opens
            });
            if has_pseudo && block.ends_stream && !opens {
                ends.insert(block.stream);
            }
        });
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        this.receive(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

forward_writes!(WatchedStream);
