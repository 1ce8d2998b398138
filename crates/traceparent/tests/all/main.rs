//! The tests of the core, in one program: it is linked once, which makes each of many runs after small changes quick.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::float_cmp)]

#[path = "../common/mod.rs"]
mod common;

#[cfg(feature = "unstable-composite")]
mod composite;
mod config;
#[cfg(feature = "alloc")]
mod errors;
#[cfg(feature = "alloc")]
mod fields;
mod foreign;
#[cfg(feature = "std")]
mod ids;
mod naive;
#[cfg(feature = "std")]
mod no_alloc;
#[cfg(feature = "alloc")]
mod outgoing;
#[cfg(all(feature = "std", feature = "unstable-composite"))]
mod peers;
#[cfg(feature = "alloc")]
mod policy;
#[cfg(feature = "std")]
mod random_ids;
#[cfg(target_has_atomic = "64")]
mod rate_limit;
#[cfg(all(feature = "alloc", feature = "unstable-response"))]
mod response;
mod rules;
mod samplers;
#[cfg(feature = "alloc")]
mod sampling;
#[cfg(feature = "std")]
mod surface;
mod threshold;
#[cfg(feature = "alloc")]
mod threshold_rules;
#[cfg(feature = "alloc")]
mod tracestate_edits;
#[cfg(feature = "std")]
mod types;
mod vectors;
#[cfg(feature = "alloc")]
mod w3c;
