//! All tests of the crate in one program.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod errors;
mod fields;
mod naive;
mod no_alloc;
mod propagators;
mod round_trips;
mod vectors;
