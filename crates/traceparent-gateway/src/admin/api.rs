//! The data of the pages, as JSON.

use serde::Serialize;
use serde_json::json;

use super::{Trace, Window};
use crate::span::write_json;

/// The size from which on no further span is added, in bytes.
const LIMIT: usize = 1024 * 1024;

/// Returns summaries of traces, and the path of those after them.
pub(super) fn list(traces: &[Trace<'_>], window: Window) -> String {
    let next = window.next().map(|from| format!("/api/traces?from={from}"));
    let mut out = Vec::new();
    push(&mut out, &json!({ "traces": traces, "next": next }));
    text(out)
}

/// Returns a summary of a trace, some of its spans, and the path of those after them.
pub(super) fn trace(trace: &Trace<'_>, window: Window) -> String {
    let mut out = Vec::new();
    let mut next = window.range().start;
    out.extend(b"{\"trace\":");
    push(&mut out, trace);
    out.extend(b",\"spans\":[");
    for row in trace.rows.get(window.range()).unwrap_or_default() {
        if out.len() >= LIMIT {
            break;
        }
        if next > window.range().start {
            out.push(b',');
        }
        push(&mut out, row.span);
        next += 1;
    }
    out.extend(b"],\"next\":");
    push(&mut out, &(next < window.total).then(|| format!("/api/traces/{}?from={next}", trace.id)));
    out.push(b'}');
    text(out)
}

fn push(out: &mut Vec<u8>, value: &impl Serialize) {
    // Writing to a vector cannot fail, and these values serialize.
    let _ = write_json(out, value);
}

fn text(out: Vec<u8>) -> String {
    String::from_utf8(out).unwrap_or_default()
}
