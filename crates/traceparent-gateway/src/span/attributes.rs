use std::{
    fmt::{self, Display},
    str,
};

use super::{
    limits::shortened,
    protobuf::{Field, Fields, field_length, integer_length, messages, push_bytes, push_integer, push_length},
};
use crate::config::SpanLimits;

/// The numbers of fields in OTLP's messages.
///
/// [OTLP: protocol buffers](https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto)
mod field {
    /// The attributes of a `Span`.
    pub(super) const ATTRIBUTES: u64 = 9;
    /// The key of a `KeyValue`.
    pub(super) const KEY: u64 = 1;
    /// The value of a `KeyValue`.
    pub(super) const VALUE: u64 = 2;
    /// The text of an `AnyValue`.
    pub(super) const STRING: u64 = 1;
    /// The number of an `AnyValue`.
    pub(super) const INT: u64 = 3;
    /// The list of an `AnyValue`.
    pub(super) const ARRAY: u64 = 5;
    /// The values of an `ArrayValue`.
    pub(super) const VALUES: u64 = 1;
}

/// The attributes of a span, within its limits.
///
/// They are written once, in the form in which they are exported: fields of OTLP's `Span`, one after another. Other readers
/// decode them.
#[derive(Clone)]
pub(crate) struct Attributes {
    fields: Vec<u8>,
    count: usize,
    dropped: usize,
    limits: SpanLimits,
}

impl Attributes {
    /// Creates an empty list.
    pub(crate) const fn new(limits: SpanLimits) -> Self {
        Self { fields: Vec::new(), count: 0, dropped: 0, limits }
    }

    /// Creates an empty list with room for this number of bytes.
    pub(super) fn with_capacity(limits: SpanLimits, bytes: usize) -> Self {
        Self { fields: Vec::with_capacity(bytes), ..Self::new(limits) }
    }

    /// Removes all attributes, and counts those of another list toward the limits of this one.
    pub(crate) fn follow(&mut self, other: &Self) {
        self.fields.clear();
        (self.count, self.dropped, self.limits) = (other.count, other.dropped, other.limits);
    }

    /// Adds a text.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the length of a constant key is known where it is used")]
    pub(crate) fn push(&mut self, key: &str, text: &str) {
        if text.len() > self.limits.value_length {
            self.push_joined(key, &[text]);
        } else {
            self.push_string(key, text.as_bytes());
        }
    }

    /// Adds the text that is made of these parts.
    pub(crate) fn push_joined(&mut self, key: &str, parts: &[&str]) {
        let length = parts.iter().map(|part| part.len()).sum();
        if length > self.limits.value_length {
            let text = parts.concat();
            self.push_string(key, shortened(&text, self.limits.value_length).unwrap_or(&text).as_bytes());
        } else if self.start(key, field_length(length)) {
            push_length(&mut self.fields, field::STRING, length);
            for part in parts {
                self.fields.extend_from_slice(part.as_bytes());
            }
        }
    }

    /// Adds a text of ASCII.
    #[inline]
    pub(super) fn push_ascii(&mut self, key: &str, text: &[u8]) {
        self.push_string(key, text.get(..self.limits.value_length).unwrap_or(text));
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the length of a constant key is known where it is used")]
    fn push_string(&mut self, key: &str, text: &[u8]) {
        if self.start(key, field_length(text.len())) {
            push_bytes(&mut self.fields, field::STRING, text);
        }
    }

    /// Adds a number.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the length of a constant key is known where it is used")]
    pub(crate) fn push_number(&mut self, key: &str, number: u16) {
        if self.start(key, integer_length(number.into())) {
            push_integer(&mut self.fields, field::INT, number.into());
        }
    }

    /// Adds a list of texts.
    pub(super) fn push_texts(&mut self, key: &str, texts: &[&str]) {
        let limit = self.limits.value_length;
        let texts = texts.iter().map(|text| shortened(text, limit).unwrap_or(text));
        let array = texts.clone().map(|text| field_length(field_length(text.len()))).sum();
        if self.start(key, field_length(array)) {
            push_length(&mut self.fields, field::ARRAY, array);
            for text in texts {
                push_length(&mut self.fields, field::VALUES, field_length(text.len()));
                push_bytes(&mut self.fields, field::STRING, text.as_bytes());
            }
        }
    }

    /// Adds the attributes of another list with the same limits, and counts those that found no room there.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.dropped += other.dropped;
        if self.count + other.count <= self.limits.attributes {
            self.fields.extend_from_slice(&other.fields);
            self.count += other.count;
            return;
        }
        for attribute in messages(&other.fields) {
            if self.admit() {
                push_bytes(&mut self.fields, field::ATTRIBUTES, attribute);
            }
        }
    }

