//! What is measured: operations, each in every library that has it, each with its answer asserted.

mod adapter;
mod codec;
mod decisions;
mod formats;
mod headers;
mod lists;
mod logs;

/// Ours, in the tables.
pub const OURS: &str = "traceparent";

/// OpenTelemetry's, in the tables.
pub const OTEL: &str = "opentelemetry_sdk";

const EMIT: &str = "emit_traceparent";
const FASTRACE: &str = "fastrace";
const LEVEL3: &str = "trace-context-level3";
const POSTRUST: &str = "postrust-core";
const PUBLISHED: &str = "traceparent 0.0.3";

const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const PARENT_ID: u64 = 0x00f0_67aa_0ba9_02b7;

/// One operation of one library.
pub struct Operation {
    pub name: String,
    pub library: &'static str,
    /// Does it this number of times.
    pub run: Box<dyn FnMut(u64)>,
}

impl Operation {
    fn new(name: impl Into<String>, library: &'static str, mut once: impl FnMut() + 'static) -> Self {
        once();
        Self { name: name.into(), library, run: Box::new(move |times| (0..times).for_each(|_| once())) }
    }
}

/// All of them, ours first for each.
pub fn all() -> Vec<Operation> {
    let mut all = codec::operations();
    all.extend(lists::operations());
    all.extend(headers::operations());
    all.extend(decisions::operations());
    all.extend(adapter::operations());
    all.extend(formats::operations());
    all.extend(logs::operations());
    all
}

/// A list with this number of members.
fn list(members: usize) -> String {
    (0..members).map(|i| format!("vendor{i}=00f067aa0ba902b7{i:02}")).collect::<Vec<_>>().join(",")
}
