use core::fmt;

#[cfg(feature = "alloc")]
use alloc::string::ToString;

use super::{
    TraceState, grammar,
    member::Member,
    ot::{Count, OtValue},
};
use crate::{error::BufferTooSmall, threshold::Threshold};

/// One change to a `tracestate` list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// Puts this member first; an older one of its key goes.
    Set(Member<'a>),
    /// Removes the members of this key. Remove none but your own: others need theirs.
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

/// A `tracestate` list together with what is to change in it, worked out in one pass while it is
/// written: into a caller's buffer, through [`fmt::Write`] (it is `Display`), or as an owned list.
///
/// Members that do not change keep their order and their bytes, spaces at the start of a value
/// included. Without any change to make, a list is written as it was received, byte for byte; otherwise
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
    ot: OtChange,
    budget: usize,
}

#[derive(Clone, Copy, Debug)]
enum Changes<'a> {
    One(Change<'a>),
    Many(&'a [Change<'a>]),
}

/// What a sampling decision does to the `ot` member, worked out from the list when it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum OtChange {
    #[default]
    Keep,
    /// Sets or removes `th`, and leaves out what was malformed.
    Threshold(Option<Threshold>),
}

/// A member that goes out.
enum Entry<'e> {
    Set(Member<'e>),
    Ot(OtValue<'e>),
    /// One that stays, as it stands in the list.
    Kept(&'e str),
}

impl Entry<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Set(member) => member.len(),
            Self::Ot(ot) => OtValue::KEY.len() + 1 + ot.len(),
            Self::Kept(text) => text.len(),
        }
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        match self {
            Self::Set(member) => {
                out.write_str(member.key())?;
                out.write_str("=")?;
                out.write_str(member.value())
            }
            Self::Ot(ot) => {
                out.write_str(OtValue::KEY)?;
                out.write_str("=")?;
                ot.write(out)
            }
            Self::Kept(text) => out.write_str(text),
        }
    }
}

impl<'a> TraceStateEdit<'a> {
    /// The smallest budget, in characters, that [`within`](Self::within) takes.
    pub const MIN_BUDGET: usize = 512;

    /// Members longer than this, key and `=` included, are the first to go for a budget.
    const LONG: usize = 128;

    pub(crate) const fn one(list: TraceState<'a>, change: Change<'a>) -> Self {
        Self { list, changes: Changes::One(change), ot: OtChange::Keep, budget: usize::MAX }
    }

    pub(crate) const fn many(list: TraceState<'a>, changes: &'a [Change<'a>]) -> Self {
        Self { list, changes: Changes::Many(changes), ot: OtChange::Keep, budget: usize::MAX }
    }

    pub(crate) const fn sampled(list: TraceState<'a>, ot: OtChange) -> Self {
        Self { list, changes: Changes::Many(&[]), ot, budget: usize::MAX }
    }

    /// Replaces the changes described so far by these; a change of the `ot` member that a sampling
    /// decision asked for stays, unless one of these names `ot`.
    pub fn edit(self, changes: &'a [Change<'a>]) -> Self {
        Self { changes: Changes::Many(changes), ..self }
    }

    /// Cuts the list to at most so many characters, commas included.
    ///
    /// Only whole members go, and none while the list fits: first those of more than 128 characters,
    /// then any, each time from the right; members that are set here go last.
    ///
    /// [W3C: tracestate limits](https://www.w3.org/TR/trace-context-2/#tracestate-limits)
    ///
    /// # Errors
    ///
    /// A budget below 512: everybody on the way should propagate that much.
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
    /// When the buffer is too small, the length that would do.
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

    /// Returns the number of characters that go out; with 0, no header is sent.
    pub fn len(&self) -> usize {
        let mut count = Count(0);
        // Counting cannot fail.
        let _ = self.write(&mut count);
        count.0
    }

    /// Whether nothing goes out, so that no header is sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the list goes out as it was received, byte for byte.
    pub fn is_untouched(&self) -> bool {
        self.changes().is_empty() && self.ot == OtChange::Keep && self.list.as_str().len() <= self.budget
    }

