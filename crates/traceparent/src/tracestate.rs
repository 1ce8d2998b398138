use core::fmt;
#[cfg(feature = "alloc")]
use core::str::FromStr;

#[cfg(all(feature = "alloc", not(target_has_atomic = "ptr")))]
use alloc::boxed::Box;
#[cfg(feature = "alloc")]
use alloc::string::String;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
use alloc::sync::Arc;

use crate::{
    error::{BufferTooSmall, FieldsError, ParseError},
    ows::trim_ows,
};

pub(crate) mod edit;
pub(crate) mod grammar;
mod keys;
pub(crate) mod member;
mod offsets;
pub(crate) mod ot;
mod place;
mod sink;

use self::{
    edit::{Change, TraceStateEdit},
    grammar::Shape,
    member::{Member, Members},
    ot::OtValue,
};

/// Text that clones of a list share, or copy on targets without atomic pointers.
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
type Shared = Arc<str>;
#[cfg(all(feature = "alloc", not(target_has_atomic = "ptr")))]
type Shared = Box<str>;

/// The `tracestate` list: the data that each tracing system on the way adds to the trace, newest first.
///
/// A list is borrowed from the received header, or owned with the feature `alloc`, and always valid. It is not
/// changed in place: [`with`](Self::with), [`without`](Self::without), [`edit`](Self::edit) and
/// [`within`](Self::within) return edits, which are applied while the new list is written.
///
/// [W3C: tracestate](https://www.w3.org/TR/trace-context-2/#tracestate-header)
///
/// ```
/// use traceparent::{Member, TraceState};
///
/// let state = TraceState::parse(b"rojo=00f067aa0ba902b7, congo=t61rcWkgMzE")?;
/// assert_eq!(state.get("congo"), Some("t61rcWkgMzE"));
///
/// let ours = Member::new("congo", "ucfJifl5GOE")?;
/// assert_eq!(state.with(ours).to_string(), "congo=ucfJifl5GOE,rojo=00f067aa0ba902b7");
/// # Ok::<(), traceparent::ParseError>(())
/// ```
#[derive(Clone)]
pub struct TraceState<'a> {
    list: List<'a>,
    shape: Shape,
}

#[derive(Clone)]
enum List<'a> {
    /// ASCII by its grammar.
    Borrowed(&'a [u8]),
    #[cfg(feature = "alloc")]
    Owned(Shared),
}

impl<'a> TraceState<'a> {
    /// The list without members.
    pub const EMPTY: TraceState<'static> = TraceState { list: List::Borrowed(b""), shape: Shape::EMPTY };

    /// The name of the header, in lower case.
    pub const NAME: &'static str = "tracestate";

    /// The most members a list may have.
    pub const MAX_MEMBERS: usize = grammar::MAX_MEMBERS;

    /// Parses one field value.
    ///
    /// Empty members are skipped, white space around members and at both ends is ignored, and an empty
    /// field is the empty list. Keys follow Level 2 of the specification, so `foo@@bar` and `1a` are
    /// keys. If members have the same key, the left-most counts.
    ///
    /// # Errors
    ///
    /// Returns an error if a member is invalid, or if there are more than 32: `Foo=1` has an upper-case key, `foo` no
    /// equals sign, `foo=` no value.
    pub const fn parse(value: &'a [u8]) -> Result<Self, ParseError> {
        match Self::parse_borrowed(value) {
            Ok((list, shape)) => Ok(Self { list: List::Borrowed(list), shape }),
            Err(error) => Err(error),
        }
    }

    /// Parses without the type's destructor, which constants cannot run.
    const fn parse_borrowed(value: &[u8]) -> Result<(&[u8], Shape), ParseError> {
        match grammar::list(value, Shape::EMPTY) {
            Ok(shape) => Ok((trim_ows(value), shape)),
            Err(error) => Err(error),
        }
    }

