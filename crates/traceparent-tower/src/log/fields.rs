use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

use traceparent::TraceParent;

/// The names and forms of the IDs in log lines.
///
/// | | trace ID | span ID | flags |
/// |---|---|---|---|
/// | `OpenTelemetry` | `trace_id`, 32 hexadecimal digits | `span_id`, 16 hexadecimal digits | `trace_flags`, 2 hexadecimal digits |
/// | `Datadog` | `dd.trace_id`, the low 64 bits in decimal | `dd.span_id`, in decimal | |
/// | `GoogleCloud` | `logging.googleapis.com/trace`, `projects/PROJECT/traces/` and 32 hexadecimal digits | `logging.googleapis.com/spanId`, 16 hexadecimal digits | `logging.googleapis.com/trace_sampled`, a boolean |
///
/// [OpenTelemetry](https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/),
/// [Datadog](https://docs.datadoghq.com/tracing/other_telemetry/connect_logs_and_traces/opentelemetry/),
/// [Google Cloud](https://cloud.google.com/logging/docs/structured-logging)
#[cfg_attr(docsrs, doc(cfg(feature = "tracing-subscriber")))]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFields {
    /// The fields of OpenTelemetry's log data model.
    #[default]
    OpenTelemetry,
    /// The fields of Datadog.
    Datadog,
    /// The fields of Google Cloud's structured logging.
    #[non_exhaustive]
    GoogleCloud {
        /// The ID of the project that has the traces.
        project: Cow<'static, str>,
    },
}

impl LogFields {
    /// Creates the fields of Google Cloud, for the project that has the traces.
    ///
    /// In log lines, `_` stands for a character of the project's ID that JSON would escape.
    ///
    /// ```
    /// use traceparent_tower::{LogFields, TraceContextFormat};
    ///
    /// let format = TraceContextFormat::json(tracing_subscriber::fmt::format().json());
    /// let format = format.fields(LogFields::google_cloud("my-project"));
    /// ```
    pub fn google_cloud(project: impl Into<Cow<'static, str>>) -> Self {
        Self::GoogleCloud { project: project.into() }
    }

    pub(super) fn names(&self) -> &'static [&'static str] {
        match self {
            Self::OpenTelemetry => &["trace_id", "span_id", "trace_flags"],
            Self::Datadog => &["dd.trace_id", "dd.span_id"],
            Self::GoogleCloud { .. } => &[
                "logging.googleapis.com/trace",
                "logging.googleapis.com/spanId",
                "logging.googleapis.com/trace_sampled",
            ],
        }
    }
}

/// A value of a field. Its alternate form is JSON.
pub(super) enum Value<'a> {
    Text(&'a dyn fmt::Display),
    Trace { project: &'a str, id: &'a dyn fmt::Display },
    Bool(bool),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = if f.alternate() { "\"" } else { "" };
        match self {
            Self::Text(text) => write!(f, "{quote}{text}{quote}"),
            Self::Trace { project, id } => {
                write!(f, "{quote}projects/")?;
                for character in project.chars() {
                    let needs_escape = character.is_control() || matches!(character, '"' | '\\');
                    f.write_char(if needs_escape { '_' } else { character })?;
                }
                write!(f, "/traces/{id}{quote}")
            }
            Self::Bool(value) => value.fmt(f),
        }
    }
}

/// Hands the fields of a span to a function, in order.
pub(super) fn write_fields(
    fields: &LogFields,
    span: &TraceParent,
    mut write: impl FnMut(&str, &Value<'_>) -> fmt::Result,
) -> fmt::Result {
    let (trace_id, span_id, flags) = (span.trace_id(), span.parent_id(), span.flags());
    let mut write_all =
        |values: &[Value<'_>]| fields.names().iter().zip(values).try_for_each(|(name, value)| write(name, value));
    match fields {
        LogFields::OpenTelemetry => write_all(&[
            Value::Text(&trace_id),
            Value::Text(&span_id),
            Value::Text(&format_args!("{:02x}", flags.bits())),
        ]),
        LogFields::Datadog => {
            let low_bits = trace_id.to_u128() & u128::from(u64::MAX);
            write_all(&[Value::Text(&low_bits), Value::Text(&span_id.to_u64())])
        }
        LogFields::GoogleCloud { project } => {
            let id = Value::Trace { project, id: &trace_id };
            write_all(&[id, Value::Text(&span_id), Value::Bool(flags.is_sampled())])
        }
    }
}
