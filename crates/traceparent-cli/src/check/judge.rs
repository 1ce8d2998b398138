//! The verdict on one value.

use traceparent::{TraceParent, TraceState};
use traceparent_formats::{Format, FormatError};

use crate::rule::{self, Rule};

/// What is said of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Valid,
    Invalid(Broken),
    /// The header is named and has no value, as logs have it where it is absent.
    Empty,
    /// The value is longer than what is read of it.
    Cut,
}

/// The rule that a value breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Broken {
    pub(super) kind: &'static str,
    pub(super) part: &'static str,
    pub(super) rule: Rule,
}

/// Judges the value of a header by itself. The other headers of its message are not known.
pub(super) fn judge(header: &'static str, value: &[u8]) -> Verdict {
    let result = match header {
        "traceparent" => TraceParent::parse(value).map(drop).map_err(of_core),
        "tracestate" => TraceState::parse(value).map(drop).map_err(of_core),
        _ => foreign(header, value).map_err(|error| Broken {
            kind: error.kind().as_str(),
            part: error.part().as_str(),
            rule: rule::of_format(error.format(), error.part(), error.kind()),
        }),
    };
    result.map_or_else(Verdict::Invalid, |()| Verdict::Valid)
}

fn of_core(error: traceparent::ParseError) -> Broken {
    Broken {
        kind: error.kind().as_str(),
        part: error.field().as_str(),
        rule: rule::of_core(error.field(), error.kind()),
    }
}

fn foreign(header: &'static str, value: &[u8]) -> Result<(), FormatError> {
    let Some(format) = Format::ALL.into_iter().find(|format| format.field_names().contains(&header)) else {
        return Ok(());
    };
    let context = format.read(|name| if name == header { Some(value) } else { stand_in(header, name) })?;
    context.and_then(|context| context.tags_error()).map_or(Ok(()), Err)
}

/// Returns a valid value for a header that another one needs beside it.
fn stand_in(header: &str, name: &str) -> Option<&'static [u8]> {
    match name {
        "x-datadog-trace-id" => Some(b"1"),
        "x-b3-traceid" | "x-b3-spanid" | "ot-tracer-traceid" | "ot-tracer-spanid" => {
            // A state may stand alone, and an ID may not.
            let is_id = header.ends_with("id");
            is_id.then_some(b"00f067aa0ba902b7")
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_several_is_judged_by_itself() {
        for (header, good, bad) in [
            ("x-b3-traceid", "4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f35"),
            ("x-b3-spanid", "00f067aa0ba902b7", "00F067AA0BA902B7"),
            ("x-b3-sampled", "1", "d"),
            ("x-b3-flags", "1", ""),
            ("x-datadog-trace-id", "11803532876627986230", "0"),
            ("x-datadog-parent-id", "67667974448284343", "x"),
            ("x-datadog-sampling-priority", "-1", "high"),
            ("x-datadog-tags", "_dd.p.tid=4bf92f3577b34da6", "_dd.p.tid=4"),
            ("ot-tracer-traceid", "a3ce929d0e0e4736", "a3"),
            ("ot-tracer-spanid", "00f067aa0ba902b7", "0000000000000000"),
            ("ot-tracer-sampled", "true", "maybe"),
        ] {
            assert_eq!(judge(header, good.as_bytes()), Verdict::Valid, "{header}: {good}");
            let is_invalid = matches!(judge(header, bad.as_bytes()), Verdict::Invalid(_));
            assert!(is_invalid || header == "x-b3-flags", "{header}: {bad}");
        }
    }
}
