//! Composable samplers, whose thresholds combine.
//!
//! A [`ComposableSampler`] states an intent: a threshold at which it would keep a span. [`CompositeSampler`] turns
//! the intent of the outermost one into a decision and writes the threshold to `tracestate`. OpenTelemetry's
//! specification of these samplers has the status *Development*, and this module is exempt from semantic versioning.
//!
//! ```
//! use traceparent::{
//!     RandomIdGenerator, Threshold, TraceId,
//!     sampler::{
//!         Rule, Sampler, SamplingInput, SpanDetails, ThresholdChange,
//!         composite::{AlwaysOff, ComposableSampler, CompositeSampler, ParentThreshold, Probability, RuleBased},
//!     },
//! };
//!
//! // Follow the parent. Of root spans, drop health checks and keep a quarter of the others.
//! let quarter = Probability::new(Threshold::from_ratio(1, 4).unwrap());
//! let rules: [(Rule, &dyn ComposableSampler); 2] =
//!     [(Rule::new().with_names(&["GET /healthz"]), &AlwaysOff), (Rule::new(), &quarter)];
//! let sampler = CompositeSampler::new(ParentThreshold::new(RuleBased::new(rules)), RandomIdGenerator);
//!
//! let root = SamplingInput::root(TraceId::from_static("4bf92f3577b34da6a3ffffffffffffff"));
//! let order = sampler.should_sample(&root.with_span(SpanDetails::new("GET /orders")));
//! assert!(order.decision.is_sampled());
//! assert_eq!(order.threshold, ThresholdChange::Set(Threshold::from_ratio(1, 4).unwrap()));
//!
//! let health = sampler.should_sample(&root.with_span(SpanDetails::new("GET /healthz")));
//! assert!(!health.decision.is_sampled());
//! ```

use super::{Sampler, SamplingInput, SamplingResult, ThresholdChange, rule::Rules, span::AttributeValue};
use crate::{
    id::generate::IdGenerator,
    threshold::{Threshold, percent::Percent},
};

/// The intent of a composable sampler: the threshold at which to keep the span, and whether the adjusted count that
/// follows from it is reliable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SamplingIntent {
    /// The threshold, or `None` to drop the span.
    pub threshold: Option<Threshold>,
    /// Whether the adjusted count that follows from the threshold is reliable.
    pub adjusted_count_reliable: bool,
}

impl SamplingIntent {
    /// The intent to drop the span.
    pub const DROP: Self = Self { threshold: None, adjusted_count_reliable: false };

    /// Creates the intent to keep the span at a threshold that states its probability.
    pub const fn reliable(threshold: Threshold) -> Self {
        Self { threshold: Some(threshold), adjusted_count_reliable: true }
    }

    /// Creates the intent to keep the span at a threshold although its probability is unknown.
    pub const fn unreliable(threshold: Threshold) -> Self {
        Self { threshold: Some(threshold), adjusted_count_reliable: false }
    }
}

