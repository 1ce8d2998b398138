use std::{env, time::Duration};

use percent_encoding::percent_decode_str;
use traceparent::sampler::{SamplerConfig, SamplerConfigError};

use super::{Batch, OtlpProtocol};

/// The largest queue of finished spans.
const MAX_QUEUE: usize = 1 << 20;

/// The values of the environment's variables: no other part of the gateway reads one.
///
/// An empty variable counts as not set. So does one with an invalid value, which is among the [`errors`](Self::errors).
///
/// [OpenTelemetry: environment variables](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// `OTEL_SERVICE_NAME`, or else `service.name` of the attributes.
    pub(crate) service_name: Option<String>,
    /// `OTEL_RESOURCE_ATTRIBUTES` without `service.name`.
    pub(crate) resource: Vec<(String, String)>,
    /// `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.
    pub(crate) sampler: Option<SamplerConfig>,
    /// `OTEL_TRACES_EXPORTER`.
    pub(crate) exporters: Option<Exporters>,
    /// `OTEL_EXPORTER_OTLP_*`.
    pub(crate) otlp: OtlpVariables,
    /// `OTEL_BSP_*`.
    pub(crate) batch: Batch,
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

/// The variables of the OTLP exporter. Each is that of traces, or else that of all signals.
///
/// [OpenTelemetry: OTLP exporter configuration](https://opentelemetry.io/docs/specs/otel/protocol/exporter/)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OtlpVariables {
    pub(crate) endpoint: Option<String>,
    pub(crate) protocol: Option<OtlpProtocol>,
    pub(crate) timeout: Option<Duration>,
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
    /// Reads the variables of the process.
    pub(crate) fn of_process() -> Self {
        Self::read(|name| env::var(name).ok())
    }

    /// Reads variables by a function from names to values.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let mut reader = Reader { variable, errors: Vec::new() };
        let (named, resource) = reader.resource();
        Self {
            service_name: reader.text("OTEL_SERVICE_NAME").or(named),
            resource,
            sampler: reader.sampler(),
            exporters: reader.exporters(),
            otlp: reader.otlp(),
            batch: reader.batch(),
            known_methods: reader.known_methods(),
            columns: reader.text("COLUMNS").and_then(|columns| columns.parse().ok()),
            errors: reader.errors,
        }
    }

    /// Returns the errors, in the order in which the variables were read.
    pub(crate) fn errors(&self) -> &[EnvironmentError] {
        &self.errors
    }
}

