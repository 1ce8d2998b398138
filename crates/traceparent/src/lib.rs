#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod error;

mod hex;

mod flags;
mod id;
mod threshold;
mod version;

mod traceparent;
mod tracestate;

mod context;

mod sampler;

mod policy;

mod response;

#[cfg(doc)]
#[doc = include_str!("../CONFORMANCE.md")]
pub mod conformance {
    #[allow(clippy::wildcard_imports, unused_imports, reason = "for the links")]
    use crate::*;
}

#[cfg(target_has_atomic = "64")]
pub use crate::sampler::rate_limit::{Clock, RateLimited};
pub use crate::{
    context::{Incoming, TraceContext},
    error::{BufferTooSmall, ErrorKind, Field, ParseError},
    flags::TraceFlags,
    id::{
        SpanId, TraceId,
        generate::{IdGenerator, IdsFrom, XRayIds},
    },
    policy::{Origin, Outgoing, Policy, Trust},
    response::TraceResponse,
    sampler::{
        Parent, Sampler, SamplingDecision, SamplingInput, SamplingResult, ThresholdChange,
        basic::{AlwaysOff, AlwaysOn, AlwaysRecord},
        composite::{
            ComposableAlwaysOff, ComposableAlwaysOn, ComposableAnnotating, ComposableParentThreshold,
            ComposableProbability, ComposableRuleBased, ComposableSampler, CompositeSampler, SamplingIntent,
        },
        config::{SamplerConfig, SamplerConfigError},
        parent_based::ParentBased,
        percentages::PercentageSampler,
        probability::ProbabilitySampler,
        rule::{AttributeCondition, ParentKind, Predicate, Rule, RuleBased, Rules},
        span::{AttributeValue, Attributes, SpanDetails, SpanKind},
        trace_id_ratio::TraceIdRatioBased,
    },
    threshold::{Randomness, Threshold, percent::Percent},
    traceparent::TraceParent,
    tracestate::{
        TraceState,
        edit::{BudgetTooSmall, Change, TraceStateEdit},
        grammar::trim_ows,
        member::{Member, Members},
        ot::OtValue,
    },
    version::Version,
};
#[cfg(feature = "std")]
pub use crate::{id::generate::RandomIdGenerator, sampler::rate_limit::MonotonicClock};
