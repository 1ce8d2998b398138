#![doc = include_str!("links.md")]
#![doc = include_str!("../README.md")]
#![no_std]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod error;

mod hex;
mod ows;
mod text;

mod flags;
mod id;
mod threshold;
mod version;

mod traceparent;
mod tracestate;

mod context;

pub mod carrier;
pub mod sampler;

mod policy;

#[cfg(feature = "unstable-response")]
mod response;

#[cfg(all(doc, feature = "unstable-composite"))]
#[allow(unused_imports, reason = "for the links")]
use crate::sampler::composite::{ComposableSampler, CompositeSampler, SamplingIntent};
/// For the links of the front page.
#[cfg(doc)]
#[allow(clippy::wildcard_imports, unused_imports, reason = "for the links")]
use crate::sampler::*;

/// Defines a page of the documentation from a text, whose links resolve to what this crate exports.
macro_rules! page {
    ($name:ident, $text:literal) => {
        #[cfg(any(doc, doctest))]
        #[doc = include_str!("links.md")]
        #[doc = include_str!($text)]
        pub mod $name {
            #[cfg(feature = "unstable-composite")]
            #[allow(unused_imports, reason = "for the links")]
            use crate::sampler::composite::{ComposableSampler, CompositeSampler, SamplingIntent};
            #[allow(clippy::wildcard_imports, unused_imports, reason = "for the links")]
            use crate::{sampler::*, *};
        }
    };
}

page!(guide, "../docs/guide.md");
page!(troubleshooting, "../docs/troubleshooting.md");
page!(limits, "../docs/limits.md");
page!(comparison, "../docs/comparison.md");
page!(conformance, "../CONFORMANCE.md");

#[cfg(all(feature = "std", not(all(target_family = "wasm", target_os = "unknown"))))]
#[cfg_attr(docsrs, doc(cfg(feature = "std")))]
pub use crate::id::random::RandomIdGenerator;
#[cfg(feature = "alloc")]
pub use crate::policy::FieldValue;
#[cfg(feature = "unstable-response")]
#[cfg_attr(docsrs, doc(cfg(feature = "unstable-response")))]
pub use crate::response::TraceResponse;
pub use crate::{
    context::{Incoming, TraceContext},
    error::{BufferTooSmall, ErrorKind, Field, FieldsError, ParseError},
    flags::TraceFlags,
    id::{
        SpanId, TraceId,
        generate::IdGenerator,
        source::{IdsFrom, NumberSource, U32Pairs},
        xray::XRayIds,
    },
    ows::trim_ows,
    policy::{Origin, Outgoing, Policy, Trust, UnknownTrust},
    threshold::{Randomness, Threshold, percent::Percent},
    traceparent::TraceParent,
    tracestate::{
        TraceState,
        edit::{BudgetTooSmall, Change, TraceStateEdit},
        member::{Member, Members},
        ot::OtValue,
    },
    version::Version,
};