    /// Works the new list out and keeps it.
    #[cfg(feature = "alloc")]
    pub fn into_owned(self) -> TraceState<'static> {
        if self.is_untouched() {
            return self.list.into_owned();
        }
        // What is written here is valid, so this parses; were it not, no list would be better than a bad one.
        TraceState::parse(self.to_string().as_bytes()).map_or(TraceState::EMPTY, TraceState::into_owned)
    }

    fn changes(&self) -> &[Change<'a>] {
        match &self.changes {
            Changes::One(change) => core::slice::from_ref(change),
            Changes::Many(changes) => changes,
        }
    }

    /// The first change of this key, which is the one that counts.
    fn change(&self, key: &str) -> Option<&Change<'a>> {
        self.changes().iter().find(|change| change.key() == key)
    }

    /// The members set here, newest first: at most 32.
    fn ours(&self) -> impl Iterator<Item = Entry<'_>> {
        let set = self.changes().iter().filter_map(|change| match change {
            Change::Set(member) if self.change(member.key()).is_some_and(|first| core::ptr::eq(first, change)) => {
                Some(Entry::Set(*member))
            }
            _ => None,
        });
        set.chain(self.ot_entry()).take(grammar::MAX_MEMBERS)
    }

    /// What the sampling decision does to the `ot` member, unless a change names that member.
    fn ot_change(&self) -> OtChange {
        if self.change(OtValue::KEY).is_some() { OtChange::Keep } else { self.ot }
    }

    fn ot_entry(&self) -> Option<Entry<'_>> {
        let OtChange::Threshold(threshold) = self.ot_change() else {
            return None;
        };
        let ot = self.list.ot().unwrap_or_default().without_threshold();
        let ot = threshold.map_or(ot, |threshold| ot.with_threshold(threshold).unwrap_or(ot));
        (!ot.is_empty()).then_some(Entry::Ot(ot))
    }

    /// The other members, in their order and without duplicates.
    fn others(&self) -> impl Iterator<Item = Entry<'_>> {
        let changes_ot = self.ot_change() != OtChange::Keep;
        let mut members = self.list.iter();
        let mut seen = Seen::default();
        core::iter::from_fn(move || members.next_with_text()).filter_map(move |(member, text)| {
            let key = member.key();
            let gone = self.change(key).is_some() || changes_ot && key == OtValue::KEY || !seen.insert(key);
            (!gone).then_some(Entry::Kept(text))
        })
    }

    /// What goes out if there is no budget: at most 32 members.
    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.ours().chain(self.others()).take(grammar::MAX_MEMBERS)
    }

    /// The entries that have to go for the budget, one bit each.
    fn evicted(&self) -> u32 {
        if self.budget == usize::MAX {
            return 0;
        }
        let mut lengths = [0; grammar::MAX_MEMBERS];
        let mut count = 0;
        for (length, entry) in lengths.iter_mut().zip(self.entries()) {
            *length = entry.len() + 1;
            count += 1;
        }
        // One comma too many, as if the last member had one.
        let mut excess = lengths.iter().sum::<usize>().saturating_sub(self.budget.saturating_add(1));
        let ours = self.ours().count();
        let mut evicted = 0_u32;
        let passes = [(ours..count, Self::LONG), (ours..count, 0), (0..ours, 0)];
        for (range, longer_than) in passes {
            for i in range.rev() {
                let length = lengths.get(i).copied().unwrap_or_default();
                if excess > 0 && evicted & 1 << i == 0 && length > longer_than + 1 {
                    evicted |= 1 << i;
                    excess = excess.saturating_sub(length);
                }
            }
        }
        evicted
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        if self.is_untouched() {
            return if self.list.is_empty() { Ok(()) } else { out.write_str(self.list.as_str()) };
        }
        let evicted = self.evicted();
        let mut separator = "";
        for (i, entry) in self.entries().enumerate() {
            if evicted & 1 << i == 0 {
                out.write_str(separator)?;
                entry.write(out)?;
                separator = ",";
            }
        }
        Ok(())
    }
}

impl<'a> From<TraceState<'a>> for TraceStateEdit<'a> {
    /// Describes the list as it is.
    fn from(list: TraceState<'a>) -> Self {
        Self::sampled(list, OtChange::Keep)
    }
}

impl fmt::Display for TraceStateEdit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

/// The keys met so far. A bloom filter over the length, the first byte and the last two mostly answers;
/// where it cannot, keys are compared.
struct Seen<'a> {
    keys: [&'a str; grammar::MAX_MEMBERS],
    count: usize,
    filter: u64,
}

impl Default for Seen<'_> {
    fn default() -> Self {
        Self { keys: [""; grammar::MAX_MEMBERS], count: 0, filter: 0 }
    }
}

impl<'a> Seen<'a> {
    /// Whether the key is new.
    fn insert(&mut self, key: &'a str) -> bool {
        let ends = match key.as_bytes() {
            [first, .., before, last] => [*first, *before, *last],
            [first, last] => [*first, *last, 0],
            [only] => [*only, 0, 0],
            [] => [0; 3],
        };
        let hash = ends.iter().fold(key.len() as u64, |hash, byte| hash * 31 + u64::from(*byte));
        let bit = 1 << (hash % 64);
        if self.filter & bit != 0 && self.keys.iter().take(self.count).any(|seen| *seen == key) {
            return false;
        }
        self.filter |= bit;
        if let Some(slot) = self.keys.get_mut(self.count) {
            *slot = key;
            self.count += 1;
        }
        true
    }
}

/// Writes what fits into a buffer and counts everything.
struct Cursor<'b> {
    buffer: &'b mut [u8],
    length: usize,
}

impl fmt::Write for Cursor<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        if let Some(room) = self.buffer.get_mut(self.length..end) {
            room.copy_from_slice(text.as_bytes());
        }
        self.length = end;
        Ok(())
    }
}

/// Says that a budget for `tracestate` is below 512 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetTooSmall(());

impl fmt::Display for BudgetTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tracestate budget is at least 512 characters: everybody on the way should propagate that much")
    }
}

impl core::error::Error for BudgetTooSmall {}
