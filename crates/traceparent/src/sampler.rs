//! Samplers, which decide whether spans are recorded and traces are sampled.
//!
//! | to sample | use |
//! |---|---|
//! | everything, or nothing | [`AlwaysOn`], [`AlwaysOff`] |
//! | a share of the traces, the same ones in every service | [`ProbabilitySampler`] |
//! | as the parent was sampled, and roots by another sampler | [`ParentBased`] |
//! | a limited number of spans per second | `RateLimited` around another sampler |
//! | by route, method, name, kind or parent | [`RuleBased`] with [`Rule`]s |
//! | by the percentages of a proxy's configuration | [`PercentageSampler`] |
//! | as `OTEL_TRACES_SAMPLER` says | [`SamplerConfig`] |
//! | as OpenTelemetry's older SDKs decide | [`TraceIdRatioBased`] |
//! | as another sampler does, and record the rest | [`AlwaysRecord`] around another sampler |
//! | by samplers whose thresholds combine | `composite`, with the feature `unstable-composite` |
//!
//! A [`Policy`](crate::Policy) calls its sampler for every trace that starts here and, under
//! [`Trust::Resample`](crate::Trust::Resample), for every request.
//!
//! The feature `unstable-composite` adds `composite`: OpenTelemetry's composable samplers, whose
//! specification has the status *Development*. The module is exempt from semantic versioning.
//! [`ProbabilitySampler`], [`Threshold`] and the `ot` member have the same status and need no feature, because
//! [`Policy`](crate::Policy) reads and writes thresholds for every sampler, and their form in `tracestate` is
//! in use.

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
#[cfg(all(feature = "std", target_has_atomic = "64", not(all(target_family = "wasm", target_os = "unknown"))))]
#[cfg_attr(docsrs, doc(cfg(feature = "std")))]
pub use self::rate_limit::monotonic::MonotonicClock;
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

/// A sampler, which decides whether a span is recorded and whether its trace is sampled.
///
/// The trait is object-safe. It is implemented for `&S` and, with the feature `alloc`, for `Box<S>` and `Arc<S>`.
///
/// [OpenTelemetry: sampler](https://opentelemetry.io/docs/specs/otel/trace/sdk/#sampler)
///
/// ```
/// use traceparent::sampler::{Sampler, SamplingInput, SamplingResult};
///
/// /// Drops health checks, and follows another sampler otherwise.
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
    /// Decides about one span.
    ///
    /// This is called once per span, in the path of a request, and must not block.
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult;

    /// Calls `visit` with each attribute that the sampler adds to a recorded span, for the input of
    /// [`should_sample`](Self::should_sample).
    ///
    /// [`Policy::apply_annotated`](crate::Policy::apply_annotated) calls this, and so do the server's layer of
    /// `traceparent-tower` and the sampler of `traceparent-opentelemetry`. [`Policy::apply`](crate::Policy::apply) and
    /// [`Policy::apply_to`](crate::Policy::apply_to) do not.
    fn annotate(&self, input: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
        let _ = (input, visit);
    }
}

/// Implements the traits of samplers for pointers to samplers.
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

/// The parent of a span for which a sampler decides.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a parent is here or elsewhere")]
pub enum Parent<'a> {
    /// The caller's span, in another process.
    Remote(&'a TraceContext<'a>),
    /// A span in this process.
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

    /// Whether the parent is a span in another process.
    pub const fn is_remote(&self) -> bool {
        matches!(self, Self::Remote(_))
    }
}

/// The input of a sampler: the parent, the trace-id, and the details of the span.
#[derive(Clone, Copy, Debug)]
pub struct SamplingInput<'a> {
    parent: Option<Parent<'a>>,
    trace_id: TraceId,
    span: SpanDetails<'a>,
}

impl<'a> SamplingInput<'a> {
    /// Creates the input for a root span of a trace.
    pub const fn root(trace_id: TraceId) -> Self {
        Self { parent: None, trace_id, span: SpanDetails::new("") }
    }

    /// Creates the input for a child of a span, in the same trace.
    pub const fn child_of(parent: Parent<'a>) -> Self {
        Self { parent: Some(parent), trace_id: parent.context().traceparent.trace_id(), span: SpanDetails::new("") }
    }

