//! The headers of a message, as people have them: lines of `name: value`, or a bare value.

use std::io::{self, IsTerminal, Read};

use traceparent::trim_ows;
use traceparent_formats::{Format, KNOWN_FIELDS};

use crate::error::Error;

/// The names that are read beside the fields of the formats: the carriers of the response context.
pub(crate) const RESPONSE: [&str; 2] = ["server-timing", "traceresponse"];

/// Spellings of `traceparent` and `tracestate` that no service reads.
const MISSPELT: [&str; 4] = ["trace-parent", "trace_parent", "trace-state", "trace_state"];

/// The length of standard input that is read as headers: more than any server takes.
const LIMIT: u64 = 1 << 20;

/// A header: its name in lower case, and its value without white space around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) name: &'static str,
    pub(crate) value: Vec<u8>,
}

/// The trace headers of a message, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Headers {
    pub(crate) all: Vec<Header>,
    /// Misspelt names that occur.
    pub(crate) misspelt: Vec<&'static str>,
    /// Lines that are no trace header.
    pub(crate) others: usize,
}

impl Headers {
    /// Reads headers from arguments, each one or several lines, or from standard input without an argument.
    pub(crate) fn read(arguments: &[String]) -> Result<Self, Error> {
        if !arguments.is_empty() {
            return Ok(Self::parse(arguments.join("\n").as_bytes()));
        }
        if io::stdin().is_terminal() {
            return Err(Error::Usage("no header: give one, or pipe some to standard input"));
        }
        let mut text = Vec::new();
        io::stdin().lock().take(LIMIT).read_to_end(&mut text)?;
        Ok(Self::parse(&text))
    }

    /// Parses lines. What no name precedes is a header if its form is that of one, or if it is the only line.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let mut headers = Self::default();
        let lines = text.split(|&byte| byte == b'\n').map(|line| trim_ows(line.strip_suffix(b"\r").unwrap_or(line)));
        let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
        for line in &lines {
            headers.add(line, lines.len() == 1);
        }
        headers
    }

    fn add(&mut self, line: &[u8], is_only: bool) {
        // A trace of curl puts these in front.
        let line = line.strip_prefix(b"> ").or(line.strip_prefix(b"< ")).unwrap_or(line);
        let (name, value) = match named(line) {
            Line::Named(name, value) => (name, value),
            Line::Misspelt(name) => {
                self.misspelt.push(name);
                return;
            }
            Line::Other => {
                self.others += 1;
                return;
            }
            Line::Bare => {
                let Some(name) = guess(line).or(is_only.then_some("traceparent")) else {
                    self.others += 1;
                    return;
                };
                (name, line)
            }
        };
        self.all.push(Header { name, value: trim_ows(value).to_vec() });
    }

    /// Returns an iterator over the values of a name.
    pub(crate) fn get(&self, name: &'static str) -> impl Iterator<Item = &[u8]> + use<'_> {
        self.all.iter().filter(move |header| header.name == name).map(|header| header.value.as_slice())
    }

    /// Returns an iterator over the formats of which a header is there, W3C Trace Context first.
    pub(crate) fn formats(&self) -> impl Iterator<Item = Format> + use<'_> {
        Format::ALL
            .into_iter()
            .filter(|format| self.all.iter().any(|header| format.field_names().contains(&header.name)))
    }
}

/// Returns the known name that equals this one in any case.
pub(crate) fn known(name: &[u8]) -> Option<&'static str> {
    let name = if name.eq_ignore_ascii_case(b"_x_amzn_trace_id") { b"x-amzn-trace-id" } else { name };
    KNOWN_FIELDS
        .into_iter()
        .filter(|known| *known != "baggage")
        .chain(RESPONSE)
        .find(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

enum Line<'a> {
    Named(&'static str, &'a [u8]),
    Misspelt(&'static str),
    Other,
    Bare,
}

fn named(line: &[u8]) -> Line<'_> {
    // A variable of the environment, such as `TRACEPARENT=...`.
    if let Some((name, value)) = cut(line, b'=') {
        let is_variable = [&b"TRACEPARENT"[..], b"TRACESTATE", b"_X_AMZN_TRACE_ID"].contains(&name);
        if let Some(name) = known(name).filter(|_| is_variable) {
            return Line::Named(name, value);
        }
    }
    let Some((name, value)) = cut(line, b':') else {
        return if line.starts_with(b"HTTP/") || line.contains(&b' ') && guess(line).is_none() {
            Line::Other
        } else {
            Line::Bare
        };
    };
    if let Some(name) = known(name) {
        return Line::Named(name, value);
    }
    if let Some(name) = MISSPELT.into_iter().find(|misspelt| name.eq_ignore_ascii_case(misspelt.as_bytes())) {
        return Line::Misspelt(name);
    }
    let is_name = name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
    let is_header = is_name && !name.is_empty() && (value.starts_with(b" ") || !name.iter().all(u8::is_ascii_hexdigit));
    if is_header { Line::Other } else { Line::Bare }
}

