use core::{fmt, iter::FusedIterator};

use super::{grammar, place::Place};
use crate::error::ParseError;

/// A list-member of `tracestate`: a valid key and a valid value.
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
    /// The maximum length of a key in characters.
    pub const MAX_KEY: usize = grammar::MAX_KEY;
    /// The maximum length of a value in characters.
    pub const MAX_VALUE: usize = grammar::MAX_VALUE;

    /// Creates a member from a key and a value.
    ///
    /// A key has 1 to 256 of the characters `a-z 0-9 _ - * / @`, and starts with a letter or digit. A value has
    /// 1 to 256 printable ASCII characters other than `,` and `=`, and does not end in a space.
    ///
    /// [W3C: key](https://www.w3.org/TR/trace-context-2/#key),
    /// [value](https://www.w3.org/TR/trace-context-2/#value)
    ///
    /// # Errors
    ///
    /// Returns an error if the key or the value is empty, too long, or has a byte that is not allowed: the key
    /// `Rojo` has an upper-case letter. The offset counts from the start of the key or the value.
    pub const fn new(key: &'a str, value: &'a str) -> Result<Self, ParseError> {
        if let Err(error) = grammar::whole_key(key.as_bytes()) {
            return Err(error);
        }
        match grammar::whole_value(value.as_bytes()) {
            Ok(()) => Ok(Self { key, value }),
            Err(error) => Err(error),
        }
    }

    /// Creates a member from two literals, at compile time if the result is a `const`.
    ///
    /// # Panics
    ///
    /// Panics if either is invalid. In a `const`, this is a compile error.
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

    /// Returns the value, including spaces at its start.
    pub const fn value(&self) -> &'a str {
        self.value
    }

    /// Returns the length in the list: key, `=` and value.
    pub(crate) const fn len(&self) -> usize {
        self.key.len() + 1 + self.value.len()
    }
}

impl fmt::Display for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

/// An iterator over the members of a list, in order, including duplicates and without empty members.
///
/// Returned by [`TraceState::iter`](crate::TraceState::iter).
#[derive(Clone, Debug)]
pub struct Members<'a> {
    rest: &'a str,
    /// How many members `rest` has.
    left: u8,
}

impl<'a> Members<'a> {
    /// Creates an iterator over a valid list with this number of members.
    pub(crate) const fn new(list: &'a str, members: u8) -> Self {
        Self { rest: list, left: members }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        let place = Place::next(self.rest.as_bytes(), 0)?;
        let key = self.rest.get(place.start..place.equals)?;
        let value = self.rest.get(place.equals + 1..place.end)?;
        self.rest = self.rest.get(place.comma..)?;
        self.left = self.left.saturating_sub(1);
        Some(Member { key, value })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::from(self.left);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Members<'_> {}

impl FusedIterator for Members<'_> {}
