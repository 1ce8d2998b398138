use std::env;

use traceparent::sampler::{SamplerConfig, SamplerConfigError};
use traceparent_formats::Propagators;

use self::reader::Reader;
use super::{Batch, OtlpVariables, SpanLimits};

mod reader;
#[cfg(test)]
mod tests;

/// The values of the environment's variables: no other part of the gateway reads one.
///
/// An empty variable counts as not set. So does one with an invalid value, which is among the [`errors`](Self::errors).
///
/// [OpenTelemetry: environment variables](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// `OTEL_SDK_DISABLED`: no spans, and contexts pass through unchanged.
    pub(crate) is_disabled: bool,
    /// `OTEL_SERVICE_NAME`, or else `service.name` of the attributes.
    pub(crate) service_name: Option<String>,
    /// `OTEL_RESOURCE_ATTRIBUTES` without `service.name`.
    pub(crate) resource: Vec<(String, String)>,
    /// `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.
    pub(crate) sampler: Option<SamplerConfig>,
    /// `OTEL_PROPAGATORS`.
    pub(crate) propagators: Option<Propagators>,
    /// `OTEL_TRACES_EXPORTER`.
    pub(crate) exporters: Option<Exporters>,
    /// `OTEL_EXPORTER_OTLP_*`.
    pub(crate) otlp: OtlpVariables,
    /// `OTEL_BSP_*`.
    pub(crate) batch: Batch,
    /// `OTEL_SPAN_*_LIMIT` and `OTEL_ATTRIBUTE_*_LIMIT`.
    pub(crate) limits: SpanLimits,
    /// `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS`. The names live as long as the process, because span names borrow them.
    pub(crate) known_methods: Option<&'static [&'static str]>,
    /// `COLUMNS`, the width of a terminal.
    pub(crate) columns: Option<usize>,
    errors: Vec<EnvironmentError>,
}

/// The exporters that `OTEL_TRACES_EXPORTER` lists; neither for `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exporters {
    /// Spans go to a collector.
    pub(crate) otlp: bool,
    /// Spans are written as JSON lines.
    pub(crate) console: bool,
}

/// An error in a variable, which then counts as not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnvironmentError {
    /// The value has another form.
    #[error("{name} is ignored: expected {expected}")]
    Invalid {
        /// The variable's name.
        name: String,
        /// The expected form.
        expected: &'static str,
    },
    /// The sampler's variables name none.
    #[error("the sampler of the environment is ignored: {0}")]
    Sampler(SamplerConfigError),
}

impl Environment {
    /// Reads the variables of the process. Bytes that are no text count as `U+FFFD`.
    pub(crate) fn of_process() -> Self {
        Self::read(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// Reads variables by a function from names to values.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let mut reader = Reader::new(variable);
        let (named, resource) = reader.resource();
        Self {
            is_disabled: reader.flag("OTEL_SDK_DISABLED"),
            service_name: reader.text("OTEL_SERVICE_NAME").or(named),
            resource,
            sampler: reader.sampler(),
            propagators: reader.propagators(),
            exporters: reader.exporters(),
            otlp: reader.otlp(),
            batch: reader.batch(),
            limits: reader.limits(),
            known_methods: reader.known_methods(),
            columns: reader.count("COLUMNS"),
            errors: reader.into_errors(),
        }
    }

    /// Returns the errors, in the order in which the variables were read.
    pub(crate) fn errors(&self) -> &[EnvironmentError] {
        &self.errors
    }
}
