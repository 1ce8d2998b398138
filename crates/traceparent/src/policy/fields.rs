use alloc::string::{String, ToString};
use core::fmt;

use crate::{traceparent::TraceParent, tracestate::edit::TraceStateEdit};

/// The value of a `traceparent` or `tracestate` field to send, which is printable ASCII.
///
/// Returned by [`Outgoing::fields`](crate::Outgoing::fields).
#[derive(Clone)]
pub struct FieldValue<'a>(Value<'a>);

#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "a value is written on and then dropped")]
enum Value<'a> {
    TraceParent([u8; TraceParent::LENGTH]),
    /// A list without changes.
    Received(&'a str),
    /// A changed list, and its length.
    Short([u8; TraceStateEdit::MIN_BUDGET], usize),
    Long(String),
}

impl<'a> FieldValue<'a> {
    pub(super) fn traceparent(traceparent: TraceParent) -> Self {
        Self(Value::TraceParent(traceparent.encode()))
    }

    /// Returns `None` for an empty list, which is not sent.
    pub(super) fn tracestate(edit: &'a TraceStateEdit<'_>) -> Option<Self> {
        if let Some(list) = edit.untouched() {
            return (!list.is_empty()).then(|| Self(Value::Received(list.as_str())));
        }
        let mut buffer = [0; TraceStateEdit::MIN_BUDGET];
        match edit.encode_into(&mut buffer).map(str::len) {
            Ok(0) => None,
            Ok(length) => Some(Self(Value::Short(buffer, length))),
            Err(_) => Some(Self(Value::Long(edit.to_string()))),
        }
    }

    /// Returns the value as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Value::Received(list) => list,
            Value::Long(list) => list,
            Value::TraceParent(_) | Value::Short(..) => core::str::from_utf8(self.as_bytes()).unwrap_or_default(),
        }
    }

    /// Returns the value as bytes, for carriers of bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Value::TraceParent(value) => value,
            Value::Received(list) => list.as_bytes(),
            Value::Short(buffer, length) => buffer.get(..*length).unwrap_or_default(),
            Value::Long(list) => list.as_bytes(),
        }
    }
}

impl AsRef<str> for FieldValue<'_> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<[u8]> for FieldValue<'_> {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl From<FieldValue<'_>> for String {
    fn from(value: FieldValue<'_>) -> Self {
        match value.0 {
            Value::Long(list) => list,
            _ => value.as_str().into(),
        }
    }
}

impl fmt::Display for FieldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for FieldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FieldValue").field(&self.as_str()).finish()
    }
}
