use std::time::Duration;

/// The limits of the batches in which spans are exported: `OTEL_BSP_*`.
///
/// [OpenTelemetry: batch span processor](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#batch-span-processor)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The largest number of waiting spans; further ones are dropped.
    pub(crate) queue: usize,
    /// The largest number of spans in one export.
    pub(crate) size: usize,
    /// The longest time for which a span waits for others.
    pub(crate) delay: Duration,
    /// The time limit for the export of a batch.
    pub(crate) timeout: Duration,
}

impl Default for Batch {
    /// Returns the specification's values, except for its queue of 2048 spans, which a busy gateway fills in less than
    /// a tenth of a second, and its batches of 512 spans, of which collectors handle too few per second.
    fn default() -> Self {
        Self { queue: 32_768, size: 2048, delay: Duration::from_secs(5), timeout: Duration::from_secs(30) }
    }
}
