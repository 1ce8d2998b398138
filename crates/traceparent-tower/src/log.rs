use std::fmt;

use traceparent::TraceParent;
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

pub use self::fields::LogFields;
use self::fields::write_fields;
use crate::SpanContext;

mod fields;

/// An event format of `tracing-subscriber` that adds the IDs of the current trace to each log line.
///
/// It wraps another event format, and needs neither a log span nor OpenTelemetry: every event of a request has the IDs of
/// its [`SpanContext`], in tasks and streams as well if they are polled [in the trace](crate::InTraceExt). A line outside
/// of a trace stays as it is, and so does one whose event has fields of these names itself.
///
/// ```
/// use traceparent_tower::TraceContextFormat;
///
/// let subscriber = tracing_subscriber::fmt().json().map_event_format(TraceContextFormat::json).finish();
/// # let _ = subscriber;
/// ```
///
/// ```text
/// {"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","trace_flags":"01","level":"INFO",...}
/// ```
///
/// In a service on OpenTelemetry's SDK, the IDs are those of the SDK's current span:
///
/// ```
/// use traceparent_tower::TraceContextFormat;
///
/// let subscriber = tracing_subscriber::fmt()
///     .json()
///     .map_event_format(|format| TraceContextFormat::json(format).current(traceparent_opentelemetry::current))
///     .finish();
/// # let _ = subscriber;
/// ```
///
/// [Trace Context in non-OTLP Log Formats](https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/)
#[cfg_attr(docsrs, doc(cfg(feature = "tracing-subscriber")))]
#[derive(Clone, Debug)]
#[must_use]
pub struct TraceContextFormat<F> {
    inner: F,
    shape: Shape,
    fields: LogFields,
    current: fn() -> Option<TraceParent>,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Json,
    Text,
}

impl<F> TraceContextFormat<F> {
    /// Creates a format that adds the IDs as fields of the JSON object that another format writes.
    ///
    /// They stand at the top level, before the other fields. If the log spans of the line have the same IDs, as those of
    /// [`InstrumentRequestLayer`](crate::InstrumentRequestLayer) do, they are left out there.
    pub fn json(inner: F) -> Self {
        Self::new(inner, Shape::Json)
    }

    /// Creates a format that writes the IDs in front of the line that another format writes.
    ///
    /// A line with a log span that has the field `trace_id`, as those of
    /// [`InstrumentRequestLayer`](crate::InstrumentRequestLayer) have, stays as it is.
    ///
    /// ```
    /// use traceparent_tower::TraceContextFormat;
    ///
    /// let subscriber = tracing_subscriber::fmt().map_event_format(TraceContextFormat::text).finish();
    /// # let _ = subscriber;
    /// ```
    ///
    /// ```text
    /// trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7 trace_flags=01 2026-11-27T09:00:00Z  INFO ...
    /// ```
    pub fn text(inner: F) -> Self {
        Self::new(inner, Shape::Text)
    }

    fn new(inner: F, shape: Shape) -> Self {
        let current = || SpanContext::current().map(|span| span.traceparent());
        Self { inner, shape, fields: LogFields::OpenTelemetry, current }
    }

    /// Sets the names and forms of the fields; OpenTelemetry's unless set.
    ///
    /// ```
    /// use traceparent_tower::{LogFields, TraceContextFormat};
    ///
    /// let subscriber = tracing_subscriber::fmt()
    ///     .json()
    ///     .map_event_format(|format| TraceContextFormat::json(format).fields(LogFields::Datadog))
    ///     .finish();
    /// # let _ = subscriber;
    /// ```
    pub fn fields(mut self, fields: LogFields) -> Self {
        self.fields = fields;
        self
    }

    /// Sets the function that returns the IDs and flags of the current span; those of [`SpanContext::current`] unless
    /// set.
    pub fn current(mut self, current: fn() -> Option<TraceParent>) -> Self {
        self.current = current;
        self
    }
}

impl<S, N, F> FormatEvent<S, N> for TraceContextFormat<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let is_present = |name: &&str| event.metadata().fields().field(name).is_some();
        let Some(span) = (self.current)().filter(|_| !self.fields.names().iter().any(is_present)) else {
            return self.inner.format_event(context, writer, event);
        };
        match self.shape {
            Shape::Json => {
                let mut line = String::with_capacity(512);
                self.inner.format_event(context, Writer::new(&mut line), event)?;
                let (trace_id, span_id) = (span.trace_id(), span.parent_id());
                let removed: [(_, &dyn fmt::Display); 2] = [("trace_id", &trace_id), ("span_id", &span_id)];
                // Most lines have no log span with IDs, and need no search for them.
                let removed = if has_ids(context, &["trace_id", "span_id"]) { &removed[..] } else { &[] };
                write_json(&mut writer, &line, &span, &self.fields, removed)
            }
            Shape::Text => {
                if !has_ids(context, &["trace_id"]) {
                    write_fields(&self.fields, &span, |name, value| write!(writer, "{name}={value} "))?;
                }
                self.inner.format_event(context, writer, event)
            }
        }
    }
}

/// Returns whether a log span of the line has one of these fields.
fn has_ids<S, N>(context: &FmtContext<'_, S, N>, names: &[&str]) -> bool
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let mut spans = context.event_scope().into_iter().flatten();
    spans.any(|span| names.iter().any(|name| span.metadata().fields().field(name).is_some()))
}

/// Writes a line with the IDs as the first fields of its object, and without some fields of inner ones. A line that is no
/// object stays as it is.
fn write_json(
    writer: &mut Writer<'_>,
    line: &str,
    span: &TraceParent,
    fields: &LogFields,
    removed: &[(&str, &dyn fmt::Display)],
) -> fmt::Result {
    let Some(members) = line.strip_prefix('{') else { return writer.write_str(line) };
    writer.write_char('{')?;
    let mut separator = "";
    write_fields(fields, span, |name, value| {
        let result = write!(writer, "{separator}\"{name}\":{value:#}");
        separator = ",";
        result
    })?;
    if !members.starts_with('}') {
        writer.write_char(',')?;
    }
    write_without(writer, members, removed)
}

/// Writes the members of an object without some fields that its inner objects have.
///
/// A quotation mark in a string is escaped, so that the pattern `"name":"value"` is found in place of a member alone.
fn write_without(writer: &mut Writer<'_>, members: &str, removed: &[(&str, &dyn fmt::Display)]) -> fmt::Result {
    let Some(((name, value), later)) = removed.split_first() else { return writer.write_str(members) };
    let member = format!("\"{name}\":\"{value}\"");
    let mut rest = members;
    while let Some((before, after)) = rest.split_once(&member) {
        let (before, after) = match (after.strip_prefix(','), before.strip_suffix(',')) {
            (Some(after), _) => (before, after),
            (None, Some(before)) => (before, after),
            (None, None) => (before, after),
        };
        write_without(writer, before, later)?;
        rest = after;
    }
    write_without(writer, rest, later)
}
