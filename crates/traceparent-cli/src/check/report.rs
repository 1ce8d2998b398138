//! The counts as text and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::{judge::Verdict, source::Source, tally::Tally};
use crate::{rule::Rule, terminal::Style};

/// What was found in all inputs.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    inputs: usize,
    lines: u64,
    bytes: u64,
    headers: Vec<Header>,
}

/// What was found of one header.
#[derive(Debug, Serialize)]
struct Header {
    name: &'static str,
    valid: u64,
    /// The header is named and has no value.
    empty: u64,
    /// The value is longer than what is read of it.
    cut: u64,
    invalid: Vec<Invalid>,
}

/// A rule that is broken.
#[derive(Debug, Serialize)]
struct Invalid {
    kind: &'static str,
    part: &'static str,
    #[serde(flatten)]
    rule: Rule,
    count: u64,
    examples: Vec<Example>,
}

#[derive(Debug, Serialize)]
struct Example {
    file: String,
    line: u64,
    offset: u64,
}

impl Report {
    pub(super) fn new(tally: &Tally, source: &Source) -> Self {
        let mut headers: Vec<Header> = Vec::new();
        for ((name, verdict), count) in &tally.counts {
            if headers.last().is_none_or(|header| header.name != *name) {
                headers.push(Header { name, valid: 0, empty: 0, cut: 0, invalid: Vec::new() });
            }
            let Some(header) = headers.last_mut() else { continue };
            match verdict {
                Verdict::Valid => header.valid = count.number,
                Verdict::Empty => header.empty = count.number,
                Verdict::Cut => header.cut = count.number,
                Verdict::Invalid(broken) => header.invalid.push(Invalid {
                    kind: broken.kind,
                    part: broken.part,
                    rule: broken.rule,
                    count: count.number,
                    examples: count.examples.iter().map(|place| Example::new(source, *place)).collect(),
                }),
            }
        }
        headers.sort_by_key(|header| !header.name.starts_with("trace"));
        for header in &mut headers {
            header.invalid.sort_by_key(|invalid| std::cmp::Reverse(invalid.count));
        }
        Self { inputs: source.inputs.len(), lines: source.lines, bytes: source.length, headers }
    }

    pub(super) fn has_invalid(&self) -> bool {
        self.headers.iter().any(|header| !header.invalid.is_empty())
    }

    /// Returns the report as text. It has no byte of the inputs, whose headers are of others.
    pub(super) fn render(&self, style: Style) -> String {
        let number = |count: u64, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        let (inputs, lines) = (number(self.inputs as u64, "input"), number(self.lines, "line"));
        let mut text = format!("{inputs}, {lines}, {}\n", number(self.bytes, "byte"));
        if self.headers.is_empty() {
            text.push_str("no trace header found\n");
        }
        for header in &self.headers {
            text.push('\n');
            // Writing to a String does not fail.
            let _ = writeln!(text, "{}  {}", style.bold(header.name), header.counts(style));
            for invalid in &header.invalid {
                invalid.render(&mut text, style);
            }
        }
        text
    }
}

impl Header {
    fn counts(&self, style: Style) -> String {
        let invalid = self.invalid.iter().map(|invalid| invalid.count).sum::<u64>();
        let counts = [
            (self.valid, style.green(&format!("{} valid", self.valid))),
            (invalid, style.red(&format!("{invalid} invalid"))),
            (self.empty, format!("{} empty", self.empty)),
            (self.cut, format!("{} too long to be read", self.cut)),
        ];
        let counts: Vec<_> = counts.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
        counts.join(", ")
    }
}

impl Invalid {
    fn render(&self, text: &mut String, style: Style) {
        let Rule { requirement, text: rule, .. } = self.rule;
        let places: Vec<_> = self.examples.iter().map(|place| format!("{}:{}", place.file, place.line)).collect();
        let _ = writeln!(text, "  {} {} in {}: {rule} ({requirement})", self.count, style.red(self.kind), self.part);
        if !places.is_empty() {
            let _ = writeln!(text, "    {}", style.dim(&places.join(" ")));
        }
    }
}

impl Example {
    fn new(source: &Source, place: super::tally::Place) -> Self {
        let file = source.inputs.get(place.input).map(super::source::Input::name).unwrap_or_default();
        Self { file, line: place.line, offset: place.offset }
    }
}
