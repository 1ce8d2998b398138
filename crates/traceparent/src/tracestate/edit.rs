use core::fmt;

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

mod budget;
mod write;

pub use self::budget::BudgetTooSmall;
use super::{
    TraceState,
    member::Member,
    sink::{Count, Cursor},
};
use crate::{error::BufferTooSmall, threshold::Threshold};

/// The length up to which a list is written once on its way into memory of its own, in bytes.
#[cfg(feature = "alloc")]
const SHORT: usize = 128;

/// The list of a trace that starts in a service that samples everything.
#[cfg(feature = "alloc")]
const ALWAYS_SAMPLED: TraceState<'static> = TraceState::from_static("ot=th:0");

#[cfg(feature = "alloc")]
const ALWAYS: OtChange = OtChange::Threshold(Some(Threshold::ALWAYS));

/// One change to a `tracestate` list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a member is set or removed; the specification knows no third mutation")]
pub enum Change<'a> {
    /// Puts this member first and removes older ones of its key.
    Set(Member<'a>),
    /// Removes the members of this key. Remove only your own members: other systems need theirs.
    ///
    /// [W3C: tracestate mutation](https://www.w3.org/TR/trace-context-2/#mutating-the-tracestate-field)
    Remove(&'a str),
}

impl<'a> Change<'a> {
    const fn key(&self) -> &'a str {
        match self {
            Self::Set(member) => member.key(),
            Self::Remove(key) => key,
        }
    }
}

/// A `tracestate` list and the changes to it, which are applied in one pass while the list is written: into a
/// caller's buffer, through `Display`, or as an owned list.
///
/// Members that do not change keep their order and their bytes, spaces at the start of a value
/// included. A list without changes is written as it was received, byte for byte. A changed list is written
/// with single commas, without duplicates, and with at most 32 members.
///
/// ```
/// use traceparent::{Member, TraceState};
///
/// let state = TraceState::from_static("rojo=1 ,, congo=2,rojo=0");
/// let mut buffer = [0; 64];
/// let edit = state.with(Member::from_static("ours", "3"));
/// assert_eq!(edit.encode_into(&mut buffer)?, "ours=3,rojo=1,congo=2");
/// # Ok::<(), traceparent::BufferTooSmall>(())
/// ```
#[derive(Clone, Debug)]
pub struct TraceStateEdit<'a> {
    list: TraceState<'a>,
    changes: Changes<'a>,
    /// The edit before this one, if it has changes.
    earlier: Option<&'a TraceStateEdit<'a>>,
    ot: OtChange,
    budget: usize,
}

#[derive(Clone, Copy, Debug)]
enum Changes<'a> {
    One(Change<'a>),
    Many(&'a [Change<'a>]),
}

/// The change of a sampling decision to the `ot` member, which is applied when the list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum OtChange {
    #[default]
    Keep,
    /// Sets or removes `th`, and drops malformed sub-keys.
    Threshold(Option<Threshold>),
}

impl<'a> TraceStateEdit<'a> {
    /// The smallest budget, in characters, that [`within`](Self::within) takes.
    pub const MIN_BUDGET: usize = 512;

    pub(crate) const fn one(list: TraceState<'a>, change: Change<'a>) -> Self {
        Self { list, changes: Changes::One(change), earlier: None, ot: OtChange::Keep, budget: usize::MAX }
    }

