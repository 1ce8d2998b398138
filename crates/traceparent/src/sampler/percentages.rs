use super::{Sampler, SamplingInput, SamplingResult, ThresholdChange};
use crate::threshold::{Threshold, percent::Percent};

/// A sampler by the percentages of proxies: `random_sampling`, `client_sampling` and `overall_sampling`.
///
/// Each is 100 by default. A request is a candidate in one of three cases:
///
/// 1. Its trace is continued, and its caller sampled it.
/// 2. Its client requests a trace with the header `x-client-trace-id`, and it is among the `client_sampling`
///    percent. The header is handed in as the attribute [`CLIENT_TRACE_ID`](Self::CLIENT_TRACE_ID).
/// 3. It is among the `random_sampling` percent.
///
/// The last two apply to requests whose trace starts here. A candidate is sampled if it is among the
/// `overall_sampling` percent.
///
/// All percentages are compared with the randomness of the trace. All proxies on the way therefore agree, and
/// `overall_sampling` is an upper limit rather than a share of a share. The resulting threshold is written to
/// `tracestate`.
///
/// Under [`Trust::Continue`](crate::Trust::Continue), callers are followed without a sampler. The overall
/// percentage applies to their traces under [`Trust::Resample`](crate::Trust::Resample).
///
/// ```
/// use traceparent::{Percent, Threshold, TraceId, sampler::{PercentageSampler, SamplingInput, Sampler, ThresholdChange}};
///
/// let sampler = PercentageSampler::new()
///     .with_random_sampling("50".parse::<Percent>()?)
///     .with_overall_sampling("25".parse::<Percent>()?);
/// let id = TraceId::from_static("4bf92f3577b34da6a3ffffffffffffff");
/// let result = sampler.should_sample(&SamplingInput::root(id));
/// assert!(result.decision.is_sampled());
/// assert_eq!(result.threshold, ThresholdChange::Set(Threshold::from_ratio(1, 4).unwrap()));
/// # Ok::<(), traceparent::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PercentageSampler {
    random: Option<Threshold>,
    client: Option<Threshold>,
    overall: Option<Threshold>,
}

impl PercentageSampler {
    /// The attribute for the header with which a client requests a trace.
    pub const CLIENT_TRACE_ID: &'static str = "http.request.header.x-client-trace-id";

    /// Creates a sampler that samples everything.
    pub const fn new() -> Self {
        let all = Some(Threshold::ALWAYS);
        Self { random: all, client: all, overall: all }
    }

    /// Sets the percentage of requests without a trace context that are candidates.
    #[must_use]
    pub const fn with_random_sampling(self, percent: Percent) -> Self {
        Self { random: percent.threshold(), ..self }
    }

    /// Sets the percentage of requests that are candidates if their client requests a trace.
    #[must_use]
    pub const fn with_client_sampling(self, percent: Percent) -> Self {
        Self { client: percent.threshold(), ..self }
    }

    /// Sets the upper limit of the percentage of requests that are sampled.
    #[must_use]
    pub const fn with_overall_sampling(self, percent: Percent) -> Self {
        Self { overall: percent.threshold(), ..self }
    }

    /// Returns whether the request is a candidate.
    fn candidate(&self, input: &SamplingInput<'_>) -> Candidate {
        if let Some(parent) = input.parent() {
            if !parent.is_sampled() {
                return Candidate::No;
            }
            let threshold = parent.context().tracestate.ot().and_then(|ot| ot.threshold());
            return match threshold.filter(|threshold| threshold.keeps(input.randomness())) {
                Some(threshold) => Candidate::At(threshold),
                None => Candidate::AtUnknown,
            };
        }
        // Either percentage is enough, so the lower threshold counts.
        let is_lower = |client: &Threshold| self.random.is_none_or(|random| *client < random);
        let asked = || input.span().attribute(Self::CLIENT_TRACE_ID).is_some();
        self.client.filter(|client| is_lower(client) && asked()).or(self.random).map_or(Candidate::No, Candidate::At)
    }
}

/// Whether a request is a candidate for `overall_sampling`.
enum Candidate {
    No,
    At(Threshold),
    /// The caller sampled it at an unknown threshold.
    AtUnknown,
}

impl Default for PercentageSampler {
    fn default() -> Self {
        Self::new()
    }
}

impl Sampler for PercentageSampler {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        let Some(overall) = self.overall else {
            return SamplingResult::DROP;
        };
        let (threshold, change) = match self.candidate(input) {
            Candidate::No => return SamplingResult::DROP,
            Candidate::At(threshold) => {
                let threshold = threshold.max(overall);
                (threshold, ThresholdChange::Set(threshold))
            }
            Candidate::AtUnknown => (overall, ThresholdChange::Erase),
        };
        if threshold.keeps(input.randomness()) {
            SamplingResult::SAMPLE.with_threshold(change)
        } else {
            SamplingResult::DROP
        }
    }
}
