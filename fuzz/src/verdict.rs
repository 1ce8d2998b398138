//! What is compared when two libraries read the same fields.

use std::collections::HashMap;

/// The fields of one format, each of them once.
pub type Fields = HashMap<String, String>;

/// A context as a library reads it: IDs, of which a zero one is not there, and the sampling state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub(crate) ids: Option<(u128, u64)>,
    pub(crate) state: &'static str,
}

/// Where two libraries differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// We refuse the fields, they take them.
    Taken,
    /// We take the fields, they refuse them.
    Refused,
    /// Other IDs.
    Ids,
    /// Another sampling state.
    State,
}

impl Verdict {
    /// Compares two answers, and returns `None` if they are the same.
    pub fn between(ours: &Option<Answer>, theirs: &Option<Answer>) -> Option<Self> {
        match (ours, theirs) {
            (None, None) => None,
            (None, Some(_)) => Some(Self::Taken),
            (Some(_), None) => Some(Self::Refused),
            (Some(ours), Some(theirs)) if ours.ids != theirs.ids => Some(Self::Ids),
            (Some(ours), Some(theirs)) => (ours.state != theirs.state).then_some(Self::State),
        }
    }
}
