use std::fmt::{self, Display, Write};

use traceparent_http::semconv;

use super::text::Escaped;
use crate::span::{Span, kind_name};

/// The largest size of the details of a span, in bytes of HTML.
const LIMIT: usize = 6 * 1024;

/// The IDs of a span, and its attributes up to the size limit.
pub(super) struct Details<'a>(pub(super) &'a Span);

impl Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut facts = Facts { html: Limited(String::with_capacity(2048)), left_out: 0 };
        facts.push_all(self.0);
        write!(f, "<dl class=attributes>{}</dl>", facts.html.0)?;
        match facts.left_out {
            0 => Ok(()),
            left_out => write!(f, "<p class=more>{left_out} more in the JSON</p>"),
        }
    }
}

struct Facts {
    html: Limited,
    /// The number of facts that have found no room.
    left_out: usize,
}

impl Facts {
    fn push_all(&mut self, span: &Span) {
        self.push("service", &Escaped(&span.service));
        self.push("name", &Escaped(&span.name));
        self.push("span id", &span.span_id());
        if let Some(parent) = span.parent_id {
            self.push("parent id", &parent);
        }
        self.push("kind", &kind_name(span.kind));
        self.push("traceparent", &span.context.traceparent);
        self.push("origin", &span.origin.as_str());
        if let Some(link) = span.link {
            self.push("link", &link);
        }
        if let Some(refused) = &span.refused {
            self.push("refused", refused);
        }
        if let Some(failure) = span.failure {
            self.push("failure", &failure);
        }
        if let Some(status) = span.status {
            self.push(semconv::HTTP_RESPONSE_STATUS_CODE, &status);
        }
        if let Some(kind) = span.error_type() {
            self.push(semconv::ERROR_TYPE, &Escaped(&kind));
        }
        for (key, value) in span.attributes.iter() {
            self.push(key, &Escaped(&value.to_string()));
        }
        if span.attributes.dropped() > 0 {
            self.push("dropped attributes", &span.attributes.dropped());
        }
        if !span.context.tracestate.is_empty() {
            self.push("tracestate", &Escaped(&span.context.tracestate.to_string()));
        }
    }

    /// Adds a fact if there is room for it.
    fn push(&mut self, name: &str, value: &dyn Display) {
        let length = self.html.0.len();
        if write!(self.html, "<div><dt>{}<dd>{value}</div>", Escaped(name)).is_err() {
            self.html.0.truncate(length);
            self.left_out += 1;
        }
    }
}

/// A text that fails to grow beyond the size limit.
struct Limited(String);

impl Write for Limited {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() > LIMIT - self.0.len() {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_without_room_are_counted() {
        let mut facts = Facts { html: Limited(String::new()), left_out: 0 };
        for (name, value) in [("a", 10), ("b", LIMIT), ("c", 10), ("d", LIMIT)] {
            facts.push(name, &"x".repeat(value));
        }
        assert_eq!(facts.left_out, 2);
        assert_eq!(facts.html.0.matches("<dt>").count(), 2, "{}", facts.html.0);
    }
}
