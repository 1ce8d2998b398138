//! Items that the test files share. Each file uses a part of them.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

pub(crate) mod model;
pub(crate) mod naive;
pub(crate) mod strategies;
pub(crate) mod vectors;

/// The specification's example.
pub(crate) const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
pub(crate) const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(crate) const PARENT_ID: &str = "00f067aa0ba902b7";

/// Cases of a property that compares two implementations.
pub(crate) const CASES: u32 = 4096;