    /// Parses all fields of a message in order, as if they were one field with commas in between.
    ///
    /// A single field is borrowed; more are joined in an allocation.
    ///
    /// [W3C: combined header value](https://www.w3.org/TR/trace-context-2/#combined-header-value)
    ///
    /// # Errors
    ///
    /// Returns the errors of [`parse`](Self::parse). Members are counted over all fields, and the offset counts from
    /// the start of the joined list.
    ///
    /// ```
    /// use traceparent::TraceState;
    ///
    /// let state = TraceState::parse_fields(["rojo=1", "", "congo=2"])?;
    /// assert_eq!(state.to_string(), "rojo=1,congo=2");
    /// # Ok::<(), traceparent::ParseError>(())
    /// ```
    #[cfg(feature = "alloc")]
    pub fn parse_fields<T>(fields: impl IntoIterator<Item = &'a T>) -> Result<Self, ParseError>
    where
        T: AsRef<[u8]> + ?Sized + 'a,
    {
        let mut fields = fields.into_iter();
        let Some(first) = fields.next() else {
            return Ok(TraceState::EMPTY);
        };
        let mut state = Self::parse(trim_ows(first.as_ref()))?;
        let mut joined: Option<String> = None;
        for field in fields {
            let joined = joined.get_or_insert_with(|| String::from(state.as_str()));
            state.shape = join(field.as_ref(), state.shape, joined.len(), &mut |text| joined.push_str(text))?;
        }
        if let Some(joined) = joined {
            state.list = List::Owned(joined.into());
        }
        Ok(state)
    }

    /// Parses all fields of a message in order, as `parse_fields` does, and joins them in the caller's buffer. This
    /// works without an allocator.
    ///
    /// # Errors
    ///
    /// Returns the errors of `parse_fields`, and [`FieldsError::BufferTooSmall`] if the valid list does not fit the
    /// buffer.
    ///
    /// ```
    /// use traceparent::{FieldsError, TraceState};
    ///
    /// let fields = ["rojo=1", "congo=2"];
    /// let mut buffer = [0; 512];
    /// assert_eq!(TraceState::parse_fields_in(fields, &mut buffer)?.len(), 2);
    ///
    /// let FieldsError::BufferTooSmall(error) = TraceState::parse_fields_in(fields, &mut [0; 8]).unwrap_err() else {
    ///     unreachable!();
    /// };
    /// assert_eq!(error.needed(), 14);
    /// # Ok::<(), FieldsError>(())
    /// ```
    pub fn parse_fields_in<'f, T: AsRef<[u8]> + ?Sized + 'f>(
        fields: impl IntoIterator<Item = &'f T>,
        buffer: &'a mut [u8],
    ) -> Result<Self, FieldsError> {
        let mut shape = Shape::EMPTY;
        let mut length = 0;
        for field in fields {
            shape = join(field.as_ref(), shape, length, &mut |text| {
                let end = length + text.len();
                if let Some(room) = buffer.get_mut(length..end) {
                    room.copy_from_slice(text.as_bytes());
                }
                length = end;
            })?;
        }
        match buffer.get(..length) {
            Some(list) => Ok(Self { list: List::Borrowed(list), shape }),
            None => Err(BufferTooSmall::new(length).into()),
        }
    }

    /// Parses a literal, at compile time if the result is a `const`.
    ///
    /// # Panics
    ///
    /// Panics if the literal does not parse. In a `const`, that is a compile error.
    #[track_caller]
    pub const fn from_static(literal: &'static str) -> TraceState<'static> {
        match Self::parse_borrowed(literal.as_bytes()) {
            Ok((list, shape)) => TraceState { list: List::Borrowed(list), shape },
            #[expect(clippy::panic, reason = "a literal is the programmer's own")]
            Err(_) => panic!("not a valid tracestate"),
        }
    }

    /// Returns the received list, white space and empty members included. Several fields are joined with commas.
    pub fn as_str(&self) -> &str {
        match &self.list {
            List::Borrowed(list) => core::str::from_utf8(list).unwrap_or_default(),
            #[cfg(feature = "alloc")]
            List::Owned(text) => text,
        }
    }

    /// Returns the list as [`as_str`](Self::as_str) does, as ASCII bytes: for carriers of bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.list {
            List::Borrowed(list) => list,
            #[cfg(feature = "alloc")]
            List::Owned(text) => text.as_bytes(),
        }
    }

