use std::{
    fmt::Display,
    time::{Duration, Instant},
};

/// The time between two messages.
pub(super) const SILENCE: Duration = Duration::from_secs(30);

/// A limit for messages to the operator about one kind of failure.
#[derive(Debug, Default)]
pub(super) struct Rarely {
    told: Option<Instant>,
    /// The number of failures since the last message.
    untold: u64,
}

impl Rarely {
    /// Returns the message about a failure, if it is time for one.
    pub(super) fn message(&mut self, failure: impl Display, now: Instant) -> Option<String> {
        if self.told.is_some_and(|told| now.duration_since(told) < SILENCE) {
            self.untold += 1;
            return None;
        }
        self.told = Some(now);
        match std::mem::take(&mut self.untold) {
            0 => Some(failure.to_string()),
            untold => Some(format!("{failure} ({untold} more failures since the last message)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_rare() {
        let (mut rarely, start) = (Rarely::default(), Instant::now());
        assert_eq!(rarely.message("no", start).as_deref(), Some("no"));
        for seconds in 1..30 {
            assert_eq!(rarely.message("no", start + Duration::from_secs(seconds)), None);
        }
        let message = rarely.message("no", start + SILENCE);
        assert_eq!(message.as_deref(), Some("no (29 more failures since the last message)"));
        assert_eq!(rarely.message("no", start + SILENCE * 2).as_deref(), Some("no"));
    }
}
