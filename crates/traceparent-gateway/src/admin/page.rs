//! The pages of the admin listener: whole on arrival, without scripts and without anything from elsewhere.

use std::{
    fmt::{self, Display, Write},
    time::{Duration, SystemTime},
};

use opentelemetry::KeyValue;
use traceparent_http::semconv;

use super::trace::Trace;
use crate::span::{Row, Span, kind_name};

const STYLE: &str = include_str!("page.css");

/// The largest number of marks on a time axis, besides 0.
const MARKS: u32 = 8;

/// Returns the page of the last traces.
pub(crate) fn list(traces: &[Trace<'_>]) -> String {
    let longest = traces.iter().map(|trace| trace.duration).max().unwrap_or_default();
    let rows = each(traces, |trace, f| list_row(f, trace, longest));
    if traces.is_empty() {
        let hint = "<p class=empty>No trace has been sampled yet. Send a request through the gateway, then reload.</p>";
        return document("Traces", &hint);
    }
    document(
        "Traces",
        &format_args!(
            "<table class=traces><thead><tr><th>Started (UTC)<th>Trace<th class=number>Spans<th class=number>Services\
             <th class=number>Duration<th class=span><th>Errors</tr></thead><tbody>{rows}</tbody></table>"
        ),
    )
}

fn list_row(f: &mut fmt::Formatter<'_>, trace: &Trace<'_>, longest: Duration) -> fmt::Result {
    let Some(root) = trace.root() else { return Ok(()) };
    let share = percent(trace.duration, longest);
    write!(
        f,
        "<tr><td class=time>{}<td><a href=\"/traces/{}\"><b>{}</b> {}<small>{}</small></a><td class=number>{}\
         <td class=number>{}<td class=number>{}<td class=span><i style=\"width:{share:.2}%\"></i><td>{}",
        Clock(trace.start),
        trace.id,
        Escaped(&root.service),
        Escaped(&title(root)),
        trace.id,
        trace.rows.len(),
        trace.services().len(),
        Time(trace.duration),
        ErrorCount(trace.errors()),
    )
}

/// Returns the page of one trace: the time of each span, and its details.
pub(crate) fn waterfall(trace: &Trace<'_>) -> String {
    let Some(root) = trace.root() else { return unknown() };
    let step = step(trace.duration);
    let services = trace.services();
    let legend = each(&services, |service, f| {
        write!(f, "<li><i class=c{}></i>{}</li>", color(&services, service), Escaped(service))
    });
    let marks: Vec<u32> = (0..=MARKS).filter(|mark| step * *mark <= trace.duration).collect();
    let axis = each(&marks, |mark, f| {
        let at = percent(step * *mark, trace.duration);
        write!(f, "<li style=\"left:{at:.3}%\">{}</li>", Time(step * *mark))
    });
    let rows = each(&trace.rows, |row, f| span_row(f, trace, row, color(&services, &row.span.service)));
    let body = format_args!(
        "<p class=back><a href=\"/traces\">All traces</a></p>\
         <h2><b>{}</b> {}</h2>\
         <dl class=facts><div><dt>Trace<dd><code>{}</code></div><div><dt>Started<dd>{} UTC</div>\
         <div><dt>Duration<dd>{}</div><div><dt>Spans<dd>{}</div><div><dt>Services<dd>{}</div>\
         <div><dt>Errors<dd>{}</div></dl>\
         <ul class=legend>{legend}</ul>\
         <section class=waterfall style=\"--step:{:.4}%\"><header><span>Service and operation</span>\
         <ol class=axis>{axis}</ol></header>{rows}</section>",
        Escaped(&root.service),
        Escaped(&title(root)),
        trace.id,
        Clock(trace.start),
        Time(trace.duration),
        trace.rows.len(),
        services.len(),
        ErrorCount(trace.errors()),
        percent(step, trace.duration),
    );
    document(&format!("{} {}", root.service, title(root)), &body)
}

fn span_row(f: &mut fmt::Formatter<'_>, trace: &Trace<'_>, row: &Row<'_>, color: usize) -> fmt::Result {
    let span = row.span;
    let (left, width) = (percent(trace.offset(span), trace.duration), percent(span.duration, trace.duration));
    let failed = if span.is_error() { " failed" } else { "" };
    // A label stands behind its bar, or before it, or inside of it: where there is room.
    let (class, label) = match () {
        () if left + width <= 80.0 => ("label", format!("left:{:.3}%", left + width)),
        () if left >= 20.0 => ("label", format!("right:{:.3}%", 100.0 - left)),
        () => ("label inside", format!("right:{:.3}%", 100.0 - left - width)),
    };
    write!(
        f,
        "<details class=\"row{failed}\"><summary><span class=what style=\"--depth:{}\"><i class=c{color}></i><b>{}</b>{} {}</span>\
         <span class=when><i class=\"bar c{color}\" style=\"left:{left:.3}%;width:{width:.3}%\"></i>\
         <em class=\"{class}\" style=\"{label}\">{}</em></span></summary>{}</details>",
        row.depth.min(24),
        Escaped(&span.service),
        ErrorMark(span),
        Escaped(&title(span)),
        Time(span.duration),
        Details(span),
    )
}

/// Returns the page for an unknown trace.
pub(crate) fn unknown() -> String {
    let body = "<p class=back><a href=\"/traces\">All traces</a></p><p class=empty>Trace not found. Only the \
                latest sampled traces are kept.</p>";
    document("No such trace", &body)
}

fn document(title: &str, body: &dyn Display) -> String {
    let mut html = String::with_capacity(16 * 1024);
    // Writing to a string cannot fail.
    let _ = write!(
        html,
        "<!doctype html><html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width,initial-scale=1\"><title>{}</title>\
         <style>{STYLE}</style></head><body><header class=top><h1><a href=\"/traces\">traceparent gateway</a></h1>\
         <nav><a href=\"/traces\">Traces</a><a href=\"/metrics\">Metrics</a><a href=\"/api/traces\">JSON</a></nav></header>\
         <main>{body}</main></body></html>",
        Escaped(title),
    );
    html
}

/// Returns the name of a span, with its path or URL if the name is only a method.
fn title(span: &Span) -> String {
    let is_method = span.text(semconv::HTTP_REQUEST_METHOD) == Some(&*span.name);
    match (span.text(semconv::URL_PATH), span.text(semconv::URL_FULL)) {
        (Some(path), _) if is_method => format!("{} {path}", span.name),
        (_, Some(url)) if is_method => format!("{} {url}", span.name),
        _ => span.name.to_string(),
    }
}

/// Returns the class of a service's color: one of twelve, by its place among the services of the trace.
fn color(services: &[&str], service: &str) -> usize {
    services.iter().position(|other| *other == service).unwrap_or_default() % 12
}

/// Returns a part of a duration in percent, from 0 to 100.
fn percent(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 0.0 } else { (100.0 * part.as_secs_f64() / whole.as_secs_f64()).min(100.0) }
}