    /// Returns the value of the left-most member with this key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|member| member.key() == key).map(|member| member.value())
    }

    /// Returns an iterator over the members, in order, including duplicates.
    pub fn iter(&self) -> Members<'_> {
        Members::new(self.as_str(), self.shape.members)
    }

    /// Returns the number of members, duplicates included: 0 to 32.
    pub const fn len(&self) -> usize {
        self.shape.members as usize
    }

    /// Whether there is no member. An empty list is never sent.
    pub const fn is_empty(&self) -> bool {
        self.shape.members == 0
    }

    /// Whether the list has only single commas between its members, no white space beside commas and equals signs, and
    /// no key twice, so that converting it to another type of list loses nothing.
    ///
    /// ```
    /// use traceparent::TraceState;
    ///
    /// assert!(TraceState::from_static("rojo=1,congo=2").is_canonical());
    /// assert!(!TraceState::from_static("rojo=1, congo=2").is_canonical());
    /// assert!(!TraceState::from_static("rojo=1,congo=2,rojo=3").is_canonical());
    /// ```
    pub fn is_canonical(&self) -> bool {
        self.is_tidy() && (self.len() <= 1 || TraceStateEdit::from(self.borrow()).is_without_duplicates())
    }

    pub(crate) const fn is_tidy(&self) -> bool {
        self.shape.tidy
    }

    /// Reads the `ot` member, in which OpenTelemetry keeps the sampling threshold and randomness.
    pub fn ot(&self) -> Option<OtValue<'_>> {
        if self.shape.has_ot { self.get(OtValue::KEY).map(OtValue::read) } else { None }
    }

    /// Returns an edit that puts this member first and removes older ones of its key. If the list would then have 33
    /// members, the right-most is dropped.
    ///
    /// [W3C: tracestate mutation](https://www.w3.org/TR/trace-context-2/#mutating-the-tracestate-field)
    pub fn with<'e>(&'e self, member: Member<'e>) -> TraceStateEdit<'e> {
        TraceStateEdit::one(self.borrow(), Change::Set(member))
    }

    /// Returns an edit that removes the members of this key.
    pub fn without<'e>(&'e self, key: &'e str) -> TraceStateEdit<'e> {
        TraceStateEdit::one(self.borrow(), Change::Remove(key))
    }

    /// Returns an edit with several changes. The members that are set come first, in the order of the changes. If
    /// changes name the same key, the first one counts.
    ///
    /// ```
    /// use traceparent::{Change, Member, TraceState};
    ///
    /// let state = TraceState::from_static("rojo=1,congo=2,blue=3");
    /// let changes = [
    ///     Change::Set(Member::from_static("blue", "4")),
    ///     Change::Remove("rojo"),
    ///     Change::Set(Member::from_static("new", "5")),
    /// ];
    /// assert_eq!(state.edit(&changes).to_string(), "blue=4,new=5,congo=2");
    /// ```
    pub fn edit<'e>(&'e self, changes: &'e [Change<'e>]) -> TraceStateEdit<'e> {
        TraceStateEdit::many(self.borrow(), changes)
    }

    /// Returns an edit that limits the list to a budget; see [`TraceStateEdit::within`].
    ///
    /// # Errors
    ///
    /// Returns an error if the budget is below 512.
    pub fn within(&self, budget: usize) -> Result<TraceStateEdit<'_>, edit::BudgetTooSmall> {
        TraceStateEdit::from(self.borrow()).within(budget)
    }

    /// Returns the same list, borrowed from this one.
    pub fn borrow(&self) -> TraceState<'_> {
        TraceState { list: List::Borrowed(self.as_bytes()), shape: self.shape }
    }

    /// Converts the list into one that does not borrow. Its clones share their text.
    #[cfg(feature = "alloc")]
    pub fn into_owned(self) -> TraceState<'static> {
        let list = match self.list {
            List::Borrowed(b"") => List::Borrowed(b""),
            List::Borrowed(_) => List::Owned(self.as_str().into()),
            List::Owned(text) => List::Owned(text),
        };
        TraceState { list, shape: self.shape }
    }
}

/// Checks the next of several fields, and passes its text to `push`, after a comma if the list has text already.
/// Returns the shape of all fields up to this one.
fn join(field: &[u8], before: Shape, length: usize, push: &mut dyn FnMut(&str)) -> Result<Shape, ParseError> {
    let field = trim_ows(field);
    let start = length + usize::from(length > 0);
    let moved = |error: ParseError| ParseError::new(error.kind(), error.field(), start + error.offset());
    let shape = grammar::list(field, before).map_err(moved)?;
    let text = core::str::from_utf8(field).unwrap_or_default();
    if !text.is_empty() {
        if length > 0 {
            push(",");
        }
        push(text);
    }
    Ok(shape)
}

impl Default for TraceState<'_> {
    fn default() -> Self {
        TraceState::EMPTY
    }
}

/// Equal lists have the same members in the same order; white space and empty members do not count.
impl PartialEq<TraceState<'_>> for TraceState<'_> {
    fn eq(&self, other: &TraceState<'_>) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for TraceState<'_> {}

impl<'a> TryFrom<&'a [u8]> for TraceState<'a> {
    type Error = ParseError;

    fn try_from(value: &'a [u8]) -> Result<Self, ParseError> {
        Self::parse(value)
    }
}

impl<'a> TryFrom<&'a str> for TraceState<'a> {
    type Error = ParseError;

    fn try_from(value: &'a str) -> Result<Self, ParseError> {
        Self::parse(value.as_bytes())
    }
}

#[cfg(feature = "alloc")]
impl FromStr for TraceState<'static> {
    type Err = ParseError;

    /// Parses one field value as [`parse`](TraceState::parse) does, and keeps a copy of it.
    fn from_str(value: &str) -> Result<Self, ParseError> {
        TraceState::parse(value.as_bytes()).map(TraceState::into_owned)
    }
}

impl<'s> IntoIterator for &'s TraceState<'_> {
    type Item = Member<'s>;
    type IntoIter = Members<'s>;

    fn into_iter(self) -> Members<'s> {
        self.iter()
    }
}

/// Writes the received list unchanged.
impl fmt::Display for TraceState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for TraceState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TraceState").field(&self.as_str()).finish()
    }
}
