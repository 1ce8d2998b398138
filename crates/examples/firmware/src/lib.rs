//! What the programs of this folder share.
#![no_std]

mod message;

pub use message::Message;
use traceparent::{
    Percent, Policy,
    sampler::{ParentBased, ProbabilitySampler},
};

/// Callers' decisions are followed, and a quarter of the traces that start here is sampled.
pub const POLICY: Policy<ParentBased<ProbabilitySampler>> =
    Policy::new(ParentBased::new(ProbabilitySampler::from_percent(Percent::from_static("25"))));
