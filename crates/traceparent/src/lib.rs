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

#[cfg(feature = "std")]
pub use crate::id::generate::RandomIdGenerator;
pub use crate::{
    context::{Incoming, TraceContext},
    error::{BufferTooSmall, ErrorKind, Field, ParseError},
    flags::TraceFlags,
    id::{
        SpanId, TraceId,
        generate::{IdGenerator, IdsFrom},
    },
    policy::{Origin, Outgoing, Policy, Trust},
    sampler::{
        Parent, Sampler, SamplingDecision, SamplingInput, SamplingResult, ThresholdChange,
        basic::{AlwaysOff, AlwaysOn},
        parent_based::ParentBased,
        probability::ProbabilitySampler,
        span::{AttributeValue, Attributes, SpanDetails, SpanKind},
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
