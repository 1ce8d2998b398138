use std::{
    io,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::rarely::Rarely;
use crate::operator::tell;

/// The pause after the first failure.
const LEAST: Duration = Duration::from_millis(50);

/// The pause after many failures.
const MOST: Duration = Duration::from_secs(1);

/// The pause after the system has refused to accept a connection. It grows with each failure, and the operator is told now
/// and then.
#[derive(Debug)]
pub(super) struct AcceptPause {
    next: Duration,
    rarely: Rarely,
}

impl Default for AcceptPause {
    fn default() -> Self {
        Self { next: LEAST, rarely: Rarely::default() }
    }
}

impl AcceptPause {
    /// Begins anew after a success.
    pub(super) fn reset(&mut self) {
        self.next = LEAST;
    }

    /// Waits before another attempt.
    pub(super) async fn wait(&mut self, error: &io::Error) {
        let message =
            self.rarely.message(format_args!("accepting connections failed, trying again: {error}"), Instant::now());
        if let Some(message) = message {
            tell(message);
        }
        sleep(self.grow()).await;
    }

    fn grow(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(MOST);
        pause
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
}
