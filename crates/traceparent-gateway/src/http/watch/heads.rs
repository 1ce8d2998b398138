use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use h2::Reason;

use super::sent::Sent;
use crate::http::Failure;

/// The number of heads that are remembered. The library takes fewer streams at a time.
const HEADS: usize = 256;

/// The texts of the library's GOAWAY about a head that is much too large, or has too many parts.
const TOO_LARGE: [&[u8]; 2] = [b"header_list_way_too_large", b"too_many_continuations"];

/// The heads of requests on a connection that have been received, at least in part, until the server takes the requests.
///
/// The library keeps some to itself: it answers a head beyond its limit with 431, resets the stream of one that is malformed, and
/// ends the connection with one that is much too large or cannot be decoded. What it sends then is found here, and what it was about.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct ReceivedHeads(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Whether there are refusals, so that looking for them needs no lock.
    has_refused: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<u32>,
    /// The streams of refused requests, or that of the connection.
    refused: Vec<(u32, Failure)>,
}

impl ReceivedHeads {
    /// Notes that the server has taken a request. If its stream has been reset before, that was not about its head.
    pub(in crate::http) fn take(&self, stream: u32) {
        let mut state = self.state();
        state.remove(stream);
        if self.0.has_refused.load(Relaxed) {
            state.refused.retain(|(refused, _)| *refused != stream);
        }
    }

    /// Returns the failures of requests that the library has refused since the last call. The server has taken all others.
    pub(in crate::http) fn take_refused(&self) -> impl Iterator<Item = Failure> {
        let has_refused = self.0.has_refused.swap(false, Relaxed);
        let refused = if has_refused { std::mem::take(&mut self.state().refused) } else { Vec::new() };
        refused.into_iter().map(|(_, failure)| failure)
    }

    pub(super) fn receive(&self, stream: u32) {
        let mut state = self.state();
        state.waiting.truncate(HEADS - 1);
        state.waiting.push_front(stream);
    }

    pub(super) fn send(&self, sent: Sent<'_>) {
        let mut state = self.state();
        let refused = match sent {
            Sent::Head { stream } => state.remove(stream).then_some((stream, Failure::HeadTooLarge)),
            Sent::Reset { stream, code } => {
                let is_malformed = Reason::from(code) == Reason::PROTOCOL_ERROR;
                (state.remove(stream) && is_malformed).then_some((stream, Failure::InvalidHead))
            }
            Sent::GoAway { code, text } => {
                let code = Reason::from(code);
                // The library has no other use for this code.
                if code == Reason::COMPRESSION_ERROR || TOO_LARGE.contains(&text) {
                    Some((0, Failure::HeadTooLarge))
                } else {
                    // It is used for much else, but then a head seldom waits.
                    (code == Reason::PROTOCOL_ERROR && !state.waiting.is_empty()).then_some((0, Failure::InvalidHead))
                }
            }
        };
        if let Some(refused) = refused {
            state.refused.push(refused);
            self.0.has_refused.store(true, Relaxed);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Removes a stream, and returns whether it was there.
    fn remove(&mut self, stream: u32) -> bool {
        let found = self.waiting.iter().position(|waiting| *waiting == stream);
        found.and_then(|at| self.waiting.swap_remove_back(at)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(heads: &ReceivedHeads) -> Vec<Failure> {
        heads.take_refused().collect()
    }

    #[test]
    fn only_what_the_server_has_not_taken_is_refused() {
        let heads = ReceivedHeads::default();
        let reset = |stream, reason: Reason| Sent::Reset { stream, code: reason.into() };
        for stream in [1, 3, 5, 7, 9] {
            heads.receive(stream);
        }
        heads.take(1);
        heads.take(3);
        for sent in [Sent::Head { stream: 1 }, reset(3, Reason::PROTOCOL_ERROR), reset(5, Reason::REFUSED_STREAM)] {
            heads.send(sent);
        }
        assert_eq!(refused(&heads), []);
        heads.receive(11);
        heads.send(reset(11, Reason::PROTOCOL_ERROR));
        heads.take(11);
        for sent in [Sent::Head { stream: 7 }, reset(7, Reason::PROTOCOL_ERROR), reset(9, Reason::PROTOCOL_ERROR)] {
            heads.send(sent);
        }
        assert_eq!(refused(&heads), [Failure::HeadTooLarge, Failure::InvalidHead]);
        assert_eq!(refused(&heads), []);
    }

    #[test]
    fn some_ends_of_connections_are_about_heads() {
        let heads = ReceivedHeads::default();
        let calm = Reason::ENHANCE_YOUR_CALM.into();
        for (code, text, is_refusal) in [
            (calm, &b"header_list_way_too_large"[..], true),
            (calm, b"too_many_continuations", true),
            (calm, b"too_many_resets", false),
            (calm, b"", false),
            (Reason::COMPRESSION_ERROR.into(), b"", true),
            (Reason::PROTOCOL_ERROR.into(), b"", false),
            (Reason::NO_ERROR.into(), b"", false),
        ] {
            heads.send(Sent::GoAway { code, text });
            let expected = is_refusal.then_some(Failure::HeadTooLarge);
            assert_eq!(refused(&heads), Vec::from_iter(expected), "{code} {text:?}");
        }
    }

    #[test]
    fn a_connection_that_ends_with_a_head_has_refused_it() {
        let heads = ReceivedHeads::default();
        let end = |reason: Reason| Sent::GoAway { code: reason.into(), text: b"" };
        heads.receive(1);
        heads.receive(3);
        heads.send(end(Reason::NO_ERROR));
        assert_eq!(refused(&heads), []);
        heads.send(end(Reason::PROTOCOL_ERROR));
        assert_eq!(refused(&heads), [Failure::InvalidHead]);
        heads.take(1);
        heads.take(3);
        heads.send(end(Reason::PROTOCOL_ERROR));
        assert_eq!(refused(&heads), []);
    }

    #[test]
    fn the_last_heads_are_remembered() {
        let heads = ReceivedHeads::default();
        for stream in 0..1000 {
            heads.receive(stream);
        }
        heads.send(Sent::Head { stream: 999 });
        heads.send(Sent::Head { stream: 0 });
        assert_eq!(refused(&heads), [Failure::HeadTooLarge]);
        assert_eq!(heads.state().waiting.len(), HEADS - 1);
    }
}
