use core::{fmt, ops::Range};

#[cfg(feature = "alloc")]
use alloc::string::ToString;

use super::{
    TraceState, grammar,
    member::{Member, Place},
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
        if let Some(list) = self.untouched() {
            cursor.push(list);
        } else {
            // A cursor takes everything and counts what it has no room for.
            let _ = self.write(&mut cursor);
        }
        let Cursor { buffer, length } = cursor;
        match buffer.get(..length).map(core::str::from_utf8) {
            Some(Ok(text)) => Ok(text),
            _ => Err(BufferTooSmall::new(length)),
        }
    }

    /// Returns the number of characters that go out; with 0, no header is sent.
    pub fn len(&self) -> usize {
        if let Some(list) = self.untouched() {
            return list.len();
        }
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
        self.changes().is_empty() && self.ot == OtChange::Keep && self.list.as_bytes().len() <= self.budget
    }

    /// The list as it was received, where it goes out so. A list without members is not sent.
    fn untouched(&self) -> Option<&[u8]> {
        self.is_untouched().then(|| if self.list.is_empty() { &[] } else { self.list.as_bytes() })
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

    /// Where the other members stand in the list, in their order and without duplicates.
    fn others(&self) -> Others<'_> {
        let ot = self.ot_change() != OtChange::Keep;
        Others { list: self.list.as_bytes(), changes: self.changes(), ot, at: 0, seen: Seen::default() }
    }

    /// The entries that have to go for the budget, one bit each.
    fn evicted(&self) -> u32 {
        if self.budget == usize::MAX {
            return 0;
        }
        let ours = self.ours().map(|entry| entry.len());
        let others = self.others().map(|range| range.len());
        let mut lengths = [0; grammar::MAX_MEMBERS];
        let mut count = 0;
        for (slot, length) in lengths.iter_mut().zip(ours.chain(others)) {
            *slot = length + 1;
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
        let list = self.list.as_str();
        if self.is_untouched() {
            return if self.list.is_empty() { Ok(()) } else { out.write_str(list) };
        }
        let evicted = self.evicted();
        let mut stays = (0..grammar::MAX_MEMBERS).map(|i| evicted & 1 << i == 0);
        let mut separator = "";
        for entry in self.ours() {
            if stays.next() == Some(true) {
                out.write_str(separator)?;
                entry.write(out)?;
                separator = ",";
            }
        }
        // Neighbours with a single comma in between go out in one piece.
        let mut piece = 0..0;
        let mut flush = |piece: Range<usize>| {
            if piece.is_empty() {
                return Ok(());
            }
            out.write_str(core::mem::replace(&mut separator, ","))?;
            out.write_str(list.get(piece).unwrap_or_default())
        };
        for (member, stays) in self.others().zip(stays) {
            if !stays {
                continue;
            }
            if member.start == piece.end + 1 && !piece.is_empty() {
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
    changes: &'e [Change<'e>],
    /// Whether the `ot` member changes too.
    ot: bool,
    at: usize,
    seen: Seen,
}

impl Others<'_> {
    fn is_changed(&self, key: &[u8]) -> bool {
        self.changes.iter().any(|change| change.key().as_bytes() == key) || self.ot && key == OtValue::KEY.as_bytes()
    }

    /// Whether a member in front of this one has the same key.
    #[cold]
    fn is_repeated(&self, member: &Place) -> bool {
        let before = Place::all(self.list).take_while(|place| place.start < member.start);
        before.into_iter().any(|place| place.key(self.list) == member.key(self.list))
    }
}

impl Iterator for Others<'_> {
    type Item = Range<usize>;

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a tenth of the time of a changed list")]
    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let member = Place::next(self.list, self.at)?;
            self.at = member.comma;
            let key = member.key(self.list);
            if !self.is_changed(key) && (self.seen.insert(key) || !self.is_repeated(&member)) {
                return Some(member.start..member.end);
            }
        }
    }
}

/// A bloom filter over the length, the first byte and the last two of the keys met so far.
#[derive(Default)]
struct Seen([u64; 8]);

impl Seen {
    /// Whether the key is certainly new.
    fn insert(&mut self, key: &[u8]) -> bool {
        let ends = match key {
            [first, .., before, last] => [*first, *before, *last],
            [first, last] => [*first, *last, 0],
            [only] => [*only, 0, 0],
            [] => [0; 3],
        };
        // The nine bits of a product by the golden ratio that all bits of the factor reach.
        let [first, before, last] = ends;
        let hash = u32::from_le_bytes([first, before, last, key.len() as u8]).wrapping_mul(0x9e37_79b1) as usize >> 23;
        let bit = 1 << (hash % 64);
        let filter = &mut self.0[hash / 64 % 8];
        let new = *filter & bit == 0;
        *filter |= bit;
        new
    }
}

/// Writes what fits into a buffer and counts everything.
struct Cursor<'b> {
    buffer: &'b mut [u8],
    length: usize,
}

impl Cursor<'_> {
    fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(room) = self.buffer.get_mut(self.length..end) {
            room.copy_from_slice(bytes);
        }
        self.length = end;
    }
}

impl fmt::Write for Cursor<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
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
