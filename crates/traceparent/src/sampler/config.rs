use core::fmt;

use super::{
    Sampler, SamplingInput, SamplingResult,
    always::{AlwaysOff, AlwaysOn},
    parent_based::ParentBased,
    trace_id_ratio::TraceIdRatioBased,
};

/// The sampler that the environment variables `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` name.
///
/// The caller reads the environment and hands the values in.
///
/// [OpenTelemetry: general SDK configuration](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration)
///
/// ```
/// use traceparent::sampler::{SamplerConfig, TraceIdRatioBased, ParentBased};
///
/// let sampler = SamplerConfig::parse(Some("parentbased_traceidratio"), Some("0.25"))?;
/// assert_eq!(sampler, SamplerConfig::ParentBasedTraceIdRatio(ParentBased::new(TraceIdRatioBased::new(0.25))));
/// // Nothing set: the default.
/// assert_eq!(SamplerConfig::parse(None, None)?, SamplerConfig::default());
/// # Ok::<(), traceparent::sampler::SamplerConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SamplerConfig {
    /// `always_on`
    AlwaysOn(AlwaysOn),
    /// `always_off`
    AlwaysOff(AlwaysOff),
    /// `traceidratio`
    TraceIdRatio(TraceIdRatioBased),
    /// `parentbased_always_on`, the default
    ParentBasedAlwaysOn(ParentBased<AlwaysOn>),
    /// `parentbased_always_off`
    ParentBasedAlwaysOff(ParentBased<AlwaysOff>),
    /// `parentbased_traceidratio`
    ParentBasedTraceIdRatio(ParentBased<TraceIdRatioBased>),
}

impl SamplerConfig {
    /// Makes a sampler of the two variables' values. Empty values count as not set; without a ratio,
    /// everything is sampled; samplers that take no argument do not look at it.
    ///
    /// # Errors
    ///
    /// A name that is not among the six, and a ratio that is not a number from 0 to 1.
    pub fn parse(sampler: Option<&str>, arg: Option<&str>) -> Result<Self, SamplerConfigError> {
        let ratio = || match arg.map(str::trim).unwrap_or_default() {
            "" => Ok(TraceIdRatioBased::new(1.0)),
            arg => match arg.parse() {
                Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(TraceIdRatioBased::new(ratio)),
                _ => Err(SamplerConfigError::InvalidRatio),
            },
        };
        Ok(match sampler.map(str::trim).unwrap_or_default() {
            "" => Self::default(),
            "always_on" => Self::AlwaysOn(AlwaysOn),
            "always_off" => Self::AlwaysOff(AlwaysOff),
            "traceidratio" => Self::TraceIdRatio(ratio()?),
            "parentbased_always_on" => Self::ParentBasedAlwaysOn(ParentBased::new(AlwaysOn)),
            "parentbased_always_off" => Self::ParentBasedAlwaysOff(ParentBased::new(AlwaysOff)),
            "parentbased_traceidratio" => Self::ParentBasedTraceIdRatio(ParentBased::new(ratio()?)),
            _ => return Err(SamplerConfigError::UnknownSampler),
        })
    }
}

impl Default for SamplerConfig {
    fn default() -> Self {
        Self::ParentBasedAlwaysOn(ParentBased::new(AlwaysOn))
    }
}

impl Sampler for SamplerConfig {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        match self {
            Self::AlwaysOn(sampler) => sampler.should_sample(input),
            Self::AlwaysOff(sampler) => sampler.should_sample(input),
            Self::TraceIdRatio(sampler) => sampler.should_sample(input),
            Self::ParentBasedAlwaysOn(sampler) => sampler.should_sample(input),
            Self::ParentBasedAlwaysOff(sampler) => sampler.should_sample(input),
            Self::ParentBasedTraceIdRatio(sampler) => sampler.should_sample(input),
        }
    }
}

/// Says which of the two variables names no sampler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SamplerConfigError {
    /// `OTEL_TRACES_SAMPLER` is none of the names known.
    UnknownSampler,
    /// `OTEL_TRACES_SAMPLER_ARG` is no number from 0 to 1.
    InvalidRatio,
}

impl fmt::Display for SamplerConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownSampler => {
                "unknown sampler in OTEL_TRACES_SAMPLER: it is always_on, always_off, traceidratio, \
                 parentbased_always_on, parentbased_always_off or parentbased_traceidratio"
            }
            Self::InvalidRatio => "invalid ratio in OTEL_TRACES_SAMPLER_ARG: it is a number from 0 to 1",
        })
    }
}

impl core::error::Error for SamplerConfigError {}
