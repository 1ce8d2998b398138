use core::fmt;

use super::{grammar, offsets::Offsets};
use crate::error::ParseError;

/// One list-member of `tracestate`: a key and a value, both valid.
///
/// [W3C: list](https://www.w3.org/TR/trace-context-2/#list)
///
/// ```
/// use traceparent::Member;
///
/// const OURS: Member = Member::from_static("rojo", "00f067aa0ba902b7");
/// assert_eq!(OURS.to_string(), "rojo=00f067aa0ba902b7");
/// assert!(Member::new("Rojo", "1").is_err());
/// assert!(Member::new("rojo", "a,b").is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member<'a> {
    key: &'a str,
    value: &'a str,
}

impl<'a> Member<'a> {
    /// The most characters a key may have.
    pub const MAX_KEY: usize = grammar::MAX_KEY;
    /// The most characters a value may have.
    pub const MAX_VALUE: usize = grammar::MAX_VALUE;

    /// Makes a member of a key and a value.
    ///
    /// The key is 1 to 256 of `a-z 0-9 _ - * / @`, the first a letter or digit. The value is 1 to 256
    /// printable ASCII characters other than `,` and `=`, spaces included except at its end.
    ///
    /// [W3C: key](https://www.w3.org/TR/trace-context-2/#key),
    /// [value](https://www.w3.org/TR/trace-context-2/#value)
    ///
    /// # Errors
    ///
    /// `Rojo` has an upper-case letter, an empty key or value is empty, `a=` has an invalid byte, 257
    /// characters are too long. The offset counts from the start of the key or the value.
    pub const fn new(key: &'a str, value: &'a str) -> Result<Self, ParseError> {
        if let Err(error) = grammar::whole_key(key.as_bytes()) {
            return Err(error);
        }
        match grammar::whole_value(value.as_bytes()) {
            Ok(()) => Ok(Self { key, value }),
            Err(error) => Err(error),
        }
    }

    /// Makes a member of two literals, at compile time where the result is a `const`.
    ///
    /// # Panics
    ///
    /// When either is invalid; in a `const`, that is a compile error.
    #[track_caller]
    pub const fn from_static(key: &'static str, value: &'static str) -> Member<'static> {
        match Member::new(key, value) {
            Ok(member) => member,
            #[expect(clippy::panic, reason = "a literal is the programmer's own")]
            Err(_) => panic!("not a valid tracestate member"),
        }
    }

    /// Returns the key.
    pub const fn key(&self) -> &'a str {
        self.key
    }

    /// Returns the value, with any spaces at its start.
    pub const fn value(&self) -> &'a str {
        self.value
    }

    /// Returns the number of characters in the list: key, `=` and value.
    pub(crate) const fn len(&self) -> usize {
        self.key.len() + 1 + self.value.len()
    }
}

impl fmt::Display for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

/// Goes over the members of a list in order, duplicates included, empty ones left out.
///
/// Made by [`TraceState::iter`](crate::TraceState::iter).
#[derive(Clone, Debug)]
pub struct Members<'a> {
    rest: &'a str,
}

impl<'a> Members<'a> {
    /// Takes a list that the grammar has accepted.
    pub(crate) const fn new(list: &'a str) -> Self {
        Self { rest: list }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        let place = Place::next(self.rest.as_bytes(), 0)?;
        let key = self.rest.get(place.start..place.equals)?;
        let value = self.rest.get(place.equals + 1..place.end)?;
        self.rest = self.rest.get(place.comma..)?;
        Some(Member { key, value })
    }
}

/// Where a member stands in a valid list, in bytes.
pub(crate) struct Place<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) start: usize,
    equals: usize,
    pub(crate) end: usize,
    /// The comma behind the member and the white space around it, or the end of the list.
    pub(crate) comma: usize,
}

impl<'a> Place<'a> {
    /// Returns the first member from an offset on.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a tenth of the time of a changed list")]
    pub(crate) fn next(list: &'a [u8], from: usize) -> Option<Self> {
        let mut start = from;
        while matches!(list.get(start)?, b' ' | b'\t' | b',') {
            start += 1;
        }
        let equals = find(list, start, b'=');
        let key = list.get(start..equals)?;
        let comma = find(list, equals, b',');
        let mut end = comma;
        while let Some(b' ' | b'\t') = list.get(..end)?.last() {
            end -= 1;
        }
        Some(Self { key, start, equals, end, comma })
    }

    /// Goes over all members.
    pub(crate) fn all(list: &'a [u8]) -> impl Iterator<Item = Self> {
        core::iter::successors(Self::next(list, 0), |place| Self::next(list, place.comma))
    }
}

/// Returns the offset of the first such byte from `start` on, or the length.
#[inline]
fn find(list: &[u8], start: usize, byte: u8) -> usize {
    let rest = list.get(start..).unwrap_or_default();
    Offsets::of(byte, rest).next().map_or(list.len(), |offset| start + offset)
}

impl core::iter::FusedIterator for Members<'_> {}
