//! Samplers: which spans are recorded, and which traces are sampled.
//!
//! | to sample | take |
//! |---|---|
//! | everything, or nothing | [`AlwaysOn`], [`AlwaysOff`] |
//! | a share of the traces, the same ones in every service | [`ProbabilitySampler`] |
//! | as the parent was sampled, and roots by another sampler | [`ParentBased`] |
//! | at most so many spans a second | `RateLimited` around another sampler |
//! | by route, method, name, kind or parent | [`RuleBased`] with [`Rule`]s |
//! | by the percentages of a proxy's configuration | [`PercentageSampler`] |
//! | as `OTEL_TRACES_SAMPLER` says | [`SamplerConfig`] |
//! | as OpenTelemetry's older SDKs decide | [`TraceIdRatioBased`] |
//! | and record what is not sampled | [`AlwaysRecord`] around another sampler |
//! | by samplers whose thresholds combine | `composite`, with the feature `unstable-composite` |
//!
//! [`Policy`](crate::Policy) runs a sampler: about every trace that starts here and, under
//! [`Trust::Resample`](crate::Trust::Resample), about every request.
//!
//! The feature `unstable-composite` adds `composite`: OpenTelemetry's composable samplers, whose
//! specification has the status *Development*. It is outside of semver. [`ProbabilitySampler`],
//! [`Threshold`] and the `ot` member have that status too and need no feature: [`Policy`](crate::Policy)
//! has to read and write thresholds for any sampler, and their form in `tracestate` is in use.

use crate::{
    context::TraceContext,
    id::TraceId,
    threshold::{Randomness, Threshold},
    tracestate::{
        TraceState,
        edit::{OtChange, TraceStateEdit},
    },
};

mod always;
#[cfg(feature = "unstable-composite")]
#[cfg_attr(docsrs, doc(cfg(feature = "unstable-composite")))]
pub mod composite;
mod config;
mod parent_based;
mod percentages;
mod probability;
#[cfg(target_has_atomic = "64")]
mod rate_limit;
mod rule;
mod span;
mod trace_id_ratio;

#[cfg(feature = "unstable-composite")]
use self::composite::{ComposableSampler, SamplingIntent};
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub use self::rate_limit::MonotonicClock;
#[cfg(target_has_atomic = "64")]
pub use self::rate_limit::{Clock, RateLimited};
pub use self::{
    always::{AlwaysOff, AlwaysOn, AlwaysRecord},
    config::{SamplerConfig, SamplerConfigError},
    parent_based::ParentBased,
    percentages::PercentageSampler,
    probability::ProbabilitySampler,
    rule::{AttributeCondition, ParentKind, Predicate, Rule, RuleBased, Rules},
    span::{AttributeValue, Attributes, SpanDetails, SpanKind},
    trace_id_ratio::TraceIdRatioBased,
};

/// Decides whether a span is recorded and whether its trace is sampled.
///
/// Object-safe; also implemented for `&S` and, with the feature `alloc`, for `Box<S>` and `Arc<S>`.
///
/// [OpenTelemetry: sampler](https://opentelemetry.io/docs/specs/otel/trace/sdk/#sampler)
///
/// ```
/// use traceparent::sampler::{Sampler, SamplingInput, SamplingResult};
///
/// /// Samples nothing that health checks cause.
/// struct NoHealthChecks<S>(S);
///
/// impl<S: Sampler> Sampler for NoHealthChecks<S> {
///     fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
///         if input.span().name() == "GET /healthz" {
///             return SamplingResult::DROP;
///         }
///         self.0.should_sample(input)
///     }
/// }
/// ```
pub trait Sampler {
    /// Decides about one span. Called once a span, on the request's path: it must not block.
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult;

    /// Passes the attributes that the sampler adds to a recorded span to `visit`, with the input of
    /// [`should_sample`](Self::should_sample).
    ///
    /// [`Policy::apply_annotated`](crate::Policy::apply_annotated) calls it, and so does the sampler of
    /// `traceparent-opentelemetry`. [`Policy::apply`](crate::Policy::apply),
    /// [`Policy::apply_to`](crate::Policy::apply_to) and the layers of `traceparent-tower` do not.
    fn annotate(&self, input: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
        let _ = (input, visit);
    }
}

