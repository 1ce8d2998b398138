use super::{
    Parent, Sampler, SamplingInput, SamplingResult,
    always::{AlwaysOff, AlwaysOn},
    span::AttributeValue,
};

/// A sampler that follows the parent. Another sampler decides about root spans.
///
/// There is one sampler for root spans and one for each kind of parent: remote or local, sampled or not. By
/// default, these are [`AlwaysOn`] for sampled parents and [`AlwaysOff`] for others.
///
/// [OpenTelemetry: ParentBased](https://opentelemetry.io/docs/specs/otel/trace/sdk/#parentbased)
///
/// ```
/// use traceparent::sampler::{AlwaysOff, ParentBased, ProbabilitySampler};
///
/// // Sample a tenth of the traces that start here, and nothing that remote callers sample.
/// let sampler = ParentBased::new(ProbabilitySampler::from_ratio(1, 10).unwrap())
///     .with_remote_parent_sampled(AlwaysOff);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParentBased<Root, RemoteOn = AlwaysOn, RemoteOff = AlwaysOff, LocalOn = AlwaysOn, LocalOff = AlwaysOff> {
    root: Root,
    remote_on: RemoteOn,
    remote_off: RemoteOff,
    local_on: LocalOn,
    local_off: LocalOff,
}

impl<Root> ParentBased<Root> {
    /// Creates a sampler that uses another sampler for root spans, and follows the parent otherwise.
    pub const fn new(root: Root) -> Self {
        Self { root, remote_on: AlwaysOn, remote_off: AlwaysOff, local_on: AlwaysOn, local_off: AlwaysOff }
    }
}

impl<Root, RemoteOn, RemoteOff, LocalOn, LocalOff> ParentBased<Root, RemoteOn, RemoteOff, LocalOn, LocalOff> {
    /// Sets the sampler for spans whose parent is remote and sampled.
    pub fn with_remote_parent_sampled<S>(self, sampler: S) -> ParentBased<Root, S, RemoteOff, LocalOn, LocalOff> {
        let Self { root, remote_off, local_on, local_off, .. } = self;
        ParentBased { root, remote_on: sampler, remote_off, local_on, local_off }
    }

    /// Sets the sampler for spans whose parent is remote and not sampled.
    pub fn with_remote_parent_not_sampled<S>(self, sampler: S) -> ParentBased<Root, RemoteOn, S, LocalOn, LocalOff> {
        let Self { root, remote_on, local_on, local_off, .. } = self;
        ParentBased { root, remote_on, remote_off: sampler, local_on, local_off }
    }

    /// Sets the sampler for spans whose parent is local and sampled.
    pub fn with_local_parent_sampled<S>(self, sampler: S) -> ParentBased<Root, RemoteOn, RemoteOff, S, LocalOff> {
        let Self { root, remote_on, remote_off, local_off, .. } = self;
        ParentBased { root, remote_on, remote_off, local_on: sampler, local_off }
    }

    /// Sets the sampler for spans whose parent is local and not sampled.
    pub fn with_local_parent_not_sampled<S>(self, sampler: S) -> ParentBased<Root, RemoteOn, RemoteOff, LocalOn, S> {
        let Self { root, remote_on, remote_off, local_on, .. } = self;
        ParentBased { root, remote_on, remote_off, local_on, local_off: sampler }
    }
}

impl<Root, RemoteOn, RemoteOff, LocalOn, LocalOff> ParentBased<Root, RemoteOn, RemoteOff, LocalOn, LocalOff>
where
    Root: Sampler,
    RemoteOn: Sampler,
    RemoteOff: Sampler,
    LocalOn: Sampler,
    LocalOff: Sampler,
{
    fn branch(&self, input: &SamplingInput<'_>) -> &dyn Sampler {
        match input.parent().map(|parent| (parent, parent.is_sampled())) {
            None => &self.root,
            Some((Parent::Remote(_), true)) => &self.remote_on,
            Some((Parent::Remote(_), false)) => &self.remote_off,
            Some((Parent::Local(_), true)) => &self.local_on,
            Some((Parent::Local(_), false)) => &self.local_off,
        }
    }
}

impl<Root, RemoteOn, RemoteOff, LocalOn, LocalOff> Sampler for ParentBased<Root, RemoteOn, RemoteOff, LocalOn, LocalOff>
where
    Root: Sampler,
    RemoteOn: Sampler,
    RemoteOff: Sampler,
    LocalOn: Sampler,
    LocalOff: Sampler,
{
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        self.branch(input).should_sample(input)
    }

    fn annotate(&self, input: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
        self.branch(input).annotate(input, visit);
    }
}
