use std::{fmt, time::Duration};

use traceparent::sampler::SpanKind;

use super::{
    Badges, Pager,
    details::Details,
    document, percent,
    text::{Clock, Short, Time, each},
    title, unknown,
};
use crate::{
    admin::{Trace, Window},
    span::{Row, kind_name},
};

/// The largest number of marks on a time axis, besides 0.
const MARKS: u32 = 8;

/// The depth from which on rows are not indented further, but say how deep they are.
const DEEPEST_INDENT: usize = 8;

/// The largest number of services in the legend.
const LEGEND: usize = 24;

/// Returns a page of one trace: the time of each span, and its details.
pub(crate) fn waterfall(trace: &Trace<'_>, window: Window) -> String {
    let Some(root) = trace.root() else { return unknown() };
    let step = step(trace.duration);
    let services = trace.services();
    let legend = each(services.get(..LEGEND).unwrap_or(&services), |service, f| {
        write!(f, "<li><i class=c{}></i>{}</li>", color(&services, service), Short(service))
    });
    let marks: Vec<u32> = (0..=MARKS).filter(|mark| step * *mark <= trace.duration).collect();
    let axis = each(&marks, |mark, f| {
        let at = percent(step * *mark, trace.duration);
        let late = if at > 85.0 { " class=late" } else { "" };
        write!(f, "<li{late} style=\"left:{at:.3}%\">{}</li>", Time(step * *mark))
    });
    let shown = trace.rows.get(window.range()).unwrap_or_default();
    let rows = each(shown, |row, f| span_row(f, trace, row, color(&services, &row.span.service)));
    let path = format!("/traces/{}", trace.id);
    let body = format_args!(
        "<p class=back><a href=\"/traces\">All traces</a></p>\
         <h2><b>{}</b> {}</h2>\
         <dl class=facts><div><dt>Trace<dd><code>{id}</code></div><div><dt>Started<dd>{} UTC</div>\
         <div><dt>Duration<dd>{}</div><div><dt>Spans<dd>{}</div><div><dt>Services<dd>{}</div>\
         <div><dt>Marks<dd>{}</div><div><dt>As<dd><a class=link href=\"/api/traces/{id}\">JSON</a></div></dl>\
         <ul class=legend>{legend}<li><i class=\"key server\"></i>server<li><i class=\"key client\"></i>client</ul>\
         <section class=waterfall style=\"--step:{:.4}%\"><header><span>Service and operation</span>\
         <ol class=axis>{axis}</ol></header>{rows}</section>{}",
        Short(&root.service),
        Short(&title(root)),
        Clock(trace.start),
        Time(trace.duration),
        trace.rows.len(),
        services.len(),
        Badges::of_trace(trace),
        percent(step, trace.duration),
        Pager { path: &path, things: "spans", window },
        id = trace.id,
    );
    document(&format!("{} {}", root.service, title(root)), &body)
}

fn span_row(f: &mut fmt::Formatter<'_>, trace: &Trace<'_>, row: &Row<'_>, color: usize) -> fmt::Result {
    let span = row.span;
    let (left, width) = (percent(trace.offset(span), trace.duration), percent(span.duration, trace.duration));
    let end = (left + width).min(100.0);
    // A label stands behind its bar. On a narrow page it may have to stand before it, or inside of it.
    let label = match () {
        () if end <= 80.0 => "label",
        () if left >= 20.0 => "label before",
        () => "label inside",
    };
    let kind = match span.kind {
        SpanKind::Client | SpanKind::Producer => "client",
        _ => "server",
    };
    write!(
        f,
        "<details class=\"row {kind}{failed}\"><summary><span class=what style=\"--depth:{}\">{depth}\
         <i class=c{color}></i><b>{}</b> <span class=kind>{}</span>{} {}</span>\
         <span class=when><i class=\"bar c{color}\" style=\"left:{left:.3}%;width:{width:.3}%\"></i>\
         <em class=\"{label}\" style=\"--start:{left:.3}%;--end:{end:.3}%\">{}</em></span></summary>{}</details>",
        row.depth.min(DEEPEST_INDENT),
        Short(&span.service),
        kind_name(span.kind),
        Badges::of_span(span),
        Short(&title(span)),
        Time(span.duration),
        Details(span),
        failed = if span.is_error() { " failed" } else { "" },
        depth = Depth(row.depth),
    )
}

/// The depth of a row, unless its indent shows it.
struct Depth(usize);

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..=DEEPEST_INDENT => Ok(()),
            depth => write!(f, "<small class=depth title=\"depth {depth}\">{depth}</small>"),
        }
    }
}

/// Returns the class of a service's color: one of twelve, by its place among the services of the trace.
fn color(services: &[&str], service: &str) -> usize {
    services.iter().position(|other| *other == service).unwrap_or_default() % 12
}

/// Returns the distance of the marks on a time axis: 1, 2 or 5 times a power of ten.
fn step(duration: Duration) -> Duration {
    let steps = (0..12).flat_map(|power| [1, 2, 5].map(|factor| Duration::from_micros(factor * 10_u64.pow(power))));
    steps.into_iter().find(|step| *step * MARKS >= duration).unwrap_or(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_few_marks_at_round_times() {
        let cases = [(110, 20), (7, 1), (80, 10), (81, 20), (1000, 200), (30_000, 5000)];
        for (duration, expected) in cases {
            assert_eq!(step(Duration::from_millis(duration)), Duration::from_millis(expected), "{duration}");
        }
        assert_eq!(step(Duration::from_micros(3)), Duration::from_micros(1));
    }
}
