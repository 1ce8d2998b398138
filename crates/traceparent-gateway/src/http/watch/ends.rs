use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

/// The number of streams whose ends are remembered, besides those that have ended before them.
const ENDS: usize = 256;

/// The streams of a client's connection that have come to their end. The library forgets that when the connection ends while
/// the request of a stream is still being sent.
///
/// [RFC 9113, section 8.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.1)
#[derive(Clone, Debug)]
pub(in crate::http) struct StreamEnds(Arc<Ends>);

#[derive(Debug)]
struct Ends {
    /// Each stream has a place, in which a later one may follow it.
    streams: Box<[AtomicU32]>,
    is_given_up: AtomicBool,
}

impl StreamEnds {
    /// Returns whether all frames of a stream have been received, if the connection has come to an end of its own.
    pub(in crate::http) fn contain(&self, stream: u32) -> bool {
        !self.0.is_given_up.load(Relaxed) && self.place(stream).is_some_and(|place| place.load(Relaxed) == stream)
    }

    /// Notes that the connection is ended here: frames that have been received may be lost.
    pub(in crate::http) fn give_up(&self) {
        self.0.is_given_up.store(true, Relaxed);
    }

    pub(super) fn insert(&self, stream: u32) {
        if let Some(place) = self.place(stream) {
            place.store(stream, Relaxed);
        }
    }

    fn place(&self, stream: u32) -> Option<&AtomicU32> {
        // Clients open streams of odd numbers.
        self.0.streams.get(stream as usize / 2 % ENDS)
    }
}

impl Default for StreamEnds {
    fn default() -> Self {
        let streams = (0..ENDS).map(|_| AtomicU32::new(0)).collect();
        Self(Arc::new(Ends { streams, is_given_up: AtomicBool::new(false) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_streams_take_the_places_of_earlier_ones() {
        let ends = StreamEnds::default();
        for stream in [1, 3, 511] {
            assert!(!ends.contain(stream));
            ends.insert(stream);
            assert!(ends.contain(stream));
        }
        ends.insert(513);
        assert!(ends.contain(513) && !ends.contain(1) && ends.contain(3));
        ends.give_up();
        assert!(!ends.contain(3));
    }
}
