use traceparent::Percent;
use traceparent_formats::Propagators;

/// The tracing of requests that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestTracing {
    /// Whether requests have spans and get contexts. Without, what the caller sends goes on unchanged.
    pub(crate) is_traced: bool,
    /// The percentage of the traces that start here, instead of that of all requests.
    pub(crate) random_sampling: Option<Percent>,
    /// The formats in which contexts are read and written.
    pub(crate) propagators: Propagators,
}

impl Default for RequestTracing {
    fn default() -> Self {
        Self { is_traced: true, random_sampling: None, propagators: Propagators::default() }
    }
}

/// The part of the trace context that an upstream receives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum EgressRule {
    /// All of it, in the configured formats.
    #[default]
    Inject,
    /// Nothing.
    Strip,
    /// `traceparent`, and the members of `tracestate` with these keys.
    Only(Vec<String>),
}

impl EgressRule {
    /// Returns whether the trace ends at the upstream, in part or as a whole.
    pub(crate) const fn ends_trace(&self) -> bool {
        !matches!(self, Self::Inject)
    }
}

/// The treatment of `baggage` where the trace goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Baggage {
    /// The field is kept.
    #[default]
    Keep,
    /// The field is removed.
    Strip,
}
