use std::{
    fmt::Display,
    io::{self, Write},
};

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeStruct},
};
use serde_json::ser::Formatter;

use super::{
    Attributes, Span,
    attributes::{Texts, Value},
    kind_name,
};
use crate::operator::is_control;

/// Writes a value as JSON in one line, with every control character in the form `\u001b`.
///
/// # Errors
///
/// Returns an error if the value or the output does.
pub(crate) fn write_json(out: impl Write, value: &impl Serialize) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, PlainFormatter))
}

/// A compact formatter that also escapes the control characters which JSON allows.
struct PlainFormatter;

impl Formatter for PlainFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for part in fragment.split_inclusive(is_control) {
            let last = part.chars().next_back().filter(|last| is_control(*last));
            writer.write_all(&part.as_bytes()[..part.len() - last.map_or(0, char::len_utf8)])?;
            for unit in last.into_iter().flat_map(|last| last.encode_utf16(&mut [0; 2]).to_vec()) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_struct("Span", 16)?;
        line.serialize_field("start", &Text(humantime::format_rfc3339_micros(self.start)))?;
        line.serialize_field("duration_ms", &(self.duration.as_micros() as f64 / 1e3))?;
        line.serialize_field("service", &*self.service)?;
        line.serialize_field("kind", kind_name(self.kind))?;
        line.serialize_field("name", &self.name)?;
        line.serialize_field("status", &self.status)?;
        line.serialize_field("error", &self.failure.map(Text))?;
        line.serialize_field("trace_id", &Text(self.trace_id()))?;
        line.serialize_field("span_id", &Text(self.span_id()))?;
        line.serialize_field("parent_id", &self.parent_id.map(Text))?;
        line.serialize_field("sampled", &self.is_sampled())?;
        line.serialize_field("origin", self.origin.as_str())?;
        line.serialize_field("link", &self.link.map(Text))?;
        line.serialize_field("refused", &self.refused.as_deref())?;
        line.serialize_field("attributes", &self.attributes)?;
        match self.attributes.dropped() {
            0 => line.skip_field("dropped_attributes")?,
            dropped => line.serialize_field("dropped_attributes", &dropped)?,
        }
        line.end()
    }
}

/// Serializes as the text it displays.
struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Serializes as an object.
impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.len()))?;
        for (key, value) in self.iter() {
            match value {
                Value::Text(text) => object.serialize_entry(key, text)?,
                Value::Number(number) => object.serialize_entry(key, &number)?,
                Value::Texts(texts) => object.serialize_entry(key, &texts)?,
            }
        }
        object.end()
    }
}

impl Serialize for Texts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        let text = "a\"\\\n\x1b\x7f\u{9b}\u{202e}\u{2028}\u{e0041}\u{e9}";
        let mut line = Vec::new();
        write_json(&mut line, &text).unwrap();
        let line = String::from_utf8(line).unwrap();
        assert_eq!(line, "\"a\\\"\\\\\\n\\u001b\\u007f\\u009b\\u202e\\u2028\\udb40\\udc41\u{e9}\"");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }
}
