use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// The number of frames without a use for which one frame with a use makes up: the other end may tell every stream of a
/// connection how much room it has, and cancel what was asked for.
const WORTH: u32 = 10;

/// The most frames without a use for which nothing makes up, within [`PERIOD`].
const MOST: u32 = 10_000;

/// The time in which more are a flood. A connection that waits for long may ask now and then whether the other end is alive.
const PERIOD: Duration = Duration::from_secs(10);

/// The length of the longest frame that every receiver takes.
///
/// [RFC 9113, section 4.2](https://www.rfc-editor.org/rfc/rfc9113#section-4.2)
const FRAME: usize = 16_384;

/// A count of received frames that ask for nothing and carry nothing: PING, SETTINGS, PRIORITY, RST_STREAM, WINDOW_UPDATE, and those
/// without a meaning. Each is legal, costs work, and is bounded by nothing else.
///
/// [RFC 9113, section 10.5](https://www.rfc-editor.org/rfc/rfc9113#section-10.5)
#[derive(Debug)]
pub(super) struct CalmCount {
    /// The frames without a use since the last look, less those that others have made up for.
    useless: u32,
    since: Instant,
    calm: Calm,
}

/// The calm of the other end of a connection, shared by what reads its frames and what sends to it.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct Calm(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// The frames of messages that have been sent since the last look.
    frames: AtomicU32,
    is_flooded: AtomicBool,
}

impl Calm {
    /// Notes that this much data, or a head, has been sent, which the other end answers with room for more, or with a refusal.
    pub(in crate::http) fn sent(&self, length: usize) {
        let frames = u32::try_from(length / FRAME).unwrap_or(u32::MAX).saturating_add(1);
        self.0.frames.fetch_add(frames, Relaxed);
    }

    /// Returns whether many frames without a use are received. No more is read then.
    pub(in crate::http) fn is_flooded(&self) -> bool {
        self.0.is_flooded.load(Relaxed)
    }
}

impl CalmCount {
    pub(super) fn new(calm: Calm) -> Self {
        Self { useless: 0, since: Instant::now(), calm }
    }

    /// Counts received frames.
    pub(super) fn receive(&mut self, useful: u32, useless: u32) {
        self.receive_at(Instant::now, useful, useless);
    }

    fn receive_at(&mut self, now: impl Fn() -> Instant, useful: u32, useless: u32) {
        self.useless = self.useless.saturating_add(useless).saturating_sub(useful.saturating_mul(WORTH));
        if self.useless <= MOST {
            return;
        }
        let sent = self.calm.0.frames.swap(0, Relaxed);
        self.useless = self.useless.saturating_sub(sent.saturating_mul(WORTH));
        if self.useless <= MOST {
            return;
        }
        let now = now();
        if now.saturating_duration_since(self.since) < PERIOD {
            self.calm.0.is_flooded.store(true, Relaxed);
        }
        self.useless = 0;
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted() -> (CalmCount, Calm) {
        let calm = Calm::default();
        (CalmCount::new(calm.clone()), calm)
    }

    #[test]
    fn frames_without_a_use_are_a_flood() {
        let (mut count, calm) = counted();
        let now = count.since;
        count.receive_at(|| now, 0, MOST);
        assert!(!calm.is_flooded());
        count.receive_at(|| now, 0, 1);
        assert!(calm.is_flooded());
    }

    #[test]
    fn what_is_received_and_sent_makes_up_for_them() {
        let (mut count, calm) = counted();
        let now = count.since;
        for _ in 0..2 * MOST {
            count.receive_at(|| now, 1, WORTH);
        }
        for _ in 0..MOST {
            calm.sent(FRAME);
            count.receive_at(|| now, 0, 2 * WORTH);
        }
        assert!(!calm.is_flooded());
        // What has made up for some does not count again.
        count.receive_at(|| now, 0, MOST);
        count.receive_at(|| now, 0, MOST);
        assert!(calm.is_flooded());
    }

    #[test]
    fn a_few_of_them_may_come_for_ever() {
        let (mut count, calm) = counted();
        let mut now = count.since;
        for _ in 0..10 * MOST {
            now += PERIOD / MOST;
            count.receive_at(|| now, 0, 1);
        }
        assert!(!calm.is_flooded());
    }
}
