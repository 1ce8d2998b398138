//! Composable samplers. OpenTelemetry's specification of them has the status *Development*.

use super::{Sampler, SamplingInput, SamplingResult, ThresholdChange, rule::Rules, span::AttributeValue};
use crate::{
    id::generate::IdGenerator,
    threshold::{Threshold, percent::Percent},
};

/// What a composable sampler intends: at which threshold to keep the span, and whether that threshold
/// tells how many spans a kept one stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SamplingIntent {
    /// The threshold; `None` drops the span.
    pub threshold: Option<Threshold>,
    /// Whether the adjusted count that follows from the threshold is true.
    pub adjusted_count_reliable: bool,
}

impl SamplingIntent {
    /// Drops the span.
    pub const DROP: Self = Self { threshold: None, adjusted_count_reliable: false };

    /// Keeps the span at this threshold, which is the whole truth about its probability.
    pub const fn reliable(threshold: Threshold) -> Self {
        Self { threshold: Some(threshold), adjusted_count_reliable: true }
    }

    /// Keeps the span at this threshold, though its probability is not known.
    pub const fn unreliable(threshold: Threshold) -> Self {
        Self { threshold: Some(threshold), adjusted_count_reliable: false }
    }
}

/// States an intent, which [`CompositeSampler`] turns into a decision. Intents combine, decisions do not.
///
/// An intent is made of the parent, the name, the kind, the attributes and the links of the span, and never
/// of the trace-id or the randomness of its trace. Object-safe; also implemented for `&S` and, with the feature
/// `alloc`, for `Box<S>` and `Arc<S>`.
///
/// [OpenTelemetry: ComposableSampler](https://opentelemetry.io/docs/specs/otel/trace/sdk/#composablesampler)
/// (status: Development)
pub trait ComposableSampler {
    /// States the intent for one span.
    fn sampling_intent(&self, input: &SamplingInput<'_>) -> SamplingIntent;

    /// Hands over the attributes for a span that is kept; see [`Sampler::annotate`].
    fn annotate(&self, input: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
        let _ = (input, visit);
    }
}

/// Intends to keep every span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "without settings, and written as a value")]
pub struct AlwaysOn;

impl ComposableSampler for AlwaysOn {
    fn sampling_intent(&self, _: &SamplingInput<'_>) -> SamplingIntent {
        SamplingIntent::reliable(Threshold::ALWAYS)
    }
}

/// Intends to drop every span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "without settings, and written as a value")]
pub struct AlwaysOff;

impl ComposableSampler for AlwaysOff {
    fn sampling_intent(&self, _: &SamplingInput<'_>) -> SamplingIntent {
        SamplingIntent::DROP
    }
}

/// Intends to keep a share of the traces; none at all where the share is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probability {
    threshold: Option<Threshold>,
}

impl Probability {
    /// Keeps spans by this threshold.
    pub const fn new(threshold: Threshold) -> Self {
        Self { threshold: Some(threshold) }
    }

    /// Keeps this percentage of traces; 0 drops everything.
    pub const fn from_percent(percent: Percent) -> Self {
        Self { threshold: percent.threshold() }
    }
}

impl ComposableSampler for Probability {
    fn sampling_intent(&self, _: &SamplingInput<'_>) -> SamplingIntent {
        self.threshold.map_or(SamplingIntent::DROP, SamplingIntent::reliable)
    }
}

/// Intends what the parent did, by its threshold or else by its sampled flag, and asks another sampler
/// about root spans.
///
/// A sampled parent whose threshold its own randomness is below contradicts itself: its flag is
/// followed, and its threshold is not believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParentThreshold<Root> {
    root: Root,
}

impl<Root> ParentThreshold<Root> {
    /// Asks this sampler about root spans.
    pub const fn new(root: Root) -> Self {
        Self { root }
    }
}

impl<Root: ComposableSampler> ComposableSampler for ParentThreshold<Root> {
    fn sampling_intent(&self, input: &SamplingInput<'_>) -> SamplingIntent {
        let Some(parent) = input.parent() else {
            return self.root.sampling_intent(input);
        };
        let threshold = parent.context().tracestate.ot().and_then(|ot| ot.threshold());
        match threshold {
            Some(threshold) if !parent.is_sampled() || threshold.keeps(input.randomness()) => {
                SamplingIntent::reliable(threshold)
            }
            _ if parent.is_sampled() => SamplingIntent::unreliable(Threshold::ALWAYS),
            _ => SamplingIntent::DROP,
        }
    }