    /// Adds an attribute up to its value, which has this length. Returns whether it finds room.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the length of a constant key is known where it is used")]
    fn start(&mut self, key: &str, value: usize) -> bool {
        let is_admitted = self.admit();
        if is_admitted {
            let length = field_length(key.len()) + field_length(value);
            push_length(&mut self.fields, field::ATTRIBUTES, length);
            push_bytes(&mut self.fields, field::KEY, key.as_bytes());
            push_length(&mut self.fields, field::VALUE, value);
        }
        is_admitted
    }

    /// Counts a new attribute, and returns whether it finds room.
    fn admit(&mut self) -> bool {
        let is_admitted = self.count < self.limits.attributes;
        *(if is_admitted { &mut self.count } else { &mut self.dropped }) += 1;
        is_admitted
    }

    /// Returns the attributes as fields of OTLP's `Span`.
    pub(crate) fn as_fields(&self) -> &[u8] {
        &self.fields
    }

    /// Returns the number of attributes that have found no room within the limits.
    pub(crate) const fn dropped(&self) -> usize {
        self.dropped
    }

    /// Returns the number of attributes.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// Returns the memory of the attributes, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.fields.capacity()
    }

    /// Returns the value of an attribute.
    pub(super) fn get(&self, key: &str) -> Option<Value<'_>> {
        self.iter().find(|(other, _)| *other == key).map(|(_, value)| value)
    }

    /// Returns an iterator over the attributes, in the order in which they were added.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        messages(&self.fields).filter_map(|attribute| {
            let mut fields = messages(attribute);
            let (key, value) = (fields.next()?, fields.next()?);
            Some((str::from_utf8(key).ok()?, Value::decode(value)?))
        })
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The value of an attribute.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    Number(u64),
    Texts(Texts<'a>),
}

impl<'a> Value<'a> {
    /// Decodes an `AnyValue`.
    fn decode(fields: &'a [u8]) -> Option<Self> {
        match Fields(fields).next()? {
            (field::STRING, Field::Bytes(text)) => str::from_utf8(text).ok().map(Self::Text),
            (field::INT, Field::Integer(number)) => Some(Self::Number(number)),
            (field::ARRAY, Field::Bytes(array)) => Some(Self::Texts(Texts(array))),
            _ => None,
        }
    }
}

/// Writes a list as `["one","two"]`.
impl Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Texts(texts) => {
                f.write_str("[")?;
                for (place, text) in texts.iter().enumerate() {
                    write!(f, "{}\"{text}\"", if place > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
        }
    }
}

/// The texts in an `ArrayValue`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Texts<'a>(&'a [u8]);

impl<'a> Texts<'a> {
    pub(super) fn iter(self) -> impl Iterator<Item = &'a str> {
        messages(self.0).filter_map(|value| str::from_utf8(messages(value).next()?).ok())
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::{
        common::v1::{AnyValue, ArrayValue, KeyValue, any_value},
        trace::v1::Span,
    };
    use prost::Message;

    use super::*;

