//! How an edited list is written, in one pass.

use core::{fmt, ops::Range};

use super::{Change, OtChange, TraceStateEdit};
use crate::tracestate::{
    grammar,
    keys::{self, Seen},
    member::Member,
    ot::OtValue,
    place::Place,
    sink::Sink,
};

/// A member to write that is not from the list.
pub(super) enum Entry<'e> {
    Set(Member<'e>),
    Ot(OtValue<'e>),
}

impl Entry<'_> {
    pub(super) fn len(&self) -> usize {
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
    /// Returns the place of the member to cut out of a list that is otherwise copied: that of the key that changes,
    /// or an empty place if no member has it. Returns `None` for edits that need the general way.
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
        // One change at most, or else that of a sampling decision.
        let entry = match self.changes() {
            [Change::Set(member)] => Some(Entry::Set(*member)),
            [_, ..] => None,
            [] => self.ot_entry(),
        };
        let mut written = entry.is_some();
        entry.map_or(Ok(()), |entry| entry.write(out))?;
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

    pub(super) fn write(&self, out: &mut impl Sink) -> fmt::Result {
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

    /// Whether no member of a tidy list has the key of another.
    pub(crate) fn is_without_duplicates(&self) -> bool {
        keys::find(self.list.as_bytes(), b"").is_some() || self.others().count() == self.list.len()
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

    /// Passes the members that are set here to `each`, newest first. Of changes of the same key, the first one counts.
    pub(super) fn ours(&self, mut each: impl FnMut(Entry<'_>) -> fmt::Result) -> fmt::Result {
        for (i, change) in self.all_changes().enumerate() {
            if let Change::Set(member) = change {
                if !self.all_changes().take(i).any(|newer| newer.key() == member.key()) {
                    each(Entry::Set(*member))?;
                }
            }
        }
        self.ot_entry().map_or(Ok(()), each)
    }

    /// Returns what the sampling decision does to the `ot` member, unless a change names that member.
    fn ot_change(&self) -> OtChange {
        if self.ot == OtChange::Keep || self.is_changed(OtValue::KEY.as_bytes()) { OtChange::Keep } else { self.ot }
    }

    fn ot_entry(&self) -> Option<Entry<'_>> {
        let OtChange::Threshold(threshold) = self.ot_change() else {
            return None;
        };
        let Some(ot) = self.list.ot() else {
            return threshold.map(|threshold| Entry::Ot(OtValue::of_threshold(threshold)));
        };
        let ot = ot.without_threshold();
        let ot = threshold.map_or(ot, |threshold| ot.with_threshold(threshold).unwrap_or(ot));
        (!ot.is_empty()).then_some(Entry::Ot(ot))
    }

    /// Returns an iterator over the places of the other members in the list, in order and without duplicates.
    pub(super) fn others(&self) -> Others<'_> {
        let ot = self.ot_change() != OtChange::Keep;
        Others { list: self.list.as_bytes(), edit: self, ot, at: 0, seen: Seen::new() }
    }
}

/// An iterator over the members that stay; see [`TraceStateEdit::others`].
pub(super) struct Others<'e> {
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
