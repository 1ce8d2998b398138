use core::{fmt, ops::Range};

#[cfg(feature = "alloc")]
use alloc::string::ToString;

use super::{
    TraceState, grammar,
    keys::{self, Seen},
    member::Member,
    ot::OtValue,
    place::Place,
    sink::{Count, Cursor, Sink},
};
use crate::{error::BufferTooSmall, threshold::Threshold};

/// One change to a `tracestate` list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a member is set or removed; the specification knows no third mutation")]
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
    /// The edit that this one goes on from, if that one has changes.
    earlier: Option<&'a TraceStateEdit<'a>>,
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

/// A member that goes out and is not from the list.
enum Entry<'e> {
    Set(Member<'e>),
    Ot(OtValue<'e>),
}

impl Entry<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Set(member) => member.len(),
            Self::Ot(ot) => OtValue::KEY.len() + 1 + ot.len(),
        }
    }

    fn write(&self, out: &mut impl Sink) -> fmt::Result {
        match self {
            Self::Set(member) => {
                out.put(member.key().as_bytes())?;
                out.put(b"=")?;
                out.put(member.value().as_bytes())
            }
            Self::Ot(ot) => {
                out.put(OtValue::KEY.as_bytes())?;
                out.put(b"=")?;
                ot.write(out)
            }
        }
    }
}

impl<'a> TraceStateEdit<'a> {
    /// The smallest budget, in characters, that [`within`](Self::within) takes.
    pub const MIN_BUDGET: usize = 512;

    /// Members longer than this, key and `=` included, are the first to go for a budget.
    const LONG: usize = 128;

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
    /// The result borrows this edit, so that no number of changes needs an allocation. A newer change wins
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

    /// Returns the list where it goes out as it was received, byte for byte, so that nothing has to be worked
    /// out. One without members is not sent.
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

    /// Works the new list out and keeps it.
    #[cfg(feature = "alloc")]
    pub fn into_owned(self) -> TraceState<'static> {
        if self.untouched().is_some() {
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

    /// Returns all changes: those of the newest edit first, each edit's in their order.
    fn all_changes(&self) -> impl Iterator<Item = &Change<'a>> {
        core::iter::successors(Some(self), |edit| edit.earlier).flat_map(Self::changes)
    }

    /// Whether a change names this key.
    #[inline]
    fn is_changed(&self, key: &[u8]) -> bool {
        self.changes().iter().any(|change| change.key().as_bytes() == key)
            || self.earlier.is_some_and(|earlier| earlier.is_changed_before(key))
    }

    #[cold]
    fn is_changed_before(&self, key: &[u8]) -> bool {
        self.all_changes().any(|change| change.key().as_bytes() == key)
    }

    /// Hands over the members set here, newest first. Of changes of the same key, the first one counts.
    fn ours(&self, mut each: impl FnMut(Entry<'_>) -> fmt::Result) -> fmt::Result {
        for (i, change) in self.all_changes().enumerate() {
            if let Change::Set(member) = change {
                if !self.all_changes().take(i).any(|newer| newer.key() == member.key()) {
                    each(Entry::Set(*member))?;
                }
            }
        }
        self.ot_entry().map_or(Ok(()), each)
    }

    /// What the sampling decision does to the `ot` member, unless a change names that member.
    fn ot_change(&self) -> OtChange {
        if self.ot == OtChange::Keep || self.is_changed(OtValue::KEY.as_bytes()) { OtChange::Keep } else { self.ot }
    }

    fn ot_entry(&self) -> Option<Entry<'_>> {
        let OtChange::Threshold(threshold) = self.ot_change() else {
            return None;
        };
        let ot = self.list.ot().unwrap_or_default().without_threshold();
        let ot = threshold.map_or(ot, |threshold| ot.with_threshold(threshold).unwrap_or(ot));
        (!ot.is_empty()).then_some(Entry::Ot(ot))
    }

