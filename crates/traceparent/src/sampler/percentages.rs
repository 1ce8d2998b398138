use super::{Sampler, SamplingInput, SamplingResult, ThresholdChange};
use crate::threshold::{Threshold, percent::Percent};

/// The sampling percentages of proxies: `random_sampling`, `client_sampling` and `overall_sampling`, each
/// 100 unless set.
///
/// In this order:
///
/// 1. A request whose trace is continued is wanted if its caller sampled it.
/// 2. Another is wanted if its client asks for a trace, with the header `x-client-trace-id`, and it is
///    among the `client_sampling` percent; the caller states the header as the attribute
///    [`CLIENT_TRACE_ID`](Self::CLIENT_TRACE_ID).
/// 3. Another is wanted if it is among the `random_sampling` percent.
/// 4. Whatever is wanted is sampled if it is among the `overall_sampling` percent: a veto over
///    everything.
///
/// All percentages compare the same randomness, that of the trace, so all proxies on the way agree, and
/// the veto is an upper limit rather than a share of a share. The threshold that results is written to
/// `tracestate`.
///
/// [`Trust::Continue`](crate::Trust::Continue) follows callers without asking any sampler: the veto reaches
/// their traces only under [`Trust::Resample`](crate::Trust::Resample).
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
    /// The attribute that stands for the header with which a client asks for a trace.
    pub const CLIENT_TRACE_ID: &'static str = "http.request.header.x-client-trace-id";

    /// Samples everything.
    pub const fn new() -> Self {
        let all = Some(Threshold::ALWAYS);
        Self { random: all, client: all, overall: all }
    }

    /// Sets the share of requests without a trace context that are sampled.
    #[must_use]
    pub const fn with_random_sampling(self, percent: Percent) -> Self {
        Self { random: percent.threshold(), ..self }
    }

    /// Sets the share of requests whose client asks for a trace that get one.
    #[must_use]
    pub const fn with_client_sampling(self, percent: Percent) -> Self {
        Self { client: percent.threshold(), ..self }
    }

    /// Sets the share of requests beyond which nothing is sampled.
    #[must_use]
    pub const fn with_overall_sampling(self, percent: Percent) -> Self {
        Self { overall: percent.threshold(), ..self }
    }

    /// Works out what the request comes to before the veto.
    fn wanted(&self, input: &SamplingInput<'_>) -> Wanted {
        if let Some(parent) = input.parent() {
            if !parent.is_sampled() {
                return Wanted::No;
            }
            let threshold = parent.context().tracestate.ot().and_then(|ot| ot.threshold());
            return match threshold.filter(|threshold| threshold.keeps(input.randomness())) {
                Some(threshold) => Wanted::At(threshold),
                None => Wanted::Anyway,
            };
        }
        let asked = input.span().attribute(Self::CLIENT_TRACE_ID).is_some();
        // Either share will do: the lower threshold counts.
        [self.random, self.client.filter(|_| asked)].into_iter().flatten().min().map_or(Wanted::No, Wanted::At)
    }
}

/// What a request's own sampling, before the veto, comes to.
enum Wanted {
    No,
    At(Threshold),
    /// The caller sampled it, and nobody knows at which threshold.
    Anyway,
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
        let (threshold, change) = match self.wanted(input) {
            Wanted::No => return SamplingResult::DROP,
            Wanted::At(threshold) => {
                let threshold = threshold.max(overall);
                (threshold, ThresholdChange::Set(threshold))
            }
            Wanted::Anyway => (overall, ThresholdChange::Erase),
        };
        if threshold.keeps(input.randomness()) {
            SamplingResult::SAMPLE.with_threshold(change)
        } else {
            SamplingResult::DROP
        }
    }
}
