use super::{Sampler, SamplingDecision, SamplingInput, SamplingResult, span::AttributeValue};

/// A sampler that samples every span.
///
/// [OpenTelemetry: AlwaysOn](https://opentelemetry.io/docs/specs/otel/trace/sdk/#alwayson)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "without settings, and written as a value")]
pub struct AlwaysOn;

impl Sampler for AlwaysOn {
    fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
        SamplingResult::SAMPLE
    }
}

/// A sampler that drops every span.
///
/// [OpenTelemetry: AlwaysOff](https://opentelemetry.io/docs/specs/otel/trace/sdk/#alwaysoff)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "without settings, and written as a value")]
pub struct AlwaysOff;

impl Sampler for AlwaysOff {
    fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
        SamplingResult::DROP
    }
}

/// A sampler that records every span and samples those that another sampler samples.
///
/// Use it if you compute metrics from all spans.
///
/// [OpenTelemetry: AlwaysRecord](https://opentelemetry.io/docs/specs/otel/trace/sdk/#alwaysrecord)
///
/// ```
/// use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::{AlwaysOff, AlwaysRecord}};
///
/// let span = Policy::new(AlwaysRecord::new(AlwaysOff)).apply(Incoming::Absent, &RandomIdGenerator);
/// assert!(span.decision().is_recorded());
/// assert!(!span.traceparent().flags().is_sampled());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlwaysRecord<S> {
    sampler: S,
}

impl<S> AlwaysRecord<S> {
    /// Creates a sampler that records the spans that another sampler drops.
    pub const fn new(sampler: S) -> Self {
        Self { sampler }
    }
}

impl<S: Sampler> Sampler for AlwaysRecord<S> {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        let result = self.sampler.should_sample(input);
        match result.decision {
            SamplingDecision::Drop => SamplingResult { decision: SamplingDecision::RecordOnly, ..result },
            SamplingDecision::RecordOnly | SamplingDecision::RecordAndSample => result,
        }
    }

    fn annotate(&self, input: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
        self.sampler.annotate(input, visit);
    }
}
