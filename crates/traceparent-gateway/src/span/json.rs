use std::fmt::Display;

use opentelemetry::{KeyValue, Value};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeStruct},
};

use super::{Span, kind_name};

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_struct("Span", 15)?;
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
        line.serialize_field("refused", &self.refused.map(Text))?;
        line.serialize_field("attributes", &Attributes(&self.attributes))?;
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
struct Attributes<'a>(&'a [KeyValue]);

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.len()))?;
        for attribute in self.0 {
            let key = attribute.key.as_str();
            match &attribute.value {
                Value::I64(number) => object.serialize_entry(key, number)?,
                Value::Bool(bool) => object.serialize_entry(key, bool)?,
                value => object.serialize_entry(key, &value.as_str())?,
            }
        }
        object.end()
    }
}
