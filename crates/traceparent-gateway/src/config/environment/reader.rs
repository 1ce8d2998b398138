use std::{path::PathBuf, time::Duration};

use hyper::{
    Method, Uri,
    header::{HeaderName, HeaderValue},
};
use percent_encoding::percent_decode_str;
use traceparent::sampler::{SamplerConfig, SamplerConfigError};
use traceparent_formats::Propagators;

use super::{EnvironmentError, Exporters};
use crate::config::{
    Batch, ClientTls, Identity, NO_LIMIT, OtlpEndpoint, OtlpProtocol, OtlpVariables, SpanLimits, parse_collector,
};

/// The largest queue of finished spans.
const MAX_QUEUE: usize = 1 << 20;

/// The form of a collector's URL.
const URL: &str = "a URL such as http://127.0.0.1:4318";

/// A reader of variables that notes the invalid ones.
pub(super) struct Reader<F> {
    variable: F,
    errors: Vec<EnvironmentError>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    pub(super) const fn new(variable: F) -> Self {
        Self { variable, errors: Vec::new() }
    }

    pub(super) fn into_errors(self) -> Vec<EnvironmentError> {
        self.errors
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
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

    /// Reads the variable of the exporter for traces, or else the one for all signals.
    fn value_of_traces<T>(
        &mut self,
        name: &str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let of_traces = self.value(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"), expected, &parse);
        of_traces.or_else(|| self.value(&format!("OTEL_EXPORTER_OTLP_{name}"), expected, parse))
    }

    /// [OpenTelemetry: boolean](https://opentelemetry.io/docs/specs/otel/configuration/common/#boolean)
    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.value(name, "true or false", boolean).unwrap_or_default()
    }

    /// [OpenTelemetry: duration](https://opentelemetry.io/docs/specs/otel/configuration/common/#duration)
    fn milliseconds(&mut self, name: &str) -> Option<Duration> {
        self.value(name, MILLISECONDS, milliseconds)
    }

    pub(super) fn count(&mut self, name: &str) -> Option<usize> {
        let parse = |value: &str| value.trim().parse().ok().filter(|count| *count > 0);
        self.value(name, "a number of at least 1", parse)
    }

    /// Returns `service.name` and the other attributes.
    pub(super) fn resource(&mut self) -> (Option<String>, Vec<(String, String)>) {
        let expected = "a list such as team=shop,deployment.environment.name=test";
        let mut resource = self.value("OTEL_RESOURCE_ATTRIBUTES", expected, attributes).unwrap_or_default();
        let named = resource.iter().rposition(|(key, _)| key == "service.name").map(|at| resource.remove(at).1);
        resource.retain(|(key, _)| key != "service.name");
        (named.filter(|name| !name.trim().is_empty()), resource)
    }

    pub(super) fn sampler(&mut self) -> Option<SamplerConfig> {
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

    pub(super) fn propagators(&mut self) -> Option<Propagators> {
        let expected = "a list of tracecontext, baggage, b3, b3multi, xray, datadog, jaeger, grpc-trace-bin, cloudtrace \
                        and ottrace, or none";
        self.value("OTEL_PROPAGATORS", expected, |list| list.to_ascii_lowercase().parse().ok())
    }

    /// [OpenTelemetry: exporter selection](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#exporter-selection)
    pub(super) fn exporters(&mut self) -> Option<Exporters> {
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

    pub(super) fn otlp(&mut self) -> OtlpVariables {
        let insecure = self.value_of_traces("INSECURE", "true or false", boolean);
        let collector = |text: &str| collector(text, insecure);
        let endpoint = self.value("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", URL, collector).map(OtlpEndpoint::of_traces);
        let endpoint = endpoint
            .or_else(|| self.value("OTEL_EXPORTER_OTLP_ENDPOINT", URL, collector).map(OtlpEndpoint::of_all_signals));
        OtlpVariables {
            endpoint,
            tls: self.tls(),
            protocol: self.value_of_traces("PROTOCOL", "grpc or http/protobuf", |name| {
                match name.trim().to_ascii_lowercase().as_str() {
                    "grpc" => Some(OtlpProtocol::Grpc),
                    "http/protobuf" => Some(OtlpProtocol::HttpProtobuf),
                    _ => None,
                }
            }),
            headers: self
                .value_of_traces("HEADERS", "a list such as x-key=secret,x-team=shop", headers)
                .unwrap_or_default(),
            timeout: self.value_of_traces("TIMEOUT", MILLISECONDS, limit),
            gzip: self.value_of_traces("COMPRESSION", "gzip or none", compression).unwrap_or_default(),
        }
    }

    /// Returns the files for TLS, relative to the working directory.
    fn tls(&mut self) -> ClientTls {
        let file = |reader: &mut Self, name| reader.value_of_traces(name, "a file", |path| Some(PathBuf::from(path)));
        let ca = file(self, "CERTIFICATE");
        let (certificate, key) = (file(self, "CLIENT_CERTIFICATE"), file(self, "CLIENT_KEY"));
        let mut alone = |name, expected| {
            self.errors.push(EnvironmentError::Invalid { name: format!("OTEL_EXPORTER_OTLP_{name}"), expected });
            None
        };
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
            (Some(_), None) => alone("CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_KEY beside it"),
            (None, Some(_)) => alone("CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE beside it"),
            (None, None) => None,
        };
        ClientTls { ca, identity, server_name: None }
    }

    pub(super) fn batch(&mut self) -> Batch {
        let default = Batch::default();
        let queue = self.count("OTEL_BSP_MAX_QUEUE_SIZE").unwrap_or(default.queue).min(MAX_QUEUE);
        Batch {
            queue,
            size: self.count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE").unwrap_or(default.size).min(queue),
            delay: self.milliseconds("OTEL_BSP_SCHEDULE_DELAY").unwrap_or(default.delay),
            timeout: self.value("OTEL_BSP_EXPORT_TIMEOUT", MILLISECONDS, limit).unwrap_or(default.timeout),
        }
    }

    pub(super) fn limits(&mut self) -> SpanLimits {
        let mut limit = |names: &[&str]| {
            names.iter().find_map(|name| self.value(name, "a number of at least 0", |value| value.trim().parse().ok()))
        };
        let default = SpanLimits::default();
        SpanLimits {
            attributes: limit(&["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"])
                .unwrap_or(default.attributes),
            value_length: limit(&["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"])
                .unwrap_or(default.value_length),
            links: limit(&["OTEL_SPAN_LINK_COUNT_LIMIT"]).unwrap_or(default.links),
        }
    }

    /// [OpenTelemetry: `http.request.method`](https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/)
    pub(super) fn known_methods(&mut self) -> Option<&'static [&'static str]> {
        self.value("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "a list such as GET,POST", |list| {
            let names = || list.split(',').map(str::trim).filter(|name| !name.is_empty());
            if !names().all(|name| Method::from_bytes(name.as_bytes()).is_ok()) {
                return None;
            }
            let methods: Vec<&'static str> = names().map(|name| &*name.to_owned().leak()).collect();
            Some(&*methods.leak())
        })
    }
}

const MILLISECONDS: &str = "a number of milliseconds";

fn milliseconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_millis)
}

/// Parses a time limit, of which 0 is none.
fn limit(text: &str) -> Option<Duration> {
    milliseconds(text).map(|limit| if limit.is_zero() { NO_LIMIT } else { limit })
}

fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// Parses a collector's URL, whose scheme may be left out where the environment says whether it is secure.
fn collector(text: &str, insecure: Option<bool>) -> Option<Uri> {
    let scheme = match insecure {
        Some(insecure) if !text.contains("://") => {
            if insecure {
                "http://"
            } else {
                "https://"
            }
        }
        _ => "",
    };
    parse_collector(&format!("{scheme}{}", text.trim())).ok()
}

fn compression(name: &str) -> Option<bool> {
    match name.trim().to_ascii_lowercase().as_str() {
        "gzip" => Some(true),
        "none" => Some(false),
        _ => None,
    }
}

fn headers(list: &str) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let header = |(name, value): (String, String)| {
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::try_from(name).ok()?, value))
    };
    attributes(list)?.into_iter().map(header).collect()
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
