use std::sync::Arc;

use opentelemetry::{Array, KeyValue, StringValue, Value};

use super::Span;
use crate::config::SpanLimits;

/// The numbers of attributes and links that limits have taken from a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) attributes: u32,
    pub(crate) links: u32,
}

impl Span {
    /// Applies limits, wherever the span goes.
    pub(crate) fn limit(&mut self, limits: SpanLimits) {
        self.dropped.attributes += limit_attributes(&mut self.attributes, limits);
        if limits.links == 0 && self.link.take().is_some() {
            self.dropped.links += 1;
        }
        if let Some(short) = self.refused.as_deref().and_then(|text| shortened(text, limits.value_length)) {
            self.refused = Some(Arc::from(short));
        }
    }
}

/// Cuts the values of attributes, and drops the last ones if there are too many. Returns how many were dropped.
pub(crate) fn limit_attributes(attributes: &mut Vec<KeyValue>, limits: SpanLimits) -> u32 {
    let dropped = attributes.len().saturating_sub(limits.attributes);
    attributes.truncate(limits.attributes);
    for attribute in attributes {
        match &mut attribute.value {
            Value::String(text) => shorten(text, limits.value_length),
            Value::Array(Array::String(texts)) => {
                for text in texts {
                    shorten(text, limits.value_length);
                }
            }
            _ => {}
        }
    }
    dropped as u32
}

fn shorten(text: &mut StringValue, limit: usize) {
    if let Some(short) = shortened(text.as_str(), limit) {
        *text = short.to_owned().into();
    }
}

/// Returns the beginning of a text that has more than this number of characters, or `None` for a shorter one.
fn shortened(text: &str, limit: usize) -> Option<&str> {
    // No text has more characters than bytes.
    let end = if text.len() > limit { text.char_indices().nth(limit) } else { None };
    end.map(|(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_to_characters() {
        assert_eq!(shortened("abc", 2), Some("ab"));
        assert_eq!(shortened("\u{20ac}\u{20ac}\u{20ac}", 2), Some("\u{20ac}\u{20ac}"));
        assert_eq!(shortened("\u{20ac}\u{20ac}", 2), None);
        assert_eq!(shortened("ab", 0), Some(""));
        assert_eq!(shortened("ab", usize::MAX), None);
    }
}
