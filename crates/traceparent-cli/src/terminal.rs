//! Text for a terminal: bytes of others in visible form, and colours.

use std::{
    ffi::{OsStr, OsString},
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
};

/// The columns that a value may take before it is cut.
const WIDTH: usize = 120;

/// The columns that stay before the place of an error in a value that is cut.
const BEFORE: usize = 40;

/// Returns bytes in printable ASCII: everything else, and the backslash, becomes an escape such as `\x1b`.
pub(crate) fn visible(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| escape(byte)).collect()
}

/// Returns the text of an operating system in printable ASCII.
pub(crate) fn visible_os(text: &OsStr) -> String {
    visible(text.as_encoded_bytes())
}

fn escape(byte: u8) -> String {
    match byte {
        b'\\' => "\\\\".to_owned(),
        b'\t' => "\\t".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'\r' => "\\r".to_owned(),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    }
}

/// A value in visible form, cut to the width of a line, and the columns of one of its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    pub(crate) text: String,
    /// The first column of the byte, from 0.
    pub(crate) column: usize,
    /// The columns that the byte takes: 1, or the length of its escape.
    pub(crate) width: usize,
}

impl Excerpt {
    /// Creates the excerpt of a value around a byte. The offset of a value that is too short is its length.
    pub(crate) fn new(value: &[u8], offset: usize) -> Self {
        let offset = offset.min(value.len());
        let (before, rest) = value.split_at(offset);
        let mut text = visible(before.get(before.len().saturating_sub(WIDTH)..).unwrap_or_default());
        if before.len() > WIDTH || text.len() > WIDTH - BEFORE {
            let from = text.len().saturating_sub(BEFORE);
            text = format!("...{}", text.get(from..).unwrap_or_default());
        }
        let column = text.len();
        let mut width = 1;
        for (i, &byte) in rest.iter().enumerate() {
            let shown = escape(byte);
            if i == 0 {
                width = shown.len();
            }
            if i > 0 && text.len() + shown.len() > WIDTH {
                text.push_str("...");
                break;
            }
            text.push_str(&shown);
        }
        Self { text, column, width }
    }
}

/// Whether output has colours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style(bool);

impl Style {
    /// A style without colours.
    pub(crate) const PLAIN: Self = Self(false);

    /// Returns the style for standard output: with colours on a terminal, unless `NO_COLOR` is set or the terminal is
    /// a dumb one.
    pub(crate) fn of_stdout() -> Self {
        Self::of(io::stdout().is_terminal(), |name| std::env::var_os(name))
    }

    fn of(is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        // <https://no-color.org>: set, and not to nothing.
        let is_unwanted = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = variable("TERM").is_some_and(|term| term == "dumb");
        Self(is_terminal && !is_unwanted && !is_dumb)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }
}

/// Writes text to standard output. A reader that has closed its end is no error.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes a message to standard error, on a line of its own.
pub(crate) fn tell(message: &str) {
    // There is no other place to report that standard error is closed.
    let _ = writeln!(io::stderr().lock(), "traceparent: {message}");
}

/// Adds rows of three columns to a text, the third one cut nowhere.
pub(crate) fn table(text: &mut String, style: Style, rows: &[[&str; 3]]) {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.len()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    for [name, value, meaning] in rows {
        let gap = " ".repeat(first - name.len());
        let line = if meaning.is_empty() {
            format!("  {}{gap}  {value}", style.bold(name))
        } else {
            format!("  {}{gap}  {value:second$}  {}", style.bold(name), style.dim(meaning))
        };
        // Writing to a String does not fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_what_is_no_ascii_become_escapes() {
        assert_eq!(visible(b"a\x1b[31m\x00\x7f\\"), r"a\x1b[31m\x00\x7f\\");
        // C1 controls, and the override of a text's direction.
        assert_eq!(visible("\u{9b}\u{202e}".as_bytes()), r"\xc2\x9b\xe2\x80\xae");
        assert_eq!(visible(b"\t\r\n"), r"\t\r\n");
    }

    #[test]
    fn the_column_is_that_of_the_visible_form() {
        let excerpt = Excerpt::new(b"\x01a\xffb", 2);
        assert_eq!((excerpt.text.as_str(), excerpt.column, excerpt.width), (r"\x01a\xffb", 5, 4));
        let end = Excerpt::new(b"00-", 3);
        assert_eq!((end.text.as_str(), end.column, end.width), ("00-", 3, 1));
        assert_eq!(Excerpt::new(b"", 7), Excerpt { text: String::new(), column: 0, width: 1 });
    }

    #[test]
    fn long_values_are_cut_around_the_byte() {
        let mut value = vec![b'a'; 100_000];
        value[50_000] = b'!';
        let excerpt = Excerpt::new(&value, 50_000);
        assert!(excerpt.text.len() <= WIDTH + 6, "{}", excerpt.text.len());
        assert_eq!(excerpt.text.as_bytes()[excerpt.column], b'!');
        assert!(excerpt.text.starts_with("...") && excerpt.text.ends_with("..."));
        assert!(Excerpt::new(&[0xff; 500], 499).text.is_ascii());
    }

    #[test]
    fn colours_are_for_terminals_and_never_with_no_color() {
        let style = |is_terminal, variables: &[(&str, &str)]| {
            Style::of(is_terminal, |name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
            })
        };
        assert!(style(true, &[("TERM", "xterm")]).0);
        assert!(style(true, &[("NO_COLOR", "")]).0);
        assert!(!style(true, &[("NO_COLOR", "1")]).0);
        assert!(!style(true, &[("TERM", "dumb")]).0);
        assert!(!style(false, &[]).0);
    }

    #[test]
    fn plain_text_has_no_colours() {
        assert_eq!(Style::PLAIN.red("a"), "a");
        assert_eq!(Style(true).red("a"), "\x1b[1;31ma\x1b[0m");
    }
}
