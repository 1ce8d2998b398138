//! Datadog's format, read by Datadog's own tracer and by `traceparent-formats`: they differ as the list of known differences says.

use std::sync::OnceLock;

use datadog_opentelemetry::{configuration::Config, log::LevelFilter, propagation::datadog};
use traceparent::SpanId;
use traceparent_formats::Format;

#[path = "../src/verdict.rs"]
mod verdict;

pub use self::verdict::{Answer, Fields, Verdict};

/// A difference that is known, with the requirement that decides for our answer.
pub struct Difference {
    /// What is special about the fields.
    pub what: &'static str,
    /// The requirement, by the numbers of the formats' `CONFORMANCE.md`.
    pub requirement: &'static str,
    /// Where it can be seen.
    pub seen: Verdict,
    /// Whether these fields are of that kind.
    pub applies: fn(&Fields) -> bool,
    /// Fields of that kind, a line each. Datadog answers otherwise.
    pub example: &'static str,
}

/// Returns our answer.
pub fn ours(fields: &Fields) -> Option<Answer> {
    let context = Format::Datadog.read(|name| fields.get(name).map(String::as_bytes)).ok().flatten()?;
    let ids = (context.trace_id()?.to_u128(), context.span_id().map_or(0, SpanId::to_u64));
    Some(Answer { ids: Some(ids), state: context.state().as_str() })
}

/// Returns the answer of Datadog's tracer.
pub fn theirs(fields: &Fields) -> Option<Answer> {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    // Errors would go to standard error.
    let config = CONFIG.get_or_init(|| Config::builder().set_log_level_filter(LevelFilter::Off).build());
    let context = datadog::extract(fields, config)?;
    let state = match context.sampling.priority {
        Some(priority) if priority.is_keep() => "accept",
        Some(_) => "deny",
        None => "defer",
    };
    Some(Answer { ids: Some((context.trace_id, context.span_id)), state })
}

/// Checks that the answers are equal, but for what is on the list.
pub fn check(fields: &Fields) {
    let (ours, theirs) = (ours(fields), theirs(fields));
    if let Some(seen) = Verdict::between(&ours, &theirs) {
        let known = |row: &Difference| row.seen == seen && (row.applies)(fields);
        assert!(DIFFERENCES.iter().any(known), "{seen:?}: {fields:?}: {ours:?}, {theirs:?}");
    }
}

fn get<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", String::as_str)
}

fn priority(fields: &Fields) -> &str {
    get(fields, "x-datadog-sampling-priority")
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The values of the tag that holds the upper half of the trace-id.
fn upper_halves(fields: &Fields) -> impl Iterator<Item = &str> {
    get(fields, "x-datadog-tags").split(',').filter_map(|tag| tag.strip_prefix("_dd.p.tid="))
}

/// Every known difference.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        what: "an ID with a plus sign, or with zeroes in front to more than 20 digits",
        requirement: "F 29, 31",
        seen: Verdict::Taken,
        applies: |fields| {
            ["x-datadog-trace-id", "x-datadog-parent-id"].iter().any(|name| {
                let id = get(fields, name);
                id.starts_with('+') || id.len() > 20
            })
        },
        example: "x-datadog-trace-id: +5\nx-datadog-parent-id: 67667974448284343",
    },
    Difference {
        what: "a malformed parent-id, without which it goes on",
        requirement: "F 31",
        seen: Verdict::Taken,
        applies: |fields| {
            let id = get(fields, "x-datadog-parent-id");
            fields.contains_key("x-datadog-parent-id") && (!is_decimal(id) || id.parse::<u64>().is_err())
        },
        example: "x-datadog-trace-id: 11803532876627986230\nx-datadog-parent-id: x",
    },
    Difference {
        what: "a malformed priority, which defers there",
        requirement: "F 32",
        seen: Verdict::Taken,
        applies: |fields| {
            let digits = priority(fields).strip_prefix('-').unwrap_or(priority(fields));
            fields.contains_key("x-datadog-sampling-priority")
                && (!is_decimal(digits) || digits.len() > 20 || priority(fields).parse::<i64>().is_err())
        },
        example: "x-datadog-trace-id: 11803532876627986230\nx-datadog-parent-id: 67667974448284343\nx-datadog-sampling-priority: x",
    },
    Difference {
        what: "a priority of more than eight bits, which defers there",
        requirement: "F 32",
        seen: Verdict::State,
        applies: |fields| priority(fields).parse::<i8>().is_err(),
        example: "x-datadog-trace-id: 11803532876627986230\nx-datadog-parent-id: 67667974448284343\nx-datadog-sampling-priority: 128",
    },
    Difference {
        what: "the upper half of the trace-id in upper case, with a plus sign, or twice",
        requirement: "F 30",
        seen: Verdict::Ids,
        applies: |fields| {
            upper_halves(fields).count() > 1
                || upper_halves(fields).any(|half| half.bytes().any(|byte| byte == b'+' || byte.is_ascii_uppercase()))
        },
        example: "x-datadog-trace-id: 11803532876627986230\nx-datadog-parent-id: 67667974448284343\nx-datadog-tags: _dd.p.tid=4BF92F3577B34DA6",
    },
];
