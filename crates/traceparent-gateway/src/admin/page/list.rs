use std::{fmt, time::Duration};

use super::{
    Badges, Pager, document, percent,
    text::{Clock, Short, Time, each},
    title,
};
use crate::admin::{Trace, Window};

/// Returns a page of the last traces.
pub(crate) fn list(traces: &[Trace<'_>], window: Window) -> String {
    if window.total == 0 {
        let hint = "<p class=empty>No trace has been sampled yet. Send a request through the gateway, then reload.</p>";
        return document("Traces", &hint);
    }
    let longest = traces.iter().map(|trace| trace.duration).max().unwrap_or_default();
    let rows = each(traces, |trace, f| row(f, trace, longest));
    let pager = Pager { path: "/traces", things: "traces", window };
    document(
        "Traces",
        &format_args!(
            "<table class=traces><thead><tr><th>Started (UTC)<th>Trace<th class=number>Spans<th class=number>Services\
             <th class=number>Duration<th class=span><th>Marks</tr></thead><tbody>{rows}</tbody></table>{pager}"
        ),
    )
}

fn row(f: &mut fmt::Formatter<'_>, trace: &Trace<'_>, longest: Duration) -> fmt::Result {
    let Some(root) = trace.root() else { return Ok(()) };
    let share = percent(trace.duration, longest);
    write!(
        f,
        "<tr><td class=time>{}<td class=name><a href=\"/traces/{id}\"><b>{}</b> {}<small>{id}</small></a>\
         <td class=number data-label=Spans>{}<td class=number data-label=Services>{}\
         <td class=number data-label=Duration>{}<td class=span><i style=\"width:{share:.2}%\"></i><td class=marks>{}",
        Clock(trace.start),
        Short(&root.service),
        Short(&title(root)),
        trace.rows.len(),
        trace.services().len(),
        Time(trace.duration),
        Badges::of_trace(trace),
        id = trace.id,
    )
}
