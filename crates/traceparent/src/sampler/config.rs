use core::fmt;

use super::{
    Sampler, SamplingInput, SamplingResult,
    always::{AlwaysOff, AlwaysOn},
    parent_based::ParentBased,
    trace_id_ratio::TraceIdRatioBased,
};

/// The sampler that the environment variables `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` configure.
///
/// [OpenTelemetry: general SDK configuration](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration)
///
/// ```
/// use traceparent::sampler::{SamplerConfig, TraceIdRatioBased, ParentBased};
///
/// let sampler = SamplerConfig::parse(Some("parentbased_traceidratio"), Some("0.25"))?;
/// assert_eq!(sampler, SamplerConfig::ParentBasedTraceIdRatio(ParentBased::new(TraceIdRatioBased::new(0.25))));
/// // The default, if neither variable is set.
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
    /// Creates a sampler from `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` in the environment of this process.
    ///
    /// # Errors
    ///
    /// Returns an error as [`parse`](Self::parse) does. A value that is not UTF-8 is invalid.
    ///
    /// ```
    /// use traceparent::sampler::SamplerConfig;
    ///
    /// let sampler = SamplerConfig::from_env().unwrap_or_else(|error| {
    ///     eprintln!("{error}");
    ///     error.sampler()
    /// });
    /// ```
    #[cfg(feature = "std")]
    #[cfg_attr(docsrs, doc(cfg(feature = "std")))]
    pub fn from_env() -> Result<Self, SamplerConfigError> {
        let [name, arg] = ["OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"].map(std::env::var_os);
        let [name, arg] = [&name, &arg].map(|value| value.as_ref().map(|value| value.to_string_lossy()));
        Self::parse(name.as_deref(), arg.as_deref())
    }

    /// Creates a sampler from the values of the two variables, from wherever they are configured.
    ///
    /// Names are case-insensitive, and an empty value counts as not set. Without a ratio, everything is sampled.
    /// Samplers without an argument ignore it.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is not one of the six, or if the ratio is not a number from 0 to 1. The
    /// specification requires that an invalid value be reported and ignored. [`SamplerConfigError::sampler`]
    /// returns the sampler to use then.
    ///
    /// ```
    /// use traceparent::sampler::{SamplerConfig, TraceIdRatioBased};
    ///
    /// let configured = SamplerConfig::parse(Some("TraceIdRatio"), Some("50%")).unwrap_or_else(|error| {
    ///     eprintln!("{error}");
    ///     error.sampler()
    /// });
    /// assert_eq!(configured, SamplerConfig::TraceIdRatio(TraceIdRatioBased::new(1.0)));
    /// ```
    pub fn parse(sampler: Option<&str>, arg: Option<&str>) -> Result<Self, SamplerConfigError> {
        let name = sampler.map(str::trim).unwrap_or_default();
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let ratio = |with: fn(TraceIdRatioBased) -> Self| match arg.map(str::trim).unwrap_or_default() {
            "" => Ok(with(TraceIdRatioBased::new(1.0))),
            arg => match arg.parse() {
                Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(with(TraceIdRatioBased::new(ratio))),
                _ => Err(SamplerConfigError::InvalidRatio { sampler: with(TraceIdRatioBased::new(1.0)) }),
            },
        };
        Ok(match name {
            "" => Self::default(),
            _ if is("always_on") => Self::AlwaysOn(AlwaysOn),
            _ if is("always_off") => Self::AlwaysOff(AlwaysOff),
            _ if is("traceidratio") => ratio(Self::TraceIdRatio)?,
            _ if is("parentbased_always_on") => Self::ParentBasedAlwaysOn(ParentBased::new(AlwaysOn)),
            _ if is("parentbased_always_off") => Self::ParentBasedAlwaysOff(ParentBased::new(AlwaysOff)),
            _ if is("parentbased_traceidratio") => {
                ratio(|ratio| Self::ParentBasedTraceIdRatio(ParentBased::new(ratio)))?
            }
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

/// The error returned when one of the two variables is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SamplerConfigError {
    /// `OTEL_TRACES_SAMPLER` is not a known name.
    UnknownSampler,
    /// `OTEL_TRACES_SAMPLER_ARG` is not a number from 0 to 1.
    #[non_exhaustive]
    InvalidRatio {
        /// The named sampler, with its default ratio of 1.
        sampler: SamplerConfig,
    },
}

impl SamplerConfigError {
    /// Returns the sampler to use if the invalid variable is ignored. This is the named sampler with its default
    /// ratio, or the default sampler.
    pub fn sampler(self) -> SamplerConfig {
        match self {
            Self::UnknownSampler => SamplerConfig::default(),
            Self::InvalidRatio { sampler } => sampler,
        }
    }
}

impl fmt::Display for SamplerConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownSampler => {
                "unknown sampler in OTEL_TRACES_SAMPLER: it is always_on, always_off, traceidratio, \
                 parentbased_always_on, parentbased_always_off or parentbased_traceidratio"
            }
            Self::InvalidRatio { .. } => "invalid ratio in OTEL_TRACES_SAMPLER_ARG: it is a number from 0 to 1",
        })
    }
}

impl core::error::Error for SamplerConfigError {}
