/// The limits of spans: `OTEL_SPAN_*_LIMIT` and `OTEL_ATTRIBUTE_*_LIMIT`.
///
/// [OpenTelemetry: span limits](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#span-limits)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpanLimits {
    /// The largest number of attributes.
    pub(crate) attributes: usize,
    /// The largest number of characters in the value of an attribute.
    pub(crate) value_length: usize,
    /// The largest number of links.
    pub(crate) links: usize,
}

impl Default for SpanLimits {
    fn default() -> Self {
        Self { attributes: 128, value_length: usize::MAX, links: 128 }
    }
}