    /// Where the other members stand in the list, in their order and without duplicates.
    fn others(&self) -> Others<'_> {
        let ot = self.ot_change() != OtChange::Keep;
        Others { list: self.list.as_bytes(), edit: self, ot, at: 0, seen: Seen::new() }
    }

    /// Whether no member of a tidy list has the key of another.
    pub(crate) fn is_without_duplicates(&self) -> bool {
        keys::find(self.list.as_bytes(), b"").is_some() || self.others().count() == self.list.len()
    }

    /// The entries that have to go, one bit each: some for the budget, and the 33rd and all behind it.
    /// However far they are shifted to the right, the last stays set.
    fn evicted(&self) -> i64 {
        let mut evicted = -1 << grammar::MAX_MEMBERS;
        if self.budget == usize::MAX {
            return evicted;
        }
        let mut lengths = [0; grammar::MAX_MEMBERS];
        let mut ours = 0;
        // Noting cannot fail.
        let _ = self.ours(|entry| {
            if let Some(slot) = lengths.get_mut(ours) {
                *slot = entry.len() + 1;
                ours += 1;
            }
            Ok(())
        });
        let mut count = ours;
        for (slot, member) in lengths.iter_mut().skip(ours).zip(self.others()) {
            *slot = member.len() + 1;
            count += 1;
        }
        // One comma too many, as if the last member had one.
        let mut excess = lengths.iter().sum::<usize>().saturating_sub(self.budget.saturating_add(1));
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

    /// The place of the one member that goes from a list of which no other does, empty where none goes: that of
    /// the key that changes.
    fn gap(&self) -> Option<Range<usize>> {
        let key = match self.changes() {
            _ if self.earlier.is_some() => return None,
            [] => OtValue::KEY,
            [change] if self.ot == OtChange::Keep => change.key(),
            _ => return None,
        };
        let simple = self.list.is_tidy() && self.budget == usize::MAX;
        if simple { keys::find(self.list.as_bytes(), key.as_bytes()) } else { None }
    }

    fn write_around(&self, mut gap: Range<usize>, out: &mut impl Sink) -> fmt::Result {
        let mut written = false;
        self.ours(|entry| {
            written = true;
            entry.write(out)
        })?;
        let list = self.list.as_bytes();
        if written && gap.is_empty() && self.list.len() == grammar::MAX_MEMBERS {
            gap.start = list.iter().rposition(|byte| *byte == b',').unwrap_or_default();
        }
        let head = list.get(..gap.start).unwrap_or_default();
        let tail = list.get(gap.end..).unwrap_or_default();
        for part in [head.strip_suffix(b",").unwrap_or(head), tail.strip_prefix(b",").unwrap_or(tail)] {
            if !part.is_empty() {
                if written {
                    out.put(b",")?;
                }
                written = true;
                out.put(part)?;
            }
        }
        Ok(())
    }

    fn write(&self, out: &mut impl Sink) -> fmt::Result {
        if let Some(list) = self.untouched() {
            return if list.is_empty() { Ok(()) } else { out.put(list.as_bytes()) };
        }
        if let Some(gap) = self.gap() {
            return self.write_around(gap, out);
        }
        let mut gone = self.evicted();
        let mut is_next_gone = || {
            let is_gone = gone & 1 == 1;
            gone >>= 1;
            is_gone
        };
        let mut written = false;
        self.ours(|entry| {
            if is_next_gone() {
                return Ok(());
            }
            if written {
                out.put(b",")?;
            }
            written = true;
            entry.write(out)
        })?;
        let list = self.list.as_bytes();
        let mut flush = |piece: Range<usize>| {
            if piece.is_empty() {
                return Ok(());
            }
            if written {
                out.put(b",")?;
            }
            written = true;
            out.put(list.get(piece).unwrap_or_default())
        };
        // Neighbours with a single comma in between go out in one piece. No member stands behind the end.
        let mut piece = list.len()..list.len();
        for member in self.others() {
            if is_next_gone() {
                continue;
            }
            if member.start == piece.end + 1 {
                piece.end = member.end;
            } else {
                flush(core::mem::replace(&mut piece, member))?;
            }
        }
        flush(piece)
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

/// Finds the members that stay, see [`TraceStateEdit::others`].
struct Others<'e> {
    list: &'e [u8],
    edit: &'e TraceStateEdit<'e>,
    /// Whether the `ot` member changes too.
    ot: bool,
    at: usize,
    seen: Seen,
}

impl Others<'_> {
    fn is_changed(&self, key: &[u8]) -> bool {
        self.edit.is_changed(key) || self.ot && key == OtValue::KEY.as_bytes()
    }

    /// Whether a member in front of this one has the same key.
    #[cold]
    fn is_repeated(&self, key: &[u8], start: usize) -> bool {
        Place::all(self.list).take_while(|place| place.start < start).any(|place| place.key == key)
    }
}

impl Iterator for Others<'_> {
    type Item = Range<usize>;

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a tenth of the time of a changed list")]
    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let member = Place::next(self.list, self.at)?;
            self.at = member.comma + 1;
            if !self.is_changed(member.key)
                && (self.seen.insert(member.key) || !self.is_repeated(member.key, member.start))
            {
                return Some(member.start..member.end);
            }
        }
    }
}

/// The error returned when a budget for `tracestate` is below 512 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetTooSmall(());

impl fmt::Display for BudgetTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tracestate budget is at least 512 characters: everybody on the way should propagate that much")
    }
}

impl core::error::Error for BudgetTooSmall {}
