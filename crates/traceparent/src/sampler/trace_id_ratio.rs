use super::{Sampler, SamplingInput, SamplingResult};

/// A sampler that samples a share of traces by the trace-id, as SDKs did before consistent probability sampling.
///
/// OpenTelemetry has deprecated this sampler. Use it if a service must decide as its neighbours do: its decisions
/// equal those of the OpenTelemetry SDK for Rust. It neither writes a threshold nor reads explicit randomness;
/// [`ProbabilitySampler`](super::ProbabilitySampler) does both.
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
    /// The lower bound of the dropped traces, compared with the low 64 bits of the trace-id without the last bit.
    bound: u64,
}

impl TraceIdRatioBased {
    /// Creates a sampler that samples this share of traces, from 0 to 1. It drops everything if the ratio is below 0
    /// or not a number, and samples everything if the ratio is over 1.
    pub const fn new(ratio: f64) -> Self {
        const ALL: u64 = 1 << 63;
        // A cast from a float to an integer saturates at 0, and turns NaN into 0.
        Self { bound: if ratio >= 1.0 { ALL } else { (ratio * ALL as f64) as u64 } }
    }
}

impl Sampler for TraceIdRatioBased {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        let low = input.trace_id().to_u128() as u64 >> 1;
        if low < self.bound { SamplingResult::SAMPLE } else { SamplingResult::DROP }
    }
}
