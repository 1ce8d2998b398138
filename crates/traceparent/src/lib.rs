#![doc = include_str!("links.md")]
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

/// Makes a page of a text, whose links see what this crate exports.
macro_rules! page {
    ($name:ident, $text:literal) => {
        #[cfg(any(doc, doctest))]
        #[doc = include_str!("links.md")]
        #[doc = include_str!($text)]
        pub mod $name {
            #[allow(clippy::wildcard_imports, unused_imports, reason = "for the links")]
            use crate::*;
        }
    };
}

page!(guide, "../docs/guide.md");
page!(limits, "../docs/limits.md");
page!(comparison, "../docs/comparison.md");
page!(conformance, "../CONFORMANCE.md");

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