/// A composable sampler, which states an intent that [`CompositeSampler`] turns into a decision.
///
/// Intents combine, and decisions do not. An intent depends on the parent, the name, the kind, the attributes and
/// the links of the span, and never on the trace-id or the randomness of its trace. The trait is object-safe. It is
/// implemented for `&S` and, with the feature `alloc`, for `Box<S>` and `Arc<S>`.
///
/// [OpenTelemetry: ComposableSampler](https://opentelemetry.io/docs/specs/otel/trace/sdk/#composablesampler)
/// (status: Development)
///
/// ```
/// use traceparent::{
///     Threshold,
///     sampler::{SamplingInput, composite::{ComposableSampler, SamplingIntent}},
/// };
///
/// /// Keeps every span with a link, and a share of the others.
/// struct Linked(Threshold);
///
/// impl ComposableSampler for Linked {
///     fn sampling_intent(&self, input: &SamplingInput<'_>) -> SamplingIntent {
///         SamplingIntent::reliable(if input.span().links().is_empty() { self.0 } else { Threshold::ALWAYS })
///     }
/// }
/// ```
pub trait ComposableSampler {
    /// Returns the intent for one span.
    fn sampling_intent(&self, input: &SamplingInput<'_>) -> SamplingIntent;

    /// Calls `visit` with each attribute that the sampler adds to a kept span. See [`Sampler::annotate`].
    fn annotate(&self, input: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
        let _ = (input, visit);
    }
}

/// A composable sampler that keeps every span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "without settings, and written as a value")]
pub struct AlwaysOn;

impl ComposableSampler for AlwaysOn {
    fn sampling_intent(&self, _: &SamplingInput<'_>) -> SamplingIntent {
        SamplingIntent::reliable(Threshold::ALWAYS)
    }
}

/// A composable sampler that drops every span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "without settings, and written as a value")]
pub struct AlwaysOff;

impl ComposableSampler for AlwaysOff {
    fn sampling_intent(&self, _: &SamplingInput<'_>) -> SamplingIntent {
        SamplingIntent::DROP
    }
}

/// A composable sampler that keeps a share of the traces.
///
/// ```
/// use traceparent::{Threshold, TraceId, sampler::{SamplingInput, composite::{ComposableSampler, Probability}}};
///
/// let quarter = Threshold::from_ratio(1, 4).unwrap();
/// let input = SamplingInput::root(TraceId::from_static("4bf92f3577b34da6a3ce929d0e0e4736"));
/// let intent = Probability::new(quarter).sampling_intent(&input);
/// assert_eq!(intent.threshold, Some(quarter));
/// assert!(intent.adjusted_count_reliable);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probability {
    threshold: Option<Threshold>,
}

impl Probability {
    /// Creates a sampler that keeps the traces whose randomness is at least the threshold.
    pub const fn new(threshold: Threshold) -> Self {
        Self { threshold: Some(threshold) }
    }

    /// Creates a sampler that keeps a percentage of the traces. It drops everything at 0 %.
    pub const fn from_percent(percent: Percent) -> Self {
        Self { threshold: percent.threshold() }
    }
}

impl ComposableSampler for Probability {
    fn sampling_intent(&self, _: &SamplingInput<'_>) -> SamplingIntent {
        self.threshold.map_or(SamplingIntent::DROP, SamplingIntent::reliable)
    }
}

/// A composable sampler that follows the parent's threshold, or its sampled flag if it has none. Another sampler
/// decides about root spans.
///
/// A sampled parent whose randomness is below its threshold contradicts itself. Its flag is followed, and its
/// threshold is ignored.
///
/// ```
/// use traceparent::{
///     Threshold, TraceContext, TraceParent, TraceState,
///     sampler::{Parent, SamplingInput, composite::{AlwaysOff, ComposableSampler, ParentThreshold}},
/// };
///
/// let parent = TraceContext {
///     traceparent: TraceParent::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
///     tracestate: TraceState::from_static("ot=th:8"),
/// };
/// let intent = ParentThreshold::new(AlwaysOff).sampling_intent(&SamplingInput::child_of(Parent::Remote(&parent)));
/// assert_eq!(intent.threshold, Threshold::from_ratio(1, 2));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParentThreshold<Root> {
    root: Root,
}

impl<Root> ParentThreshold<Root> {
    /// Creates a sampler that uses another sampler for root spans.
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

/// A composable sampler that follows the sampler of the first rule that matches, and drops the span if no rule
/// matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleBased<R> {
    rules: R,
}

impl<R> RuleBased<R> {
    /// Creates a sampler that tries these rules in order.
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

/// A composable sampler that follows another sampler and adds attributes to the kept spans.
///
/// An attribute replaces one of the other sampler with the same key.
#[derive(Clone, Copy, Debug)]
pub struct Annotating<'a, S> {
    attributes: &'a [(&'a str, AttributeValue<'a>)],
    sampler: S,
}

impl<'a, S> Annotating<'a, S> {
    /// Creates a sampler that adds attributes to the spans that another sampler keeps.
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

/// A sampler that decides by the intent of a composable sampler.
///
/// A span is kept if its randomness is at least the threshold. If the adjusted count is reliable, the randomness
/// is that of the trace, and the threshold is written to `tracestate`. Otherwise, the randomness is fresh, and
/// the threshold is removed. The threshold is also removed if the span is dropped.
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
    /// Creates a sampler from a composable sampler and a source of fresh randomness, which is that of the
    /// generator's trace-ids.
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
