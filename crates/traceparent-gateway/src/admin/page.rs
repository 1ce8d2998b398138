//! The pages of the admin listener: whole on arrival, without scripts and without anything from elsewhere.
//!
//! A page has at most [`PAGE_SPANS`](super::window::PAGE_SPANS) rows, each with texts and details of limited length, so that no
//! page exceeds 1 MiB.

use std::{
    borrow::Cow,
    fmt::{self, Display, Write},
    time::Duration,
};

use traceparent::{Origin, sampler::SpanKind};
use traceparent_http::semconv;

use self::text::{Escaped, Short};
use super::{Trace, Window};
use crate::span::Span;

mod details;
mod list;
mod text;
mod waterfall;

pub(super) use self::{list::list, waterfall::waterfall};

const STYLE: &str = include_str!("page.css");

/// Returns the page for an unknown trace.
pub(super) fn unknown() -> String {
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
        Escaped(&title.chars().take(200).collect::<String>()),
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

/// Returns a part of a duration in percent, from 0 to 100.
fn percent(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 0.0 } else { (100.0 * part.as_secs_f64() / whole.as_secs_f64()).min(100.0) }
}

/// The marks that tell a span or a trace from the usual ones.
struct Badges {
    /// The errors, in words.
    error: Option<String>,
    restarted: bool,
    refused: bool,
    kept: bool,
}

impl Badges {
    fn of_span(span: &Span) -> Self {
        let error = span.error_type().filter(|_| span.is_error());
        // A call has the origin of the trace that it is made in.
        let restarted = span.kind == SpanKind::Server && span.origin == Origin::Restarted;
        Self { error: error.map(Cow::into_owned), restarted, refused: span.refused.is_some(), kept: span.kept }
    }

    fn of_trace(trace: &Trace<'_>) -> Self {
        let spans = || trace.rows.iter().map(|row| row.span);
        let error = match trace.errors() {
            0 => None,
            1 => Some("1 error".to_owned()),
            errors => Some(format!("{errors} errors")),
        };
        Self {
            error,
            restarted: spans().any(|span| span.origin == Origin::Restarted),
            refused: spans().any(|span| span.refused.is_some()),
            kept: spans().any(|span| span.kept),
        }
    }
}

impl Display for Badges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = &self.error {
            write!(f, " <mark class=error>{}</mark>", Short(error))?;
        }
        if self.restarted {
            f.write_str(" <mark class=restarted>restarted</mark>")?;
        }
        if self.refused {
            f.write_str(" <mark class=refused>refused</mark>")?;
        }
        if self.kept {
            f.write_str(" <mark class=kept>kept</mark>")?;
        }
        Ok(())
    }
}

/// The links to the pages before and after a page.
struct Pager<'a> {
    path: &'a str,
    things: &'static str,
    window: Window,
}

impl Display for Pager<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, things, window } = self;
        let (range, total) = (window.range(), window.total);
        if range.len() == total {
            return Ok(());
        }
        write!(f, "<nav class=pager><span>{} to {} of {total} {things}</span>", range.start + 1, range.end)?;
        if let Some(from) = window.previous() {
            write!(f, " <a class=link rel=prev href=\"{path}?from={from}\">previous</a>")?;
        }
        if let Some(from) = window.next() {
            write!(f, " <a class=link rel=next href=\"{path}?from={from}\">next</a>")?;
        }
        f.write_str("</nav>")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{admin::window, config::SpanLimits, span::Attributes, telemetry::example};

    #[test]
    fn no_page_is_larger_than_documented() {
        let long = "\"".repeat(4096);
        let spans: Vec<Arc<Span>> = (1..=200)
            .map(|id| {
                let mut attributes = Attributes::new(SpanLimits::default());
                for number in 0..64 {
                    attributes.push(&format!("{number}{long}"), &long);
                }
                let name = long.clone().into();
                let service = long.as_str().into();
                Arc::new(Span { service, name, attributes, ..example::span(1, id) })
            })
            .collect();
        let trace = Trace::new(&spans).unwrap();
        let page = waterfall(&trace, Window::new(0, window::PAGE_SPANS, spans.len()));
        assert!(page.len() <= 1024 * 1024, "{}", page.len());
        let traces: Vec<_> = (0..window::PAGE_TRACES).map(|at| Trace::new(&spans[at..=at]).unwrap()).collect();
        let page = list(&traces, Window::new(0, window::PAGE_TRACES, 200));
        assert!(page.len() <= 1024 * 1024, "{}", page.len());
    }
}
