//! Finding headers in a block: by name, and `traceparent` values that no name precedes.
//!
//! Almost all bytes are passed by vector instructions that look for a few letters of the names, or by a look at every
//! sixteenth byte, which each run of 32 hex digits has to hit twice.

use std::{cell::Cell, ops::Range};

use memchr::memmem::Finder;

use super::{
    judge::{Verdict, judge},
    source::{BESIDE, Block},
    tally::{Place, Tally},
    value::{self, Value},
};

/// Names, each with the offset in it of letters that occur in all of them, and in few words.
type Names = &'static [(&'static str, usize)];

const RACE: Names = &[
    ("traceparent", 1),
    ("tracestate", 1),
    ("x-amzn-trace-id", 8),
    ("_x_amzn_trace_id", 9),
    ("uber-trace-id", 6),
    ("x-cloud-trace-context", 9),
    ("grpc-trace-bin", 6),
    ("ot-tracer-traceid", 4),
    ("ot-tracer-spanid", 4),
    ("ot-tracer-sampled", 4),
];

const B3: Names = &[("b3", 0), ("x-b3-traceid", 2), ("x-b3-spanid", 2), ("x-b3-sampled", 2), ("x-b3-flags", 2)];

const DATADOG: Names = &[
    ("x-datadog-trace-id", 3),
    ("x-datadog-parent-id", 3),
    ("x-datadog-sampling-priority", 3),
    ("x-datadog-tags", 3),
    ("x-datadog-origin", 3),
];

/// The letters, in the cases that names have, and what may follow them: in a name, or behind it. The first letter of a word
/// may have either case.
const NEEDLES: [(&str, &[u8], Names); 6] = [
    ("race", b"psrPSR-", RACE),
    ("RACE", b"psrPSR-_", RACE),
    ("b3", b"-:=,\"'\\ \t\r\n", B3),
    ("B3", b"-:=,\"'\\ \t\r\n", B3),
    ("atadog", b"-", DATADOG),
    ("ATADOG", b"-", DATADOG),
];

/// A header that was found.
struct Found<'a> {
    name: &'static str,
    at: usize,
    value: Value<'a>,
    /// Where the value is.
    range: Range<usize>,
}

/// What finds headers.
pub(super) struct Scanner {
    finders: [(Finder<'static>, &'static [u8], Names); NEEDLES.len()],
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self { finders: NEEDLES.map(|(needle, next, names)| (Finder::new(needle), next, names)) }
    }

    /// Counts the headers that begin in the block.
    pub(super) fn scan(&self, block: &Block, tally: &mut Tally) {
        let mut found = self.named(block);
        found.sort_unstable_by_key(|found| found.at);
        without_parts(&mut found);
        bare(block, &mut found);
        found.sort_unstable_by_key(|found| found.at);
        let lines = Lines::new(block);
        for Found { name, at, value, .. } in found.iter().filter(|found| block.start <= found.at) {
            let verdict = match value {
                Value::Bytes(bytes) => judge(name, bytes),
                Value::Empty => Verdict::Empty,
                Value::Cut => Verdict::Cut,
            };
            tally.count(name, verdict, || lines.place(*at));
        }
    }

    /// Returns the headers with names, also those that begin before the block, whose values may reach into it.
    fn named<'a>(&self, block: &'a Block) -> Vec<Found<'a>> {
        let mut found = Vec::new();
        // A name that begins in the block may end beyond it.
        let end = block.bytes.len().min(block.end + 32);
        let bytes = block.bytes.get(..end).unwrap_or_default();
        for (finder, next, names) in &self.finders {
            let length = finder.needle().len();
            // This dismisses most words and hex digits.
            let is_followed = |hit: &usize| bytes.get(hit + length).is_some_and(|byte| next.contains(byte));
            found.extend(finder.find_iter(bytes).filter(is_followed).filter_map(|hit| named_at(block, names, hit)));
        }
        found
    }
}

fn named_at(block: &Block, names: Names, hit: usize) -> Option<Found<'_>> {
    let bytes = block.bytes.as_slice();
    let (name, at) = names.iter().find_map(|&(name, offset)| {
        let at = hit.checked_sub(offset)?;
        is_name(bytes, at, name).then_some((name, at))
    })?;
    // As much is seen behind every name, wherever blocks end.
    let seen = at.saturating_add(BESIDE).min(bytes.len());
    let is_last = block.is_last && seen == bytes.len();
    let (value, range) = value::after(bytes.get(..seen)?, at..at + name.len(), is_last)?;
    let name = if name == "_x_amzn_trace_id" { "x-amzn-trace-id" } else { name };
    (at < block.end).then_some(Found { name, at, value, range })
}

