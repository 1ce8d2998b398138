use hyper::header::HeaderName;
use traceparent::{
    Percent, Trust,
    sampler::{PercentageSampler, ProbabilitySampler, Sampler, SamplerConfig, SamplingInput, SamplingResult},
};

use super::{Environment, Keep, Otlp};

/// The default name of the service.
const SERVICE_NAME: &str = "gateway";

/// The settings of tracing, and the destination of spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tracing {
    /// The resource's `service.name`.
    pub(crate) service_name: String,
    /// The resource's further attributes.
    pub(crate) resource: Vec<(String, String)>,
    /// The sampler of the traces that are decided here.
    pub(crate) sampling: Sampling,
    /// The requests whose spans are kept although they are not sampled.
    pub(crate) keep: Keep,
    /// The additional attributes of spans.
    pub(crate) span_attributes: SpanAttributes,
    /// The collector of the file. The environment may name one, too.
    pub(crate) otlp: Option<Otlp>,
    /// Whether there are spans and contexts of the gateway's own.
    pub(crate) is_disabled: bool,
    /// The methods that spans may name, instead of those of HTTP.
    pub(crate) known_methods: Option<&'static [&'static str]>,
}

/// The changes to the list of fields that are removed where a trace ends: with `trust: restart` or `ignore`, and with an
/// `egress` other than `inject`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TraceFields {
    /// The fields that are removed, too.
    pub(crate) remove: Vec<HeaderName>,
    /// The fields that are kept.
    pub(crate) keep: Vec<HeaderName>,
}

/// The sampler of the traces that are decided here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sampling {
    /// The file's percentages. `client_sampling` looks at the attribute [`PercentageSampler::CLIENT_TRACE_ID`].
    Percentages(PercentageSampler),
    /// The percentage of the command line, the same for all callers.
    Probability(ProbabilitySampler),
    /// The environment's sampler.
    Environment(SamplerConfig),
}

impl Sampling {
    /// Returns the sampler with another percentage of the traces that start here.
    pub(crate) fn with_random_sampling(self, percent: Percent) -> Self {
        match self {
            Self::Percentages(sampler) => Self::Percentages(sampler.with_random_sampling(percent)),
            Self::Probability(_) | Self::Environment(_) => Self::Probability(ProbabilitySampler::from_percent(percent)),
        }
    }

    /// Returns how far callers are trusted. The environment's samplers that do not follow the parent decide about every
    /// trace, callers' too.
    ///
    /// [OpenTelemetry: built-in samplers](https://opentelemetry.io/docs/specs/otel/trace/sdk/#built-in-samplers)
    pub(crate) const fn trust(&self, trust: Trust) -> Trust {
        let decides_all = matches!(
            self,
            Self::Environment(
                SamplerConfig::AlwaysOn(_) | SamplerConfig::AlwaysOff(_) | SamplerConfig::TraceIdRatio(_)
            )
        );
        if decides_all && matches!(trust, Trust::Continue) { Trust::Resample } else { trust }
    }
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

/// The additional attributes of spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpanAttributes {
    /// The lower-case prefixes of the request headers that become attributes.
    pub(crate) header_prefixes: Vec<String>,
    /// The prefix of these attributes, without a dot at its end; `None` for that of the conventions.
    pub(crate) attribute_prefix: Option<String>,
    /// The attributes of every span.
    pub(crate) fixed: Vec<(String, String)>,
}

impl Tracing {
    /// Creates the settings of a service that samples everything.
    pub(crate) fn of_service(service_name: &str) -> Self {
        let sampling = Sampling::Probability(ProbabilitySampler::from_percent(Percent::HUNDRED));
        Self::new(Some(service_name.to_owned()), sampling, &Environment::default())
    }

    /// Creates the settings for a percentage of the traces that start here. The default is the environment's sampler, or else
    /// all traces.
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
            keep: Keep::default(),
            span_attributes: SpanAttributes::default(),
            otlp: None,
            is_disabled: environment.is_disabled,
            known_methods: environment.known_methods,
        }
    }
}