    fn annotate(&self, input: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
        if input.parent().is_none() {
            self.root.annotate(input, visit);
        }
    }
}

/// Intends what the sampler of the first rule that matches does, and to drop where none does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleBased<R> {
    rules: R,
}

impl<R> RuleBased<R> {
    /// Asks these rules in order.
    pub const fn new(rules: R) -> Self {
        Self { rules }
    }
}

impl<R> ComposableSampler for RuleBased<R>
where
    R: Rules,
    R::Sampler: ComposableSampler,
{
    fn sampling_intent(&self, input: &SamplingInput<'_>) -> SamplingIntent {
        self.rules.first(input).map_or(SamplingIntent::DROP, |sampler| sampler.sampling_intent(input))
    }

    fn annotate(&self, input: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
        if let Some(sampler) = self.rules.first(input) {
            sampler.annotate(input, visit);
        }
    }
}

/// Follows another sampler, and adds attributes to the spans that are kept. These attributes replace those of
/// the other sampler with the same keys.
#[derive(Clone, Copy, Debug)]
pub struct Annotating<'a, S> {
    attributes: &'a [(&'a str, AttributeValue<'a>)],
    sampler: S,
}

impl<'a, S> Annotating<'a, S> {
    /// Adds these attributes to what this sampler keeps.
    pub const fn new(attributes: &'a [(&'a str, AttributeValue<'a>)], sampler: S) -> Self {
        Self { attributes, sampler }
    }
}

impl<S: ComposableSampler> ComposableSampler for Annotating<'_, S> {
    fn sampling_intent(&self, input: &SamplingInput<'_>) -> SamplingIntent {
        self.sampler.sampling_intent(input)
    }

    fn annotate(&self, input: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
        let is_ours = |key: &str, from: usize| self.attributes.iter().skip(from).any(|(ours, _)| *ours == key);
        self.sampler.annotate(input, &mut |key, value| {
            if !is_ours(key, 0) {
                visit(key, value);
            }
        });
        for (i, (key, value)) in self.attributes.iter().enumerate() {
            if !is_ours(key, i + 1) {
                visit(key, *value);
            }
        }
    }
}

/// Decides by the intent of a composable sampler.
///
/// A span is kept when its randomness is at least the threshold: the trace's randomness where the
/// threshold is reliable, which writes it to `tracestate`, and fresh randomness where it is not, which
/// removes it. It is removed from what is dropped, too.
///
/// [OpenTelemetry: CompositeSampler](https://opentelemetry.io/docs/specs/otel/trace/sdk/#compositesampler)
/// (status: Development)
///
/// ```
/// use traceparent::{
///     Incoming, Policy, RandomIdGenerator, Threshold, Trust,
///     sampler::composite::{CompositeSampler, ParentThreshold, Probability},
/// };
///
/// let roots = Probability::new(Threshold::from_ratio(1, 4).unwrap());
/// let sampler = CompositeSampler::new(ParentThreshold::new(roots), RandomIdGenerator);
/// let span = Policy::new(sampler).with_trust(Trust::Resample).apply(Incoming::Absent, &RandomIdGenerator);
/// assert_eq!(span.tracestate().to_string(), if span.decision().is_sampled() { "ot=th:c" } else { "" });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompositeSampler<S, G> {
    sampler: S,
    ids: G,
}

impl<S, G> CompositeSampler<S, G> {
    /// Decides by this sampler's intent; fresh randomness is that of the generator's trace-ids.
    pub const fn new(sampler: S, ids: G) -> Self {
        Self { sampler, ids }
    }
}

impl<S: ComposableSampler, G: IdGenerator> Sampler for CompositeSampler<S, G> {
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        let intent = self.sampler.sampling_intent(input);
        let Some(threshold) = intent.threshold else {
            return SamplingResult::DROP;
        };
        let (randomness, change) = if intent.adjusted_count_reliable {
            (input.randomness(), ThresholdChange::Set(threshold))
        } else {
            (self.ids.new_trace_id().randomness(), ThresholdChange::Erase)
        };
        if threshold.keeps(randomness) { SamplingResult::SAMPLE.with_threshold(change) } else { SamplingResult::DROP }
    }

    fn annotate(&self, input: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
        self.sampler.annotate(input, visit);
    }
}
