use std::sync::{Arc, OnceLock};

use super::Failure;

/// The reason for which a client gets no more of its response, shared by the server, which finds it out, and the span.
#[derive(Clone, Debug, Default)]
pub(crate) struct Departure(Arc<OnceLock<Failure>>);

impl Departure {
    /// Sets the reason, unless there is one.
    pub(super) fn set(&self, failure: Failure) {
        self.0.get_or_init(|| failure);
    }

    /// Returns the reason. Without another one, the client has left.
    pub(crate) fn failure(&self) -> Failure {
        self.0.get().copied().unwrap_or(Failure::ClientLeft)
    }
}