/// A reader of variables that notes the invalid ones.
struct Reader<F> {
    variable: F,
    errors: Vec<EnvironmentError>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn text(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.trim().is_empty())
    }

    /// Reads a variable by a function that returns `None` for an invalid value.
    fn value<T>(&mut self, name: &str, expected: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let value = parse(&self.text(name)?);
        if value.is_none() {
            self.errors.push(EnvironmentError::Invalid { name: name.to_owned(), expected });
        }
        value
    }

    fn milliseconds(&mut self, name: &str) -> Option<Duration> {
        self.value(name, "a number of milliseconds", |value| value.trim().parse().ok().map(Duration::from_millis))
    }

    fn count(&mut self, name: &str) -> Option<usize> {
        let parse = |value: &str| value.trim().parse().ok().filter(|count| *count > 0);
        self.value(name, "a number of at least 1", parse)
    }

    /// Returns `service.name` and the other attributes.
    fn resource(&mut self) -> (Option<String>, Vec<(String, String)>) {
        let expected = "a list such as team=shop,deployment.environment.name=test";
        let mut resource = self.value("OTEL_RESOURCE_ATTRIBUTES", expected, attributes).unwrap_or_default();
        let named = resource.iter().rposition(|(key, _)| key == "service.name").map(|at| resource.remove(at).1);
        resource.retain(|(key, _)| key != "service.name");
        (named.filter(|name| !name.trim().is_empty()), resource)
    }

    fn sampler(&mut self) -> Option<SamplerConfig> {
        let name = self.text("OTEL_TRACES_SAMPLER")?;
        let sampler = SamplerConfig::parse(Some(&name), self.text("OTEL_TRACES_SAMPLER_ARG").as_deref());
        match sampler {
            Ok(sampler) => Some(sampler),
            Err(error) => {
                self.errors.push(EnvironmentError::Sampler(error));
                // An unknown name counts as not set, an invalid ratio leaves the named sampler.
                (error != SamplerConfigError::UnknownSampler).then(|| error.sampler())
            }
        }
    }

    /// [OpenTelemetry: exporter selection](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#exporter-selection)
    fn exporters(&mut self) -> Option<Exporters> {
        self.value("OTEL_TRACES_EXPORTER", "a list of otlp and console, or none", |list| {
            let mut exporters = Exporters { otlp: false, console: false };
            for name in list.split(',').map(|name| name.trim().to_ascii_lowercase()) {
                match name.as_str() {
                    "otlp" => exporters.otlp = true,
                    "console" => exporters.console = true,
                    "none" | "" => {}
                    _ => return None,
                }
            }
            Some(exporters)
        })
    }

    fn otlp(&mut self) -> OtlpVariables {
        OtlpVariables {
            endpoint: self.text(&self.of_traces("ENDPOINT")),
            protocol: self.value(&self.of_traces("PROTOCOL"), "grpc or http/protobuf", |name| {
                match name.trim().to_ascii_lowercase().as_str() {
                    "grpc" => Some(OtlpProtocol::Grpc),
                    "http/protobuf" => Some(OtlpProtocol::HttpProtobuf),
                    _ => None,
                }
            }),
            timeout: self.milliseconds(&self.of_traces("TIMEOUT")),
        }
    }

    /// Returns the name of the exporter's variable for traces if that is set, or else of the one for all signals.
    fn of_traces(&self, name: &str) -> String {
        let of_traces = format!("OTEL_EXPORTER_OTLP_TRACES_{name}");
        if self.text(&of_traces).is_some() { of_traces } else { format!("OTEL_EXPORTER_OTLP_{name}") }
    }

    fn batch(&mut self) -> Batch {
        let default = Batch::default();
        let queue = self.count("OTEL_BSP_MAX_QUEUE_SIZE").unwrap_or(default.queue).min(MAX_QUEUE);
        Batch {
            queue,
            size: self.count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE").unwrap_or(default.size).min(queue),
            delay: self.milliseconds("OTEL_BSP_SCHEDULE_DELAY").unwrap_or(default.delay),
            timeout: self.milliseconds("OTEL_BSP_EXPORT_TIMEOUT").unwrap_or(default.timeout),
        }
    }

    /// [OpenTelemetry: `http.request.method`](https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/)
    fn known_methods(&self) -> Option<&'static [&'static str]> {
        let list: &'static str = self.text("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS")?.leak();
        let methods: Vec<_> = list.split(',').map(str::trim).filter(|method| !method.is_empty()).collect();
        Some(methods.leak())
    }
}

