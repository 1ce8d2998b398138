use std::{
    fmt::Display,
    time::{Duration, SystemTime},
};

use serde::{Serialize, Serializer, ser::SerializeStruct};
use traceparent::{Origin, ParseError, SpanId, TraceId, TraceParent};

use crate::failure::Failure;

/// A finished piece of work of one service.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "the fields' names are those of the JSON line")]
pub(crate) struct Span {
    pub(crate) service: &'static str,
    pub(crate) name: &'static str,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) start: SystemTime,
    pub(crate) duration: Duration,
    /// The status of the response; `None` when there was none.
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<Failure>,
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) parent_id: Option<SpanId>,
    pub(crate) sampled: bool,
    pub(crate) origin: Origin,
    pub(crate) link: Option<TraceParent>,
    /// Why `traceparent`, or else `tracestate`, was refused.
    pub(crate) refused: Option<ParseError>,
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_struct("Span", 15)?;
        line.serialize_field("start", &Text(humantime::format_rfc3339_micros(self.start)))?;
        line.serialize_field("duration_ms", &(self.duration.as_micros() as f64 / 1e3))?;
        line.serialize_field("service", self.service)?;
        line.serialize_field("name", self.name)?;
        line.serialize_field("method", self.method)?;
        line.serialize_field("path", &self.path)?;
        line.serialize_field("status", &self.status)?;
        line.serialize_field("error", &self.error.map(Text))?;
        line.serialize_field("trace_id", &Text(self.trace_id))?;
        line.serialize_field("span_id", &Text(self.span_id))?;
        line.serialize_field("parent_id", &self.parent_id.map(Text))?;
        line.serialize_field("sampled", &self.sampled)?;
        line.serialize_field("origin", self.origin.as_str())?;
        line.serialize_field("link", &self.link.map(Text))?;
        line.serialize_field("refused", &self.refused.map(Text))?;
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