/// Returns the distance of the marks on a time axis: 1, 2 or 5 times a power of ten.
fn step(duration: Duration) -> Duration {
    let steps = (0..12).flat_map(|power| [1, 2, 5].map(|factor| Duration::from_micros(factor * 10_u64.pow(power))));
    steps.into_iter().find(|step| *step * MARKS >= duration).unwrap_or(duration)
}

/// The attributes of a span, and its IDs.
struct Details<'a>(&'a Span);

impl Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(span) = self;
        f.write_str("<dl class=attributes>")?;
        fact(f, "span id", &span.span_id())?;
        if let Some(parent) = span.parent_id {
            fact(f, "parent id", &parent)?;
        }
        fact(f, "kind", &kind_name(span.kind))?;
        fact(f, "traceparent", &span.context.traceparent)?;
        if !span.context.tracestate.is_empty() {
            fact(f, "tracestate", &Escaped(&span.context.tracestate.to_string()))?;
        }
        fact(f, "origin", &span.origin.as_str())?;
        if let Some(link) = span.link {
            fact(f, "link", &link)?;
        }
        if let Some(refused) = span.refused {
            fact(f, "refused", &refused)?;
        }
        if let Some(failure) = span.failure {
            fact(f, "failure", &failure)?;
        }
        if let Some(status) = span.status {
            fact(f, semconv::HTTP_RESPONSE_STATUS_CODE, &status)?;
        }
        if let Some(kind) = span.error_type() {
            fact(f, semconv::ERROR_TYPE, &kind)?;
        }
        for KeyValue { key, value, .. } in &span.attributes {
            fact(f, key.as_str(), &Escaped(&value.as_str()))?;
        }
        f.write_str("</dl>")
    }
}

