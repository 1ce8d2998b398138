use std::time::Duration;

/// The requests whose spans are kept although they are not sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keep {
    /// Whether to keep those that end in an error.
    pub(crate) errors: bool,
    /// The duration from which on a request is slow, and kept; `None` to keep no slow one.
    pub(crate) slower_than: Option<Duration>,
}

impl Keep {
    /// Returns whether any request may be kept.
    pub(crate) fn is_on(self) -> bool {
        self.errors || self.slower_than.is_some()
    }
}
