use std::{
    convert::Infallible,
    future::{pending, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use hyper::body::{Body, Bytes, Incoming};
use tokio::{select, task::yield_now};

use super::{linger::Linger, stream::UnderWay};

/// The largest rest of a body that is read so that the connection can be used again. A larger one ends the connection.
const SMALL: u64 = 64 * 1024;

/// The length of a body whose head does not tell it.
const UNKNOWN: u64 = u64::MAX;

/// How often the connection has its turn before the answer to a request with such a body.
const TURNS: usize = 16;

/// The bodies of a connection over HTTP/1 that are not read to their ends, because their requests were answered before.
///
/// They are read and dropped beside the answer, so that a client which writes first and reads later comes to read it.
#[derive(Clone, Debug, Default)]
pub(super) struct Rest(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The number of requests with a body so far. The last of them is the current one.
    bodies: u64,
    /// A body that no other task reads any more, and its number.
    body: Option<(u64, Incoming, UnderWay)>,
    /// The length of the current body if it is being dropped, or [`UNKNOWN`]; 0 otherwise.
    length: u64,
    /// Whether the body of the current request has come to an end behind which the next request begins.
    ///
    /// Behind trailers, it may not: the library takes them to the first empty line that ends in CRLF, but their fields to the first
    /// that ends in LF. What is between, such as a request that another server saw there, is lost.
    is_end_known: bool,
    next: Next,
    /// Whether the current answer has come to its end.
    is_answered: bool,
    /// Whether the rest of a body is not read.
    is_cut: bool,
    waker: Option<Waker>,
}

/// What comes behind the current answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Request,
    /// The end of the connection.
    End,
    /// Bytes of another protocol.
    Other,
}

/// The end of one body. The next request may have begun when it is reached, and what is known of that does not change.
#[derive(Debug)]
pub(super) struct BodyEnd {
    rest: Rest,
    number: u64,
}

/// A guard of an answer under way.
#[derive(Debug)]
pub(super) struct Answering(Rest);

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_answered = true;
        state.wake();
    }
}

impl BodyEnd {
    /// Notes that the body has come to its end, without trailers.
    pub(super) fn reached(&self) {
        let mut state = self.rest.lock();
        if state.bodies == self.number {
            state.is_end_known = true;
        }
    }

    /// Reads and drops the rest of the body, which has not come to its end.
    pub(super) fn skip_to(&self, body: Incoming, under_way: UnderWay) {
        let mut state = self.rest.lock();
        // If it is not the current one, the library has read all of it.
        if state.bodies == self.number {
            state.length = body.size_hint().exact().unwrap_or(UNKNOWN);
            state.body = Some((self.number, body, under_way));
            state.wake();
        }
    }
}

impl Rest {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the answer to a request with a body, in chunks or with a length.
    pub(super) fn answering(&self, is_chunked: bool) -> Answering {
        let mut state = self.lock();
        state.bodies += 1;
        state.length = 0;
        state.is_answered = false;
        state.is_end_known = !is_chunked;
        Answering(self.clone())
    }

    /// Returns the end of the current request's body.
    pub(super) fn body_end(&self) -> BodyEnd {
        BodyEnd { rest: self.clone(), number: self.lock().bodies }
    }

    /// Waits for the end of a body of an unknown length, if that has arrived.
    pub(super) async fn settle(&self) {
        for _ in 0..TURNS {
            let State { length, is_end_known, .. } = *self.lock();
            if length != UNKNOWN && is_end_known {
                return;
            }
            yield_now().await;
        }
    }

    /// Returns whether the next request can be read soon: no large body is being dropped, and the end of a chunked one is known.
    pub(super) fn is_short(&self) -> bool {
        let state = self.lock();
        state.length <= SMALL && state.is_end_known
    }

    /// Ends the connection with the current answer.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if state.next == Next::Request {
            state.next = Next::End;
            state.wake();
        }
    }

    /// Notes that the connection has become one of another protocol.
    pub(super) fn switch(&self) {
        self.lock().next = Next::Other;
    }

    /// Returns whether the connection has become one of another protocol.
    pub(super) fn is_switched(&self) -> bool {
        self.lock().next == Next::Other
    }

    /// Returns whether a body was not read to its end.
    pub(super) fn is_cut(&self) -> bool {
        let state = self.lock();
        state.is_cut || state.body.is_some()
    }

    /// Notes that a body is not being dropped any more.
    fn dropped(&self, number: u64, is_read: bool, has_trailers: bool) {
        let mut state = self.lock();
        state.is_cut |= !is_read;
        if state.bodies == number {
            state.length = 0;
            state.is_end_known |= is_read && !has_trailers;
        }
    }

    /// Reads and drops bodies for ever, each within the limits and, if the connection ends, until its answer has.
    pub(super) async fn discard(&self) -> Infallible {
        loop {
            let (number, mut body, under_way) =
                poll_fn(|context| self.lock().poll(context, |state| state.body.take())).await;
            let mut has_trailers = false;
            let all_read = Linger::LONG.drain(|context| {
                let frame = Pin::new(&mut body).poll_frame(context);
                frame.map(|frame| {
                    let frame = frame?.ok()?;
                    has_trailers |= frame.is_trailers();
                    Some(frame.data_ref().map_or(0, Bytes::len))
                })
            });
            let is_read = select! {
                biased;
                is_read = all_read => is_read,
                () = poll_fn(|context| self.lock().poll(context, State::is_over)) => false,
            };
            self.dropped(number, is_read, has_trailers);
            if !is_read {
                drop(body);
                // The connection ends. Its request is under way until then, so that what the library still takes of the body is not
                // taken for a head.
                let _under_way = under_way;
                return pending().await;
            }
        }
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Is ready when there is something to take.
    fn poll<T>(&mut self, context: &mut Context<'_>, take: impl FnOnce(&mut Self) -> Option<T>) -> Poll<T> {
        if let Some(taken) = take(self) {
            return Poll::Ready(taken);
        }
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            self.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }

    fn is_over(&mut self) -> Option<()> {
        (self.next == Next::End && self.is_answered).then_some(())
    }
}