/// Whether a name is here, in any case and as a whole word.
fn is_name(bytes: &[u8], at: usize, name: &str) -> bool {
    let end = at + name.len();
    // Most names differ in their first letter.
    bytes.get(at).zip(name.as_bytes().first()).is_some_and(|(byte, first)| byte.eq_ignore_ascii_case(first))
        && bytes.get(at..end).is_some_and(|written| written.eq_ignore_ascii_case(name.as_bytes()))
        && begins_word(bytes, at)
        && !bytes.get(end).copied().is_some_and(is_word)
}

/// Removes what is in the value of another, such as a name that is a key of a list. All is in order.
fn without_parts(found: &mut Vec<Found<'_>>) {
    let mut covered = 0;
    found.retain(|found| {
        let is_part = found.at < covered;
        covered = covered.max(if is_part { 0 } else { found.range.end });
        !is_part
    });
}

/// Whether a name or a value may begin here: behind no letter, unless that is part of an escape such as `\n`.
fn begins_word(bytes: &[u8], at: usize) -> bool {
    match bytes.get(..at) {
        Some([.., b'\\', b'n' | b'r' | b't']) => true,
        Some([.., last]) => !is_word(*last),
        _ => true,
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The distance of two looks: half of a trace-id.
const STRIDE: usize = 16;

/// Whether each byte is a hex digit.
const HEX: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_hexdigit();
        byte += 1;
    }
    table
};

/// Adds values of the form of a `traceparent` that are no part of what was found, which is in order.
fn bare<'a>(block: &'a Block, found: &mut Vec<Found<'a>>) {
    let bytes = block.bytes.as_slice();
    let named = found.len();
    // The trace-id is the first run of a value; it begins three bytes behind the value.
    let end = block.end + 3 + STRIDE;
    let mut at = block.start;
    while at < end {
        let Some(window) = bytes.get(at..=at + STRIDE) else { break };
        // Five looks without a branch in between: letters are hex digits too often to be guessed right.
        if window.iter().step_by(STRIDE / 4).fold(true, |all, &byte| all & HEX[usize::from(byte)]) {
            // Most digits are those of other IDs, which no dash precedes.
            let from = at.saturating_sub(STRIDE);
            let dash = bytes.get(from..at).and_then(|before| memchr::memrchr(b'-', before));
            let start = dash.and_then(|dash| (from + dash).checked_sub(2));
            if let Some(range) = start.and_then(|start| whole(bytes, start)) {
                let is_own = (block.start..block.end).contains(&range.start);
                let known = found.get(..named).unwrap_or_default();
                let i = known.partition_point(|found| found.range.start <= range.start);
                let is_part = known.get(..i).unwrap_or_default().iter().rev().take(4);
                if is_own && !is_part.into_iter().any(|found| range.start < found.range.end) {
                    let value = Value::Bytes(bytes.get(range.clone()).unwrap_or_default().into());
                    found.push(Found { name: "traceparent", at: range.start, value, range });
                }
            }
        }
        at += STRIDE;
    }
}

/// Returns the range of a value that begins here, if it has the form of a `traceparent`: 2, 32, 16 and 2 hex digits, and
/// what follows without a separator.
fn whole(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let value = bytes.get(start..start + 55)?;
    let has_form = value.iter().enumerate().all(|(i, byte)| match i {
        2 | 35 | 52 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    if !has_form || !begins_word(bytes, start) {
        return None;
    }
    // No more of it decides.
    let more = bytes.get(start + 55..)?.iter().take(STRIDE).take_while(|&&byte| is_word(byte)).count();
    Some(start..start + 55 + more)
}

/// The lines of a block, counted up to a place after the other.
struct Lines<'a> {
    block: &'a Block,
    counted: Cell<(usize, u64)>,
}

impl<'a> Lines<'a> {
    const fn new(block: &'a Block) -> Self {
        Self { block, counted: Cell::new((block.start, block.line)) }
    }

    fn place(&self, at: usize) -> Place {
        let (from, line) = self.counted.get();
        let more = self.block.bytes.get(from..at).unwrap_or_default();
        let line = line + memchr::memchr_iter(b'\n', more).count() as u64;
        self.counted.set((at.max(from), line));
        Place { input: self.block.input, offset: self.block.offset + (at - self.block.start) as u64, line }
    }
}