/// Passes a sampler's questions on to what a pointer points to.
macro_rules! sampler_behind {
    ($($(#[$attribute:meta])* $Pointer:ty),*) => {$(
        $(#[$attribute])*
        impl<S: Sampler + ?Sized> Sampler for $Pointer {
            fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
                (**self).should_sample(input)
            }

            fn annotate(&self, input: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
                (**self).annotate(input, visit);
            }
        }

        $(#[$attribute])*
        #[cfg(feature = "unstable-composite")]
        impl<S: ComposableSampler + ?Sized> ComposableSampler for $Pointer {
            fn sampling_intent(&self, input: &SamplingInput<'_>) -> SamplingIntent {
                (**self).sampling_intent(input)
            }

            fn annotate(&self, input: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
                (**self).annotate(input, visit);
            }
        }
    )*};
}

sampler_behind! {
    &S,
    #[cfg(feature = "alloc")] alloc::boxed::Box<S>,
    #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))] alloc::sync::Arc<S>
}

/// The parent of the span that a sampler decides about.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a parent is here or elsewhere")]
pub enum Parent<'a> {
    /// The caller's span, in another process.
    Remote(&'a TraceContext<'a>),
    /// A span of this process.
    Local(&'a TraceContext<'a>),
}

impl<'a> Parent<'a> {
    /// Returns the parent's context.
    pub const fn context(&self) -> &'a TraceContext<'a> {
        match self {
            Self::Remote(context) | Self::Local(context) => context,
        }
    }

    /// Whether the parent's sampled flag is set.
    pub const fn is_sampled(&self) -> bool {
        self.context().traceparent.flags().is_sampled()
    }

    /// Whether the parent is a span of another process.
    pub const fn is_remote(&self) -> bool {
        matches!(self, Self::Remote(_))
    }
}

/// What a sampler may look at: the parent, the trace-id, and what is known about the span.
#[derive(Clone, Copy, Debug)]
pub struct SamplingInput<'a> {
    parent: Option<Parent<'a>>,
    trace_id: TraceId,
    span: SpanDetails<'a>,
}

impl<'a> SamplingInput<'a> {
    /// Describes a root span of this trace.
    pub const fn root(trace_id: TraceId) -> Self {
        Self { parent: None, trace_id, span: SpanDetails::new("") }
    }

    /// Describes a child of this span, in the same trace.
    pub const fn child_of(parent: Parent<'a>) -> Self {
        Self { parent: Some(parent), trace_id: parent.context().traceparent.trace_id(), span: SpanDetails::new("") }
    }

    /// Adds what is known about the span.
    #[must_use]
    pub const fn with_span(self, span: SpanDetails<'a>) -> Self {
        Self { span, ..self }
    }

    /// Returns the parent; `None` for a root span.
    pub const fn parent(&self) -> Option<Parent<'a>> {
        self.parent
    }

    /// Returns the trace-id, the parent's where there is one.
    pub const fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Returns what is known about the span.
    pub const fn span(&self) -> SpanDetails<'a> {
        self.span
    }

    /// Returns the randomness that all stages of the trace share: the parent's explicit `rv` where
    /// there is one, otherwise the right-most 7 bytes of the trace-id.
    pub fn randomness(&self) -> Randomness {
        self.explicit_randomness().unwrap_or(self.trace_id.randomness())
    }

    fn explicit_randomness(&self) -> Option<Randomness> {
        self.parent?.context().tracestate.ot()?.randomness()
    }
}

/// Whether a span is recorded, and whether its trace is sampled.
///
/// A type of its own: no bit of the wire's flag byte says "not decided".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "OpenTelemetry's decisions, which are stable")]
pub enum SamplingDecision {
    /// Neither recorded nor sampled.
    Drop,
    /// Recorded in this process, not sampled: the sampled flag stays unset.
    RecordOnly,
    /// Recorded, and the sampled flag is set.
    RecordAndSample,
}