/// Parses `key=value,key=value`, percent-decoded; `None` if a member is invalid.
///
/// [OpenTelemetry: specifying resource information via an environment variable](https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable)
fn attributes(list: &str) -> Option<Vec<(String, String)>> {
    let members = list.split(',').map(str::trim).filter(|member| !member.is_empty());
    members
        .map(|member| {
            let (key, value) = member.split_once('=')?;
            Some((decoded(key)?, decoded(value)?)).filter(|(key, _)| !key.is_empty())
        })
        .collect()
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text.trim()).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[track_caller]
    fn assert_ignored(name: &str, value: &str, expected: &str) {
        let found = environment(&[(name, value)]);
        let errors: Vec<_> = found.errors().iter().map(ToString::to_string).collect();
        assert_eq!(errors, [format!("{name} is ignored: expected {expected}")], "{value}");
        assert_eq!(Environment { errors: Vec::new(), ..found }, Environment::default(), "{value}");
    }

    #[test]
    fn empty_variables_count_as_not_set() {
        assert_eq!(environment(&[]), Environment::default());
        assert_eq!(environment(&[("OTEL_SERVICE_NAME", " "), ("OTEL_TRACES_SAMPLER", "")]), Environment::default());
        assert_eq!(environment(&[("OTEL_BSP_SCHEDULE_DELAY", ""), ("COLUMNS", "")]), Environment::default());
    }

    #[test]
    fn invalid_variables_are_ignored_and_reported() {
        for list in ["team", "a=b,=c", "a=%ff"] {
            let expected = "a list such as team=shop,deployment.environment.name=test";
            assert_ignored("OTEL_RESOURCE_ATTRIBUTES", list, expected);
        }
        for list in ["jaeger", "otlp,zipkin"] {
            assert_ignored("OTEL_TRACES_EXPORTER", list, "a list of otlp and console, or none");
        }
        assert_ignored("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "grpc or http/protobuf");
        assert_ignored("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "10s", "a number of milliseconds");
        assert_ignored("OTEL_BSP_EXPORT_TIMEOUT", "soon", "a number of milliseconds");
        assert_ignored("OTEL_BSP_MAX_QUEUE_SIZE", "0", "a number of at least 1");
    }

    #[test]
    fn the_service_name_comes_before_the_attribute() {
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a, team=sh%6Fp ,service.name=b");
        let found = environment(&[attributes]);
        assert_eq!(found.service_name.as_deref(), Some("b"));
        assert_eq!(found.resource, [("team".to_owned(), "shop".to_owned())]);
        assert_eq!(environment(&[attributes, ("OTEL_SERVICE_NAME", "c")]).service_name.as_deref(), Some("c"));
        assert_eq!(environment(&[("OTEL_RESOURCE_ATTRIBUTES", "service.name=")]).service_name, None);
    }

    #[test]
    fn samplers_go_by_their_names() {
        let found = environment(&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.5")]);
        assert_eq!(found.sampler, SamplerConfig::parse(Some("traceidratio"), Some("0.5")).ok());
        let found = environment(&[("OTEL_TRACES_SAMPLER", "TraceIdRatio"), ("OTEL_TRACES_SAMPLER_ARG", "50%")]);
        assert_eq!(found.sampler, SamplerConfig::parse(Some("traceidratio"), None).ok());
        assert_eq!(found.errors().len(), 1);
        let found = environment(&[("OTEL_TRACES_SAMPLER", "sometimes")]);
        assert_eq!(found.sampler, None);
        assert_eq!(found.errors(), [EnvironmentError::Sampler(SamplerConfigError::UnknownSampler)]);
    }

    #[test]
    fn exporters_are_listed_in_any_case() {
        let exporters = |list| environment(&[("OTEL_TRACES_EXPORTER", list)]).exporters;
        assert_eq!(exporters("OTLP, console"), Some(Exporters { otlp: true, console: true }));
        assert_eq!(exporters("none"), Some(Exporters { otlp: false, console: false }));
        assert_eq!(exporters(" "), None);
    }

    #[test]
    fn variables_of_traces_come_before_those_of_all_signals() {
        let found = environment(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", ""),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "GRPC"),
        ]);
        let expected = OtlpVariables {
            endpoint: Some("http://traces:4318".to_owned()),
            protocol: Some(OtlpProtocol::Grpc),
            timeout: Some(Duration::from_millis(250)),
        };
        assert_eq!(found.otlp, expected);
    }

    #[test]
    fn a_batch_fits_its_queue() {
        let found = environment(&[("OTEL_BSP_MAX_QUEUE_SIZE", "100"), ("OTEL_BSP_SCHEDULE_DELAY", "250")]);
        let expected = Batch { queue: 100, size: 100, delay: Duration::from_millis(250), ..Batch::default() };
        assert_eq!(found.batch, expected);
    }

    #[test]
    fn known_methods_are_a_list() {
        let found = environment(&[("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET, BREW,")]);
        assert_eq!(found.known_methods, Some(&["GET", "BREW"][..]));
    }
}