fn fact(f: &mut fmt::Formatter<'_>, name: &str, value: &dyn Display) -> fmt::Result {
    write!(f, "<div><dt>{}<dd>{value}</div>", Escaped(name))
}

/// The error of a span, highlighted.
struct ErrorMark<'a>(&'a Span);

impl Display for ErrorMark<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.0.error_type().filter(|_| self.0.is_error());
        error.map_or(Ok(()), |error| write!(f, " <mark>{}</mark>", Escaped(&error)))
    }
}

/// A number of errors, highlighted unless it is 0.
struct ErrorCount(usize);

impl Display for ErrorCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("<span class=none>none</span>"),
            errors => write!(f, "<mark>{errors}</mark>"),
        }
    }
}

/// A duration with as many digits as can be read at a glance.
struct Time(Duration);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let microseconds = self.0.as_micros();
        match microseconds {
            0 => f.write_str("0"),
            1..1000 => write!(f, "{microseconds} µs"),
            1000..1_000_000 => {
                let text = format!("{:.1}", self.0.as_secs_f64() * 1e3);
                write!(f, "{} ms", text.strip_suffix(".0").unwrap_or(&text))
            }
            _ => write!(f, "{:.2} s", self.0.as_secs_f64()),
        }
    }
}

/// A time of day in UTC, with the date.
struct Clock(SystemTime);

impl Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = humantime::format_rfc3339_millis(self.0).to_string();
        f.write_str(&text.replace('T', " ").replace('Z', ""))
    }
}

/// Text as HTML, in an element or between double quotes.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(['&', '<', '>', '"', '\'']) {
            let (text, special) = match part.char_indices().next_back() {
                Some((at, special)) if "&<>\"'".contains(special) => (&part[..at], special),
                _ => (part, '\0'),
            };
            f.write_str(text)?;
            f.write_str(match special {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '"' => "&quot;",
                '\'' => "&#39;",
                _ => "",
            })?;
        }
        Ok(())
    }
}

fn each<T, F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result>(items: &[T], display: F) -> Each<'_, T, F> {
    Each(items, display)
}

/// Displays each item in its way, one after the other.
struct Each<'a, T, F>(&'a [T], F);

impl<T, F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result> Display for Each<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|item| (self.1)(item, f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_text() {
        assert_eq!(Escaped("<b a=\"1\">'&amp;").to_string(), "&lt;b a=&quot;1&quot;&gt;&#39;&amp;amp;");
        assert_eq!(Escaped("").to_string(), "");
        assert_eq!(Escaped("caf\u{e9}").to_string(), "caf\u{e9}");
    }

    #[test]
    fn axes_have_few_marks_at_round_times() {
        let cases = [(110, 20), (7, 1), (80, 10), (81, 20), (1000, 200), (30_000, 5000)];
        for (duration, expected) in cases {
            assert_eq!(step(Duration::from_millis(duration)), Duration::from_millis(expected), "{duration}");
        }
        assert_eq!(step(Duration::from_micros(3)), Duration::from_micros(1));
    }

    #[test]
    fn times_are_short() {
        let text = |microseconds| Time(Duration::from_micros(microseconds)).to_string();
        assert_eq!([0, 900, 1000, 110_349, 2_500_000].map(text), ["0", "900 µs", "1 ms", "110.3 ms", "2.50 s"]);
    }
}
