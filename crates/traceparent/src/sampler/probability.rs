use super::{Sampler, SamplingInput, SamplingResult, ThresholdChange};
use crate::threshold::{Threshold, percent::Percent};

/// Samples a share of traces, the same ones at every stage that uses it: a span is kept when the
/// trace's randomness is at least the threshold.
///
/// The parent's sampled flag is not looked at; [`ParentBased`](super::ParentBased) does that. The
/// threshold is written to `tracestate`, so that each span kept says how many it stands for.
///
/// [OpenTelemetry: TraceState probability sampling](https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/)
/// (status: Development)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbabilitySampler {
    threshold: Option<Threshold>,
}

impl ProbabilitySampler {
    /// Keeps spans by this threshold.
    pub const fn new(threshold: Threshold) -> Self {
        Self { threshold: Some(threshold) }
    }

    /// Keeps the share `numerator / denominator`; 0 drops everything. `None` over 1, and where the
    /// share is too small for a threshold, below about 2^-56.
    pub const fn from_ratio(numerator: u64, denominator: u64) -> Option<Self> {
        if numerator == 0 && denominator != 0 {
            return Some(Self { threshold: None });
        }
        match Threshold::from_ratio(numerator, denominator) {
            Some(threshold) => Some(Self::new(threshold)),
            None => None,
        }
    }

    /// Keeps this percentage of traces; 0 drops everything.
    pub const fn from_percent(percent: Percent) -> Self {
        Self { threshold: percent.threshold() }
    }

    /// Returns the threshold; `None` when everything is dropped.
    pub const fn threshold(&self) -> Option<Threshold> {
        self.threshold
    }
}

impl Sampler for ProbabilitySampler {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        match self.threshold {
            Some(threshold) if threshold.keeps(input.randomness()) => {
                SamplingResult::SAMPLE.with_threshold(ThresholdChange::Set(threshold))
            }
            _ => SamplingResult::DROP,
        }
    }
}
