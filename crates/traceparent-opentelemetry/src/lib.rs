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

mod formats;
mod names;

pub use crate::{
    convert::{current, from_span_context, to_span_context},
    formats::FormatsPropagator,
    ids::SdkIdGenerator,
    names::{propagator_from_env, propagator_from_names},
    propagator::TraceContextPropagator,
    sampler::SdkSampler,
};