impl SamplingDecision {
    /// Whether the sampled flag goes out set.
    pub const fn is_sampled(self) -> bool {
        matches!(self, Self::RecordAndSample)
    }

    /// Whether the span is recorded.
    pub const fn is_recorded(self) -> bool {
        !matches!(self, Self::Drop)
    }

    /// Records and samples, or drops.
    pub const fn from_sampled(sampled: bool) -> Self {
        if sampled { Self::RecordAndSample } else { Self::Drop }
    }
}

/// What a sampler's decision means for the threshold, `th`, that the trace carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ThresholdChange {
    /// The threshold of a sampled parent, if there is one, still holds.
    #[default]
    Keep,
    /// The span was sampled at this threshold.
    Set(Threshold),
    /// The span was sampled with a probability that nobody knows.
    Erase,
}

/// What a sampler answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SamplingResult {
    /// Whether the span is recorded and sampled.
    pub decision: SamplingDecision,
    /// What becomes of the threshold in `tracestate`. Whatever it says, `th` is removed from a span
    /// that is not sampled, and from one whose randomness is below it.
    pub threshold: ThresholdChange,
}

impl SamplingResult {
    /// Neither records nor samples.
    pub const DROP: Self = Self::new(SamplingDecision::Drop);
    /// Records and samples, and leaves the parent's threshold in place.
    pub const SAMPLE: Self = Self::new(SamplingDecision::RecordAndSample);

    /// Makes a result that leaves the parent's threshold in place.
    pub const fn new(decision: SamplingDecision) -> Self {
        Self { decision, threshold: ThresholdChange::Keep }
    }

    /// Makes a result that says at which threshold the decision was made.
    #[must_use]
    pub const fn with_threshold(self, threshold: ThresholdChange) -> Self {
        Self { threshold, ..self }
    }

    /// Describes the `tracestate` that goes out with this result: the parent's, with the threshold in its
    /// `ot` member as the decision leaves it. [`Policy`](crate::Policy) does this itself; it is for those
    /// who decide without one.
    ///
    /// ```
    /// use traceparent::{TraceId, sampler::{ProbabilitySampler, Sampler, SamplingInput}};
    ///
    /// let input = SamplingInput::root(TraceId::from_static("4bf92f3577b34da6a3ce929d0e0e4736"));
    /// let result = ProbabilitySampler::from_ratio(1, 2).unwrap().should_sample(&input);
    /// assert_eq!(result.tracestate(&input).to_string(), "ot=th:8");
    /// ```
    pub fn tracestate<'a>(self, input: &SamplingInput<'a>) -> TraceStateEdit<'a> {
        let parent = input.parent.map_or(TraceState::EMPTY, |parent| parent.context().tracestate.borrow());
        TraceStateEdit::sampled(parent, self.ot_change(input))
    }

    /// Works out what the result does to the `ot` member, with the two checks that keep adjusted
    /// counts true: a span that is not sampled has no threshold, and neither has a sampled one whose
    /// randomness the threshold rejects.
    pub(crate) fn ot_change(self, input: &SamplingInput<'_>) -> OtChange {
        let ot = input.parent.and_then(|parent| parent.context().tracestate.ot());
        let before = ot.and_then(|ot| ot.threshold());
        let asked = match self.threshold {
            // A parent that was not sampled says nothing about a child that is.
            ThresholdChange::Keep => before.filter(|_| input.parent.is_some_and(|parent| parent.is_sampled())),
            ThresholdChange::Set(threshold) => Some(threshold),
            ThresholdChange::Erase => None,
        };
        let randomness = || ot.and_then(|ot| ot.randomness()).unwrap_or(input.trace_id.randomness());
        let after = asked.filter(|threshold| self.decision.is_sampled() && threshold.keeps(randomness()));
        let malformed = ot.is_some_and(|ot| ot.error().is_some());
        if after == before && !malformed { OtChange::Keep } else { OtChange::Threshold(after) }
    }
}
