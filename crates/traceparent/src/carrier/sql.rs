use core::fmt::{self, Write};

use crate::{Outgoing, TraceParent, TraceState};

/// A context as a comment in SQL, by which a database's log finds the trace of a statement.
///
/// `Display` writes the comment. Values are percent-encoded but for letters, digits, `-`, `.`, `_` and `~`, so that
/// nothing in them can end the comment or the string.
///
/// [sqlcommenter](https://google.github.io/sqlcommenter/spec/)
///
/// ```
/// use traceparent::{Incoming, Policy, IdsFrom, carrier::SqlComment, sampler::AlwaysOn};
///
/// let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let incoming = Incoming::from_fields([traceparent], ["congo=*/;--"]);
/// let span = Policy::new(AlwaysOn).apply(incoming, &IdsFrom::new(|| 7));
/// let sql = SqlComment::new(&span).append_to("SELECT * FROM orders").to_string();
/// assert_eq!(
///     sql,
///     "SELECT * FROM orders /*\
///      traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000007-01',\
///      tracestate='congo%3D%2A%2F%3B--'*/"
/// );
/// ```
///
/// A database caches plans by the text of a statement. Comment the statements that a cache does not need, or let a sampler
/// choose them.
#[derive(Clone, Copy, Debug)]
pub struct SqlComment<'a> {
    span: &'a Outgoing<'a>,
}

impl<'a> SqlComment<'a> {
    /// Creates the comment with the context of a span.
    pub const fn new(span: &'a Outgoing<'a>) -> Self {
        Self { span }
    }

    /// Returns a statement with this comment at its end, before a last semicolon.
    ///
    /// A statement that has a comment stays as it is, as the specification demands. So does one with `--` or `/*` in a
    /// string, because databases read strings in different ways.
    ///
    /// ```
    /// use traceparent::{Incoming, Policy, RandomIdGenerator, carrier::SqlComment, sampler::AlwaysOn};
    ///
    /// let span = Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator);
    /// let comment = SqlComment::new(&span);
    /// assert_eq!(comment.append_to("SELECT 1 -- one").to_string(), "SELECT 1 -- one");
    /// assert!(comment.append_to("SELECT 1;").to_string().ends_with("*/;"));
    /// ```
    pub const fn append_to(self, statement: &'a str) -> CommentedSql<'a> {
        CommentedSql { statement, comment: self }
    }
}

impl fmt::Display for SqlComment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every character of a traceparent stands for itself.
        write!(f, "/*{}='{}'", TraceParent::NAME, self.span.traceparent())?;
        if !self.span.tracestate().is_empty() {
            write!(f, ",{}='", TraceState::NAME)?;
            write!(PercentEncoded(f), "{}", self.span.tracestate())?;
            f.write_char('\'')?;
        }
        f.write_str("*/")
    }
}

/// A statement with a [`SqlComment`] at its end. `Display` writes it.
#[derive(Clone, Copy, Debug)]
pub struct CommentedSql<'a> {
    statement: &'a str,
    comment: SqlComment<'a>,
}

impl fmt::Display for CommentedSql<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statement = self.statement.trim_end();
        if statement.is_empty() || statement.contains("--") || statement.contains("/*") {
            return f.write_str(self.statement);
        }
        match statement.strip_suffix(';') {
            Some(statement) => write!(f, "{} {};", statement.trim_end(), self.comment),
            None => write!(f, "{statement} {}", self.comment),
        }
    }
}

/// A writer that percent-encodes all but the unreserved characters.
///
/// [RFC 3986, section 2.3](https://www.rfc-editor.org/rfc/rfc3986#section-2.3)
struct PercentEncoded<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for PercentEncoded<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.0.write_char(byte.into())?;
            } else {
                write!(self.0, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}
