use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

/// The number of streams that are remembered, besides those that have begun before them.
const STREAMS: usize = 256;

/// Marks a stream that has come to its end, above the bits of its number.
const ENDED: u32 = 1 << 31;

/// How far the answers on a connection to an upstream have come, by the frames that have been received.
///
/// The library forgets the end of a stream when the connection ends while the request is still being sent, and tells of no
/// answer before its head is complete.
///
/// [RFC 9113, section 8.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.1)
#[derive(Clone, Debug)]
pub(in crate::http) struct AnswerStates(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Each stream has a place, in which a later one may follow it.
    streams: Box<[AtomicU32]>,
    is_given_up: AtomicBool,
}

impl AnswerStates {
    /// Returns whether anything has been received on a stream, unless a later one has taken its place. None does while the
    /// head of an answer is incomplete.
    pub(in crate::http) fn has_begun(&self, stream: u32) -> bool {
        self.get(stream) & !ENDED == stream
    }

    /// Returns whether all frames of a stream have been received, if the connection has come to an end of its own.
    pub(in crate::http) fn has_ended(&self, stream: u32) -> bool {
        !self.0.is_given_up.load(Relaxed) && self.get(stream) == stream | ENDED
    }

    /// Notes that the connection is ended here: frames that have been received may be lost.
    pub(in crate::http) fn give_up(&self) {
        self.0.is_given_up.store(true, Relaxed);
    }

    pub(super) fn begin(&self, stream: u32) {
        self.set(stream, stream);
    }

    pub(super) fn end(&self, stream: u32) {
        self.set(stream, stream | ENDED);
    }

    fn get(&self, stream: u32) -> u32 {
        self.place(stream).map_or(0, |place| place.load(Relaxed))
    }

    fn set(&self, stream: u32, state: u32) {
        if let Some(place) = self.place(stream) {
            place.store(state, Relaxed);
        }
    }

    fn place(&self, stream: u32) -> Option<&AtomicU32> {
        // Clients open streams of odd numbers.
        self.0.streams.get(stream as usize / 2 % STREAMS)
    }
}

impl Default for AnswerStates {
    fn default() -> Self {
        let streams = (0..STREAMS).map(|_| AtomicU32::new(0)).collect();
        Self(Arc::new(Shared { streams, is_given_up: AtomicBool::new(false) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_begin_and_end() {
        let answers = AnswerStates::default();
        let state = |stream| (answers.has_begun(stream), answers.has_ended(stream));
        for stream in [1, 3, 511, 0x7fff_fffd] {
            assert_eq!(state(stream), (false, false));
            answers.begin(stream);
            assert_eq!(state(stream), (true, false));
            answers.end(stream);
            assert_eq!(state(stream), (true, true));
        }
        // A later stream takes the place of an earlier one.
        answers.begin(513);
        assert_eq!((state(513), state(1), state(3)), ((true, false), (false, false), (true, true)));
        answers.give_up();
        assert_eq!(state(3), (true, false));
    }
}
