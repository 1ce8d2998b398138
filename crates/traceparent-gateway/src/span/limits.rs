use super::Span;
use crate::config::SpanLimits;

impl Span {
    /// Applies limits to all but the attributes, which are limited as they are added.
    pub(crate) fn limit(&mut self, limits: SpanLimits) {
        if limits.links == 0 && self.link.take().is_some() {
            self.dropped_links += 1;
        }
        if let Some(short) = self.refused.as_deref().and_then(|text| shortened(text, limits.value_length)) {
            self.refused = Some(short.into());
        }
    }
}

/// Returns the beginning of a text that has more than this number of characters, or `None` for a shorter one.
pub(super) fn shortened(text: &str, limit: usize) -> Option<&str> {
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