    /// Sets the details of the span.
    #[must_use]
    pub const fn with_span(self, span: SpanDetails<'a>) -> Self {
        Self { span, ..self }
    }

    /// Returns the parent, or `None` for a root span.
    pub const fn parent(&self) -> Option<Parent<'a>> {
        self.parent
    }

    /// Returns the trace-id. A child has that of its parent.
    pub const fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Returns the details of the span.
    pub const fn span(&self) -> SpanDetails<'a> {
        self.span
    }

    /// Returns the randomness that all services in the trace share.
    ///
    /// This is the explicit `rv` in the parent's `tracestate`, or otherwise the last 7 bytes of the trace-id.
    pub fn randomness(&self) -> Randomness {
        self.explicit_randomness().unwrap_or(self.trace_id.randomness())
    }

    fn explicit_randomness(&self) -> Option<Randomness> {
        self.parent?.context().tracestate.ot()?.randomness()
    }
}

/// The decision whether a span is recorded and whether its trace is sampled.
///
/// The decision is not stored in the trace flags, which have no bit for "not decided".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "OpenTelemetry's decisions, which are stable")]
pub enum SamplingDecision {
    /// The span is neither recorded nor sampled.
    Drop,
    /// The span is recorded in this process and not sampled. The sampled flag stays unset.
    RecordOnly,
    /// The span is recorded, and the sampled flag is set.
    RecordAndSample,
}

impl SamplingDecision {
    /// Whether the sampled flag is set in outgoing headers.
    pub const fn is_sampled(self) -> bool {
        matches!(self, Self::RecordAndSample)
    }

    /// Whether the span is recorded.
    pub const fn is_recorded(self) -> bool {
        !matches!(self, Self::Drop)
    }

    /// Returns [`RecordAndSample`](Self::RecordAndSample) if the flag is set, and otherwise [`Drop`](Self::Drop).
    pub const fn from_sampled(sampled: bool) -> Self {
        if sampled { Self::RecordAndSample } else { Self::Drop }
    }
}

/// The effect of a sampler's decision on the threshold, `th`, in `tracestate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ThresholdChange {
    /// The threshold of a sampled parent stays.
    #[default]
    Keep,
    /// The span was sampled at this threshold.
    Set(Threshold),
    /// The span was sampled with an unknown probability.
    Erase,
}

/// The result of a sampler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SamplingResult {
    /// The decision whether the span is recorded and sampled.
    pub decision: SamplingDecision,
    /// The effect on the threshold in `tracestate`. The threshold is always removed if the span is not sampled or
    /// its randomness is below the threshold.
    pub threshold: ThresholdChange,
}

impl SamplingResult {
    /// The span is dropped.
    pub const DROP: Self = Self::new(SamplingDecision::Drop);
    /// The span is recorded and sampled, and the parent's threshold stays.
    pub const SAMPLE: Self = Self::new(SamplingDecision::RecordAndSample);

    /// Creates a result that leaves the parent's threshold in place.
    pub const fn new(decision: SamplingDecision) -> Self {
        Self { decision, threshold: ThresholdChange::Keep }
    }

    /// Sets the effect on the threshold in `tracestate`.
    #[must_use]
    pub const fn with_threshold(self, threshold: ThresholdChange) -> Self {
        Self { threshold, ..self }
    }

    /// Returns the outgoing `tracestate`: the parent's, with this result's threshold in its `ot` member.
    ///
    /// A [`Policy`](crate::Policy) does this itself. Use this if you call a sampler without one.
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

    /// Returns the effect of the result on the `ot` member.
    ///
    /// Two checks keep adjusted counts correct: a span that is not sampled has no threshold, and neither has a
    /// sampled span whose randomness the threshold rejects.
    pub(crate) fn ot_change(self, input: &SamplingInput<'_>) -> OtChange {
        let ot = input.parent.and_then(|parent| parent.context().tracestate.ot());
        let before = ot.and_then(|ot| ot.threshold());
        let asked = match self.threshold {
            // The threshold of a parent that was not sampled does not apply to a sampled child.
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
