//! Values as HTML.

use std::{
    fmt::{self, Display},
    time::{Duration, SystemTime},
};

use crate::operator::is_control;

/// Text as HTML, in an element or between double quotes, with its control characters in the form `\u{1b}`.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let special = |character| matches!(character, '&' | '<' | '>' | '"' | '\'') || is_control(character);
        for part in self.0.split_inclusive(special) {
            let last = part.chars().next_back().filter(|last| special(*last));
            f.write_str(&part[..part.len() - last.map_or(0, char::len_utf8)])?;
            match last {
                None => {}
                Some('&') => f.write_str("&amp;")?,
                Some('<') => f.write_str("&lt;")?,
                Some('>') => f.write_str("&gt;")?,
                Some('"') => f.write_str("&quot;")?,
                Some('\'') => f.write_str("&#39;")?,
                Some(control) => write!(f, "{}", control.escape_unicode())?,
            }
        }
        Ok(())
    }
}

/// Text as HTML in an element, cut at 100 characters, whose direction does not spread.
pub(super) struct Short<'a>(pub(super) &'a str);

impl Short<'_> {
    const LIMIT: usize = 100;
}

impl Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(Self::LIMIT) {
            Some((end, _)) => write!(f, "<bdi>{}…</bdi>", Escaped(&self.0[..end])),
            None => write!(f, "<bdi>{}</bdi>", Escaped(self.0)),
        }
    }
}

/// A duration with as many digits as can be read at a glance.
pub(super) struct Time(pub(super) Duration);

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
pub(super) struct Clock(pub(super) SystemTime);

impl Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = humantime::format_rfc3339_millis(self.0).to_string();
        f.write_str(&text.replace('T', " ").replace('Z', ""))
    }
}

/// Returns what displays each item in its way, one after the other.
pub(super) fn each<T, F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result>(items: &[T], display: F) -> Each<'_, T, F> {
    Each(items, display)
}

/// Displays each item in its way, one after the other.
pub(super) struct Each<'a, T, F>(&'a [T], F);

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
        assert_eq!(Escaped("a\u{202e}b\u{85}\u{1f600}<").to_string(), "a\\u{202e}b\\u{85}\u{1f600}&lt;");
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(Short("<").to_string(), "<bdi>&lt;</bdi>");
        let long = "\u{20ac}".repeat(Short::LIMIT);
        assert_eq!(Short(&long).to_string(), format!("<bdi>{long}</bdi>"));
        assert_eq!(Short(&format!("{long}x")).to_string(), format!("<bdi>{long}…</bdi>"));
    }

    #[test]
    fn times_are_short() {
        let text = |microseconds| Time(Duration::from_micros(microseconds)).to_string();
        assert_eq!([0, 900, 1000, 110_349, 2_500_000].map(text), ["0", "900 µs", "1 ms", "110.3 ms", "2.50 s"]);
    }
}
