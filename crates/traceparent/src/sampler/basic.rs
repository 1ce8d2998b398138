use super::{Sampler, SamplingInput, SamplingResult};

/// Samples every span.
///
/// [OpenTelemetry: AlwaysOn](https://opentelemetry.io/docs/specs/otel/trace/sdk/#alwayson)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlwaysOn;

impl Sampler for AlwaysOn {
    fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
        SamplingResult::SAMPLE
    }
}

/// Drops every span.
///
/// [OpenTelemetry: AlwaysOff](https://opentelemetry.io/docs/specs/otel/trace/sdk/#alwaysoff)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlwaysOff;

impl Sampler for AlwaysOff {
    fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
        SamplingResult::DROP
    }
}
