//! Messages to the operator, and the characters that no text for operators holds.

use std::{
    fmt::{self, Display, Write as _},
    io::{Write, stderr},
};

/// Writes a line to standard error, and goes on if that is closed.
pub(crate) fn tell(message: impl Display) {
    let _ = writeln!(stderr(), "{}", Plain(message));
}

/// Returns whether a character controls what shows a text instead of being shown: it steers a terminal, ends a line, or
/// changes the order of other characters.
///
/// These are the control characters C0 and C1, the separators of lines and paragraphs, and the marks of bidirectional text
/// and of byte order.
///
/// [Unicode: bidirectional formatting characters](https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters)
pub(crate) fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A message with its control characters, except for ends of lines, in the form `\u{1b}`.
struct Plain<T>(T);

impl<T: Display> Display for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(|character| is_control(character) && character != '\n') {
            let last = part.chars().next_back().filter(|last| is_control(*last) && *last != '\n');
            self.0.write_str(&part[..part.len() - last.map_or(0, char::len_utf8)])?;
            if let Some(last) = last {
                write!(self.0, "{}", last.escape_unicode())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_those_that_are_not_shown() {
        for control in
            "\0\t\n\x1b\x7f\u{80}\u{85}\u{9b}\u{9f}\u{61c}\u{200e}\u{2028}\u{202e}\u{2066}\u{2069}\u{feff}".chars()
        {
            assert!(is_control(control), "{control:?}");
        }
        for shown in " a~\u{a0}\u{e9}\u{5d0}\u{627}\u{200d}\u{2027}\u{202f}\u{2065}\u{206a}\u{1f600}".chars() {
            assert!(!is_control(shown), "{shown:?}");
        }
    }

    #[test]
    fn messages_steer_no_terminal() {
        assert_eq!(Plain("a\x1b[2Jb\nc\u{202e}d\u{9b}").to_string(), "a\\u{1b}[2Jb\nc\\u{202e}d\\u{9b}");
        assert_eq!(Plain(format_args!("{}:{}", "\u{e9}", "\r")).to_string(), "\u{e9}:\\u{d}");
    }
}