    pub(crate) const fn many(list: TraceState<'a>, changes: &'a [Change<'a>]) -> Self {
        Self { list, changes: Changes::Many(changes), earlier: None, ot: OtChange::Keep, budget: usize::MAX }
    }

    pub(crate) const fn sampled(list: TraceState<'a>, ot: OtChange) -> Self {
        Self { list, changes: Changes::Many(&[]), earlier: None, ot, budget: usize::MAX }
    }

    /// Describes further changes, on top of those described so far.
    ///
    /// The result borrows this edit and does not allocate. A newer change wins
    /// over an older one of the same key, and its member comes first. A change of the `ot` member that a
    /// sampling decision makes stays, unless a change names `ot`.
    ///
    /// ```
    /// use traceparent::{Change, Member, TraceState};
    ///
    /// let state = TraceState::from_static("rojo=1,congo=2");
    /// let first = [Change::Set(Member::from_static("a", "1")), Change::Remove("rojo")];
    /// let second = [Change::Set(Member::from_static("b", "2"))];
    /// assert_eq!(state.edit(&first).edit(&second).to_string(), "b=2,a=1,congo=2");
    /// ```
    pub fn edit<'e>(&'e self, changes: &'e [Change<'e>]) -> TraceStateEdit<'e> {
        TraceStateEdit {
            list: self.list.borrow(),
            changes: Changes::Many(changes),
            earlier: if self.changes().is_empty() { self.earlier } else { Some(self) },
            ot: self.ot,
            budget: self.budget,
        }
    }

    /// Sets the largest length of the list in characters, commas included.
    ///
    /// A list that is longer loses whole members: first those of more than 128 characters, then any others, each
    /// from the right. Members that are set here are dropped last.
    ///
    /// [W3C: tracestate limits](https://www.w3.org/TR/trace-context-2/#tracestate-limits)
    ///
    /// # Errors
    ///
    /// Returns an error if the budget is below 512, which every service should propagate.
    pub fn within(self, budget: usize) -> Result<Self, BudgetTooSmall> {
        if budget < Self::MIN_BUDGET {
            return Err(BudgetTooSmall(()));
        }
        Ok(Self { budget, ..self })
    }

    /// Writes the list into the caller's buffer and returns it as text.
    ///
    /// # Errors
    ///
    /// Returns an error with the length needed if the buffer is too small.
    #[inline]
    pub fn encode_into<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b str, BufferTooSmall> {
        let mut cursor = Cursor { buffer, length: 0 };
        // A cursor takes everything and counts what it has no room for.
        let _ = self.write(&mut cursor);
        let Cursor { buffer, length } = cursor;
        match buffer.get(..length).map(core::str::from_utf8) {
            Some(Ok(text)) => Ok(text),
            _ => Err(BufferTooSmall::new(length)),
        }
    }

    /// Returns the number of characters to send. An empty list is not sent.
    pub fn len(&self) -> usize {
        let mut count = Count(0);
        // Counting cannot fail.
        let _ = self.write(&mut count);
        count.0
    }

    /// Whether the list is empty, so that no header is sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the received list if it is sent unchanged, byte for byte. A list without members is not sent.
    ///
    /// ```
    /// use traceparent::{Member, TraceState};
    ///
    /// let state = TraceState::from_static("rojo=1 , congo=2");
    /// assert_eq!(state.within(512)?.untouched(), Some(&state));
    /// assert_eq!(state.with(Member::from_static("ours", "3")).untouched(), None);
    /// # Ok::<(), traceparent::BudgetTooSmall>(())
    /// ```
    pub fn untouched(&self) -> Option<&TraceState<'a>> {
        let fits = self.list.as_bytes().len() <= self.budget;
        (self.changes().is_empty() && self.earlier.is_none() && self.ot == OtChange::Keep && fits).then_some(&self.list)
    }

    /// Applies the changes, and converts the result into an owned list.
    #[cfg(feature = "alloc")]
    pub fn into_owned(self) -> TraceState<'static> {
        if self.untouched().is_some() {
            return self.list.into_owned();
        }
        if self.list.is_empty() && self.changes().is_empty() && self.earlier.is_none() && self.ot == ALWAYS {
            return ALWAYS_SAMPLED;
        }
        // What is written here is valid, so this parses; were it not, no list would be better than a bad one.
        let owned = |text: &[u8]| TraceState::parse(text).map_or(TraceState::EMPTY, TraceState::into_owned);
        match self.encode_into(&mut [0; SHORT]) {
            Ok(text) => owned(text.as_bytes()),
            Err(error) => {
                let mut text = Vec::with_capacity(error.needed());
                // Writing to a vector cannot fail.
                let _ = self.write(&mut text);
                owned(&text)
            }
        }
    }

    fn changes(&self) -> &[Change<'a>] {
        match &self.changes {
            Changes::One(change) => core::slice::from_ref(change),
            Changes::Many(changes) => changes,
        }
    }
}

impl<'a> From<TraceState<'a>> for TraceStateEdit<'a> {
    /// Creates an edit without changes.
    fn from(list: TraceState<'a>) -> Self {
        Self::sampled(list, OtChange::Keep)
    }
}

impl fmt::Display for TraceStateEdit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}
