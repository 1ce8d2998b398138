use super::{Sampler, SamplingInput, SamplingResult, ThresholdChange};
use crate::threshold::{Threshold, percent::Percent};

/// A sampler that samples a share of traces, and the same traces in every service that uses it.
///
/// A trace is sampled if its randomness is at least the threshold. The threshold is written to `tracestate`, so
/// that backends can compute how many spans each kept span represents. The parent's sampled flag is ignored; use
/// [`ParentBased`](super::ParentBased) to follow it.
///
/// [OpenTelemetry: TraceState probability sampling](https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/)
/// (status: Development)
///
/// ```
/// use traceparent::{TraceId, sampler::{ProbabilitySampler, Sampler, SamplingInput}};
///
/// let tenth = ProbabilitySampler::from_ratio(1, 10).unwrap();
///
/// // The last 14 digits of a trace-id are its randomness.
/// let input = |id| SamplingInput::root(TraceId::from_static(id));
/// let sampled = input("4bf92f3577b34da6a3f0000000000000");
/// assert_eq!(tenth.should_sample(&sampled).tracestate(&sampled).to_string(), "ot=th:e666");
/// let dropped = input("4bf92f3577b34da6a3e0000000000000");
/// assert!(!tenth.should_sample(&dropped).decision.is_sampled());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbabilitySampler {
    threshold: Option<Threshold>,
}

impl ProbabilitySampler {
    /// Creates a sampler that samples the traces whose randomness is at least the threshold.
    pub const fn new(threshold: Threshold) -> Self {
        Self { threshold: Some(threshold) }
    }

    /// Creates a sampler that samples the share `numerator / denominator` of traces. It drops everything at 0.
    ///
    /// Returns `None` if the share is over 1, or too small for a threshold. See [`Threshold::from_ratio`].
    pub const fn from_ratio(numerator: u64, denominator: u64) -> Option<Self> {
        if numerator == 0 && denominator != 0 {
            return Some(Self { threshold: None });
        }
        match Threshold::from_ratio(numerator, denominator) {
            Some(threshold) => Some(Self::new(threshold)),
            None => None,
        }
    }

    /// Creates a sampler that samples a percentage of traces. It drops everything at 0 %.
    pub const fn from_percent(percent: Percent) -> Self {
        Self { threshold: percent.threshold() }
    }

    /// Returns the threshold, or `None` if everything is dropped.
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