    fn all(limits: SpanLimits) -> Attributes {
        let mut fixed = Attributes::new(limits);
        fixed.push("team", "shop");
        let mut attributes = Attributes::new(limits);
        attributes.push("text", "grün");
        attributes.push("empty", "");
        attributes.push(&"k".repeat(200), &"v".repeat(300));
        attributes.push_number("number", 443);
        attributes.push_joined("joined", &["a", "", "bc"]);
        attributes.push_texts("texts", &["one", "", "three"]);
        attributes.extend(&fixed);
        attributes
    }

    /// The attributes as another library writes them.
    fn encoded(attributes: &[(&str, any_value::Value)]) -> Vec<u8> {
        let attributes = attributes.iter().map(|(key, value)| KeyValue {
            key: (*key).to_owned(),
            value: Some(AnyValue { value: Some(value.clone()) }),
            ..KeyValue::default()
        });
        Span { attributes: attributes.collect(), ..Span::default() }.encode_to_vec()
    }

    fn text(text: &str) -> any_value::Value {
        any_value::Value::StringValue(text.to_owned())
    }

    fn texts(texts: &[&str]) -> any_value::Value {
        let values = texts.iter().map(|one| AnyValue { value: Some(text(one)) });
        any_value::Value::ArrayValue(ArrayValue { values: values.collect() })
    }

    #[test]
    fn attributes_are_encoded_as_in_a_span() {
        let expected = [
            ("text", text("grün")),
            ("empty", text("")),
            (&"k".repeat(200), text(&"v".repeat(300))),
            ("number", any_value::Value::IntValue(443)),
            ("joined", text("abc")),
            ("texts", texts(&["one", "", "three"])),
            ("team", text("shop")),
        ];
        let attributes = all(SpanLimits::default());
        assert_eq!(attributes.as_fields(), encoded(&expected));
        assert_eq!((attributes.len(), attributes.dropped()), (7, 0));
    }

    #[test]
    fn attributes_are_read_as_they_were_written() {
        let attributes = all(SpanLimits::default());
        let listed: Vec<_> = attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let long = format!("{}={}", "k".repeat(200), "v".repeat(300));
        let expected =
            ["text=grün", "empty=", &long, "number=443", "joined=abc", "texts=[\"one\",\"\",\"three\"]", "team=shop"];
        assert_eq!(listed, expected);
        assert!(matches!(attributes.get("text"), Some(Value::Text("grün"))));
        assert!(attributes.get("absent").is_none());
    }

    #[test]
    fn attributes_are_limited() {
        let limits = SpanLimits { attributes: 6, value_length: 3, ..SpanLimits::default() };
        let expected = [
            ("text", text("grü")),
            ("empty", text("")),
            (&"k".repeat(200), text("vvv")),
            ("number", any_value::Value::IntValue(443)),
            ("joined", text("abc")),
            ("texts", texts(&["one", "", "thr"])),
        ];
        let attributes = all(limits);
        assert_eq!(attributes.as_fields(), encoded(&expected));
        assert_eq!((attributes.len(), attributes.dropped()), (6, 1));

        // Those that another list had no room for are dropped from this one, too.
        let mut two = Attributes::new(SpanLimits { attributes: 1, ..limits });
        two.push("one", "1");
        two.push("two", "2");
        let mut all = Attributes::new(two.limits);
        all.extend(&two);
        assert_eq!((all.len(), all.dropped()), (1, 1));
        all.extend(&two);
        assert_eq!((all.len(), all.dropped()), (1, 3));

        let mut addresses = Attributes::new(limits);
        addresses.push_ascii("long", b"192.0.2.1");
        addresses.push_ascii("short", b"::1");
        assert_eq!(addresses.as_fields(), encoded(&[("long", text("192")), ("short", text("::1"))]));

        let mut more = Attributes::new(SpanLimits::default());
        more.follow(&attributes);
        more.push("status", "200");
        assert_eq!((more.as_fields(), more.len(), more.dropped()), (&[][..], 6, 2));
    }
}