fn cut(line: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|&byte| byte == at)?;
    let (before, after) = line.split_at_checked(at)?;
    Some((before, after.split_first()?.1))
}

/// Returns the name of the header that has values of this form.
fn guess(value: &[u8]) -> Option<&'static str> {
    let has = |part: &[u8]| memchr::memmem::find(value, part).is_some();
    let lead = value.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let next = value.get(lead).copied();
    let of_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let colons = memchr::memchr_iter(b':', value).count();
    let name = if has(b"Root=") || has(b"Parent=") || value.starts_with(b"Sampled=") || value.starts_with(b"1-") {
        "x-amzn-trace-id"
    } else if has(b";desc=") {
        "server-timing"
    } else if lead > 0 && (next == Some(b':') && colons > 1 || has(b"%3A") || has(b"%3a")) {
        "uber-trace-id"
    } else if lead >= 16 && (next == Some(b'/') || has(b";o=")) {
        "x-cloud-trace-context"
    } else if value.starts_with(b"AA") && value.len() > 23 && value.iter().all(of_base64) {
        "grpc-trace-bin"
    } else if matches!(value, b"0" | b"1" | b"d") || matches!(lead, 16 | 32) && next == Some(b'-') {
        "b3"
    } else if value.get(2) == Some(&b'-') || memchr::memchr_iter(b'-', value).count() == 3 && lead > 0 {
        "traceparent"
    } else if value.contains(&b'=') {
        "tracestate"
    } else {
        return None;
    };
    Some(name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn names(text: &str) -> Vec<&'static str> {
        Headers::parse(text.as_bytes()).all.iter().map(|header| header.name).collect()
    }

    #[test]
    fn names_are_read_in_any_case_and_from_a_trace_of_curl() {
        let text = format!("> GET / HTTP/1.1\r\n> Host: a\r\n> TraceParent:  {TRACEPARENT} \r\n> B3: 0\r\n>\r\n");
        let headers = Headers::parse(text.as_bytes());
        assert_eq!(names(&text), ["traceparent", "b3"]);
        assert_eq!(headers.get("traceparent").next(), Some(TRACEPARENT.as_bytes()));
        assert_eq!(names(&format!("TRACEPARENT={TRACEPARENT}\nTRACESTATE=a=1")), ["traceparent", "tracestate"]);
    }

    #[test]
    fn a_bare_value_is_of_the_format_whose_form_it_has() {
        for (value, name) in [
            (TRACEPARENT, "traceparent"),
            ("00-4BF92F35-1-2", "traceparent"),
            ("nonsense", "traceparent"),
            ("4bf92f3577b34da6a3ce929d0e0e4736", "traceparent"),
            ("rojo=1,congo=2", "tracestate"),
            ("4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1", "b3"),
            ("a3ce929d0e0e4736-00f067aa0ba902b7", "b3"),
            ("d", "b3"),
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", "x-amzn-trace-id"),
            ("1-5759e988-bd862e3fe1be46a994272793", "x-amzn-trace-id"),
            ("4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:1", "uber-trace-id"),
            ("1%3A2%3A0%3A1", "uber-trace-id"),
            ("4bf92f3577b34da6a3ce929d0e0e4736/67667974448284343;o=1", "x-cloud-trace-context"),
            ("AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE=", "grpc-trace-bin"),
            ("trace;desc=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "server-timing"),
        ] {
            assert_eq!(names(value), [name], "{value}");
        }
    }

    #[test]
    fn other_headers_are_counted_and_misspelt_ones_named() {
        let headers = Headers::parse(b"GET / HTTP/1.1\nHost: a\nTrace-Parent: 00\naccept: a=b\n\n");
        assert_eq!((headers.all.len(), headers.others), (0, 3));
        assert_eq!(headers.misspelt, ["trace-parent"]);
    }
}
