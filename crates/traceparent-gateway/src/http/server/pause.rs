use std::{
    io,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::operator::tell;

/// The pause after the first failure.
const LEAST: Duration = Duration::from_millis(50);

/// The pause after many failures.
const MOST: Duration = Duration::from_secs(1);

/// The time between two messages about failures.
const SILENCE: Duration = Duration::from_secs(30);

/// The pause after the system has refused to accept a connection. It grows with each failure, and the operator is told now
/// and then.
#[derive(Debug)]
pub(super) struct AcceptPause {
    next: Duration,
    told: Option<Instant>,
    /// The number of failures since the last message.
    untold: u64,
}

impl Default for AcceptPause {
    fn default() -> Self {
        Self { next: LEAST, told: None, untold: 0 }
    }
}

impl AcceptPause {
    /// Begins anew after a success.
    pub(super) fn reset(&mut self) {
        self.next = LEAST;
    }

    /// Waits before another attempt.
    pub(super) async fn wait(&mut self, error: &io::Error) {
        if let Some(message) = self.message(error, Instant::now()) {
            tell(message);
        }
        sleep(self.grow()).await;
    }

    fn grow(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(MOST);
        pause
    }

    /// Returns the message to the operator, if it is time for one.
    fn message(&mut self, error: &io::Error, now: Instant) -> Option<String> {
        if self.told.is_some_and(|told| now.duration_since(told) < SILENCE) {
            self.untold += 1;
            return None;
        }
        self.told = Some(now);
        let message = format!("accepting connections failed, trying again: {error}");
        match std::mem::take(&mut self.untold) {
            0 => Some(message),
            untold => Some(format!("{message} ({untold} more failures since the last message)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_second() {
        let mut pause = AcceptPause::default();
        let pauses: Vec<_> = std::iter::repeat_with(|| pause.grow().as_millis()).take(7).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
        pause.reset();
        assert_eq!(pause.grow(), LEAST);
    }

    #[test]
    fn messages_are_rare() {
        let (mut pause, start, error) = (AcceptPause::default(), Instant::now(), io::Error::other("no"));
        assert_eq!(pause.message(&error, start).as_deref(), Some("accepting connections failed, trying again: no"));
        for seconds in 1..30 {
            assert_eq!(pause.message(&error, start + Duration::from_secs(seconds)), None);
        }
        let message = pause.message(&error, start + SILENCE);
        let expected = "accepting connections failed, trying again: no (29 more failures since the last message)";
        assert_eq!(message.as_deref(), Some(expected));
    }
}
