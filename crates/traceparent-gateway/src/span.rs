use std::{
    borrow::Cow,
    fmt::Display,
    sync::Arc,
    time::{Duration, SystemTime},
};

use opentelemetry::{KeyValue, Value};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeStruct},
};
use traceparent::{Origin, ParseError, SpanId, SpanKind, TraceContext, TraceId, TraceParent};

use crate::http::failure::Failure;

pub(crate) mod semconv;

/// A finished piece of work of one service.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) service: Arc<str>,
    pub(crate) kind: SpanKind,
    pub(crate) name: Cow<'static, str>,
    pub(crate) start: SystemTime,
    pub(crate) duration: Duration,
    /// Ids, flags and `tracestate`, as they went out.
    pub(crate) context: TraceContext<'static>,
    pub(crate) parent_id: Option<SpanId>,
    pub(crate) origin: Origin,
    pub(crate) link: Option<TraceParent>,
    /// Why `traceparent`, or else `tracestate`, was refused.
    pub(crate) refused: Option<ParseError>,
    /// The status of the response; `None` when there was none.
    pub(crate) status: Option<u16>,
    pub(crate) failure: Option<Failure>,
    /// What else there is to know, by OpenTelemetry's conventions.
    pub(crate) attributes: Vec<KeyValue>,
}

impl Span {
    pub(crate) fn trace_id(&self) -> TraceId {
        self.context.traceparent.trace_id()
    }

    pub(crate) fn span_id(&self) -> SpanId {
        self.context.traceparent.parent_id()
    }

    pub(crate) fn is_sampled(&self) -> bool {
        self.context.traceparent.flags().is_sampled()
    }

    /// Returns how many bytes it has when it is exported, about.
    pub(crate) fn size(&self) -> usize {
        let texts = self.attributes.iter().map(|attribute| match &attribute.value {
            Value::String(text) => attribute.key.as_str().len() + text.as_str().len(),
            _ => attribute.key.as_str().len() + size_of::<i64>(),
        });
        let overhead = 128 + 8 * self.attributes.len();
        overhead + self.name.len() + self.context.tracestate.as_str().len() + texts.sum::<usize>()
    }

    /// Returns the text of an attribute.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|attribute| attribute.key.as_str() == key)?;
        match &found.value {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// Whether it went wrong: no or a broken response, 5xx from a server, 4xx or 5xx to a client.
    ///
    /// [OpenTelemetry: status of HTTP spans](https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status)
    pub(crate) fn is_error(&self) -> bool {
        let least = if self.kind == SpanKind::Client { 400 } else { 500 };
        self.failure.is_some() || self.status.is_some_and(|status| status >= least)
    }

    /// Returns the class of what went wrong, `error.type`.
    pub(crate) fn error_type(&self) -> Option<Cow<'static, str>> {
        match (self.failure, self.status) {
            (Some(failure), _) => Some(failure.as_str().into()),
            (None, Some(status)) if self.is_error() => Some(status.to_string().into()),
            _ => None,
        }
    }
}

/// Returns the conventional name of a kind, such as `server`.
pub(crate) const fn kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}

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
