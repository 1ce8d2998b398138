#![doc = include_str!("links.md")]
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod list;

mod convert;
mod received;

mod ids;
mod propagator;
mod sampler;

pub use crate::{
    convert::{from_span_context, to_span_context},
    ids::SdkIdGenerator,
    propagator::TraceContextPropagator,
    sampler::SdkSampler,
};
