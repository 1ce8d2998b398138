//! What every fuzz target asserts, each as one function of any bytes. The fuzz targets call it with what libFuzzer
//! makes up, the tests of this crate with seeds and small changes of them, on stable.

mod check;
mod differential;
mod explain;
mod formats;
mod formats_differential;
mod gateway;
mod http;
mod message;
mod ot;
mod policy;
mod server_timing;
mod traceparent;
mod tracestate;
mod verdict;

pub mod seeds;

#[path = "../../crates/traceparent-formats/tests/common/mod.rs"]
#[allow(dead_code, reason = "the tests of the formats use all of it")]
mod foreign;
#[path = "../../crates/traceparent/tests/common/model.rs"]
mod model;
#[path = "../../crates/traceparent/tests/common/naive.rs"]
mod naive;
#[path = "../../crates/traceparent-gateway/tests/conformance/text.rs"]
mod rows;
#[path = "../../crates/traceparent/tests/common/vectors.rs"]
#[allow(dead_code, reason = "the tests of the core use all of it")]
mod vectors;

pub use self::{
    check::check,
    differential::{COLUMNS, DIFFERENCES, Difference, Seen, answers, differential},
    explain::explain,
    formats::formats,
    formats_differential::{FORMATS_DIFFERENCES, FormatsDifference, Library, formats_differential},
    gateway::gateway,
    http::http,
    ot::ot,
    policy::policy,
    server_timing::server_timing,
    traceparent::traceparent,
    tracestate::tracestate,
    verdict::Verdict,
};

/// What one input must not make panic.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: [(&str, Target); 12] = [
    ("traceparent", traceparent),
    ("tracestate", tracestate),
    ("policy", policy),
    ("ot", ot),
    ("server_timing", server_timing),
    ("http", http),
    ("formats", formats),
    ("explain", explain),
    ("check", check),
    ("formats_differential", formats_differential),
    ("gateway", gateway),
    ("differential", differential),
];

/// The body of a fuzz target. Built by `cargo fuzz` it is libFuzzer's; otherwise it runs the files it is given,
/// so that an input that was found can be looked at on stable: `cargo run --bin ot -- artifacts/ot/crash-...`.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|input: &[u8]| $crate::$name(input));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            for path in std::env::args_os().skip(1) {
                $crate::$name(&std::fs::read(path)?);
            }
            Ok(())
        }
    };
}
