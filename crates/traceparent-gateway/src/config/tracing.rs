use std::time::Duration;

use hyper::{
    Uri,
    header::{HeaderName, HeaderValue},
};
use traceparent::{
    Percent, PercentageSampler, ProbabilitySampler, Sampler, SamplerConfig, SamplingInput, SamplingResult,
};

use super::Environment;

/// The service's name where nobody gave it one.
const SERVICE_NAME: &str = "gateway";

/// What is traced, and where spans go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tracing {
    /// The resource's `service.name`.
    pub(crate) service_name: String,
    /// The resource's further attributes.
    pub(crate) resource: Vec<(String, String)>,
    /// Which traces are sampled among those decided here.
    pub(crate) sampling: Sampling,
    /// What spans tell besides what every span tells.
    pub(crate) span_attributes: SpanAttributes,
    /// Where spans are exported to, as far as the file says so: the environment may name a collector too.
    pub(crate) otlp: Option<Otlp>,
    /// The methods that spans may name, instead of those of HTTP.
    pub(crate) known_methods: Option<&'static [&'static str]>,
}

/// Which traces are sampled among those decided here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sampling {
    /// The file's percentages. `client_sampling` looks at the attribute [`PercentageSampler::CLIENT_TRACE_ID`].
    Percentages(PercentageSampler),
    /// The percentage of the command line, the same whoever the caller is.
    Probability(ProbabilitySampler),
    /// The environment's sampler.
    Environment(SamplerConfig),
}

impl Sampler for Sampling {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        match self {
            Self::Percentages(sampler) => sampler.should_sample(input),
            Self::Probability(sampler) => sampler.should_sample(input),
            Self::Environment(sampler) => sampler.should_sample(input),
        }
    }
}

/// What spans tell besides what every span tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpanAttributes {
    /// Request headers whose lower-case names start like one of these become attributes.
    pub(crate) header_prefixes: Vec<String>,
    /// Attributes that every span gets.
    pub(crate) fixed: Vec<(String, String)>,
}

/// A collector that takes OTLP. What is not set here, the environment or OpenTelemetry's default says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Otlp {
    /// Its URL, with `http://`.
    pub(crate) endpoint: Option<Uri>,
    /// How it is spoken to.
    pub(crate) protocol: Option<OtlpProtocol>,
    /// What every export carries, such as a key. Values are secrets.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// How long one export may take.
    pub(crate) timeout: Option<Duration>,
}

/// How a collector is spoken to.
///
/// [OpenTelemetry: OTLP exporter configuration](https://opentelemetry.io/docs/specs/otel/protocol/exporter/)
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub(crate) enum OtlpProtocol {
    /// gRPC, usually at port 4317.
    #[serde(rename = "grpc")]
    Grpc,
    /// Protobuf over HTTP, usually at port 4318.
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
}

impl Tracing {
    /// Samples everything of this service.
    pub(crate) fn of_service(service_name: &str) -> Self {
        let sampling = Sampling::Probability(ProbabilitySampler::from_percent(Percent::HUNDRED));
        Self::new(Some(service_name.to_owned()), sampling, &Environment::default())
    }

    /// Samples a percentage of the traces that start here, or as the environment says, or else all.
    pub(crate) fn of_percentage(random_sampling: Option<Percent>, environment: &Environment) -> Self {
        let sampling = match (random_sampling, environment.sampler) {
            (None, Some(sampler)) => Sampling::Environment(sampler),
            (percent, _) => {
                Sampling::Probability(ProbabilitySampler::from_percent(percent.unwrap_or(Percent::HUNDRED)))
            }
        };
        Self::new(None, sampling, environment)
    }

    pub(super) fn new(service_name: Option<String>, sampling: Sampling, environment: &Environment) -> Self {
        let service_name = service_name.or_else(|| environment.service_name.clone());
        Self {
            service_name: service_name.unwrap_or_else(|| SERVICE_NAME.to_owned()),
            resource: environment.resource.clone(),
            sampling,
            span_attributes: SpanAttributes::default(),
            otlp: None,
            known_methods: environment.known_methods,
        }
    }
}
