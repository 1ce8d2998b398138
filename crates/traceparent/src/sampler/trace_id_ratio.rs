use super::{Sampler, SamplingInput, SamplingResult};

/// Samples a share of traces by the trace-id, as SDKs did before consistent probability sampling.
///
/// Deprecated by OpenTelemetry and kept for services that have to decide as their neighbours do: its
/// decisions are those of the OpenTelemetry SDK for Rust, bit for bit. It writes no threshold and knows
/// no explicit randomness; [`ProbabilitySampler`](super::ProbabilitySampler) does both.
///
/// [OpenTelemetry: TraceIdRatioBased](https://opentelemetry.io/docs/specs/otel/trace/sdk/#traceidratiobased)
///
/// ```
/// use traceparent::{TraceId, sampler::{SamplingDecision, SamplingInput, Sampler, TraceIdRatioBased}};
///
/// let sampler = TraceIdRatioBased::new(0.5);
/// let decide = |id| sampler.should_sample(&SamplingInput::root(TraceId::from_static(id))).decision;
/// assert_eq!(decide("00000000000000007fffffffffffffff"), SamplingDecision::RecordAndSample);
/// assert_eq!(decide("00000000000000008000000000000000"), SamplingDecision::Drop);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceIdRatioBased {
    /// The traces whose low 63 bits, without the last, are below this are kept.
    bound: u64,
}

impl TraceIdRatioBased {
    /// Keeps this share of traces: nothing from 0 down and for what is not a number, everything from
    /// 1 up.
    pub const fn new(ratio: f64) -> Self {
        const ALL: u64 = 1 << 63;
        // A float's cast to an integer stops at 0, and makes 0 of what is not a number.
        Self { bound: if ratio >= 1.0 { ALL } else { (ratio * ALL as f64) as u64 } }
    }
}

impl Sampler for TraceIdRatioBased {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        let low = input.trace_id().to_u128() as u64 >> 1;
        if low < self.bound { SamplingResult::SAMPLE } else { SamplingResult::DROP }
    }
}
