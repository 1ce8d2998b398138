//! The list of known differences of the formats.

use super::{
    Fields,
    Library::{self, B3, B3Multi, Datadog, Jaeger, XRay},
    Verdict::{self, Ids, Refused, State, Taken},
};

/// A difference that is known, with the requirement that decides for our answer.
pub struct FormatsDifference {
    /// What is special about the fields.
    pub what: &'static str,
    /// The requirement, by the numbers of the formats' `CONFORMANCE.md`.
    pub requirement: &'static str,
    /// The library that answers otherwise.
    pub library: Library,
    /// Where it can be seen.
    pub seen: Verdict,
    /// Whether these fields are of that kind.
    pub applies: fn(&Fields) -> bool,
    /// Fields of that kind, a line each. The library answers otherwise.
    pub example: &'static str,
}

fn get<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", String::as_str)
}

/// A part of `b3`.
fn b3(fields: &Fields, i: usize) -> &str {
    get(fields, "b3").split('-').nth(i).unwrap_or_default()
}

/// A part of `uber-trace-id`.
fn jaeger(fields: &Fields, i: usize) -> String {
    let value = get(fields, "uber-trace-id");
    let value = if value.contains(':') { value.to_owned() } else { value.replace("%3A", ":").replace("%3a", ":") };
    value.split(':').nth(i).unwrap_or_default().to_owned()
}

/// The pairs of `x-amzn-trace-id`, spaces and all.
fn pairs(fields: &Fields) -> impl Iterator<Item = &str> {
    get(fields, "x-amzn-trace-id").split(';')
}

/// The last value of a key of `x-amzn-trace-id`, as it stands behind the first `=`.
fn pair<'a>(fields: &'a Fields, key: &str) -> &'a str {
    let named = pairs(fields).filter_map(|pair| pair.trim().split_once('='));
    named.filter(|(other, _)| *other == key).last().map_or("", |(_, value)| value)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a pair is clearly a member of `tracestate`, in lower case.
fn is_member((key, value): (&str, &str)) -> bool {
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-*/".contains(&byte));
    key.starts_with(|first: char| first.is_ascii_alphanumeric())
        && is_plain(key)
        && (1..=256).contains(&value.len())
        && !value.contains([',', '='])
        && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// The upper half of the trace-id in Datadog's tags.
fn has_upper_half(fields: &Fields) -> bool {
    get(fields, "x-datadog-tags").contains("_dd.p.tid=")
}

fn priority(fields: &Fields) -> &str {
    get(fields, "x-datadog-sampling-priority")
}

/// Every known difference.
pub const FORMATS_DIFFERENCES: &[FormatsDifference] = &[
    FormatsDifference {
        what: "a dash at the end",
        requirement: "F 16",
        library: B3,
        seen: Taken,
        applies: |fields| get(fields, "b3").ends_with('-'),
        example: "b3: 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1-",
    },
    FormatsDifference {
        what: "the word `false` as state",
        requirement: "F 14",
        library: B3,
        seen: Taken,
        applies: |fields| b3(fields, 2) == "false",
        example: "b3: 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-false",
    },
    FormatsDifference {
        what: "an ID with a sign",
        requirement: "F 7",
        library: B3,
        seen: Taken,
        applies: |fields| [0, 1, 3].iter().any(|i| b3(fields, *i).starts_with('+')),
        example: "b3: +bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
    },
    FormatsDifference {
        what: "a state without IDs",
        requirement: "F 5",
        library: B3,
        seen: Refused,
        applies: |fields| matches!(get(fields, "b3"), "0" | "1" | "d"),
        example: "b3: 1",
    },
    FormatsDifference {
        what: "the caller's parent without a state",
        requirement: "F 14",
        library: B3,
        seen: Refused,
        applies: |fields| is_hex(b3(fields, 2), 16),
        example: "b3: 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-05e3ac9a4f6e3b90",
    },
    FormatsDifference {
        what: "debug, which is not sampled there",
        requirement: "F 2, 3",
        library: B3,
        seen: State,
        applies: |fields| b3(fields, 2) == "d",
        example: "b3: 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-d",
    },
    FormatsDifference {
        what: "a state without IDs",
        requirement: "F 5",
        library: B3Multi,
        seen: Refused,
        applies: |fields| !fields.contains_key("x-b3-traceid") && !fields.contains_key("x-b3-spanid"),
        example: "x-b3-sampled: 0",
    },
    FormatsDifference {
        what: "a word as state in upper case",
        requirement: "F 18",
        library: B3Multi,
        seen: Refused,
        applies: |fields| get(fields, "x-b3-sampled").bytes().any(|byte| byte.is_ascii_uppercase()),
        example: "x-b3-traceid: 4bf92f3577b34da6a3ce929d0e0e4736\nx-b3-spanid: 00f067aa0ba902b7\nx-b3-sampled: True",
    },
    FormatsDifference {
        what: "an ID with a sign",
        requirement: "F 7",
        library: B3Multi,
        seen: Taken,
        applies: |fields| ["x-b3-traceid", "x-b3-spanid"].iter().any(|name| get(fields, name).starts_with('+')),
        example: "x-b3-traceid: +bf92f3577b34da6a3ce929d0e0e4736\nx-b3-spanid: 00f067aa0ba902b7",
    },
    FormatsDifference {
        what: "flags of zero, which deny there",
        requirement: "F 19",
        library: B3Multi,
        seen: State,
        applies: |fields| get(fields, "x-b3-flags") == "0",
        example: "x-b3-traceid: 4bf92f3577b34da6a3ce929d0e0e4736\nx-b3-spanid: 00f067aa0ba902b7\nx-b3-flags: 0",
    },
    FormatsDifference {
        what: "flags of zero, which hide a malformed state there",
        requirement: "F 18, 19",
        library: B3Multi,
        seen: Taken,
        applies: |fields| get(fields, "x-b3-flags") == "0",
        example: "x-b3-traceid: 4bf92f3577b34da6a3ce929d0e0e4736\nx-b3-spanid: 00f067aa0ba902b7\nx-b3-flags: 0\nx-b3-sampled: 2",
    },
    FormatsDifference {
        what: "a trace-id without a parent, as from a load balancer",
        requirement: "F 4, 26",
        library: XRay,
        seen: Refused,
        applies: |fields| pair(fields, "Parent").is_empty(),
        example: "x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793",
    },
    FormatsDifference {
        what: "spaces around a pair",
        requirement: "F 23",
        library: XRay,
        seen: Refused,
        applies: |fields| pairs(fields).any(|pair| pair.trim() != pair),
        example: "x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793; Parent=53995c3f42cd8ad8; Sampled=1",
    },
    FormatsDifference {
        what: "a space behind a state, which defers there",
        requirement: "F 23",
        library: XRay,
        seen: State,
        applies: |fields| pairs(fields).any(|pair| pair.starts_with("Sampled=") && pair.ends_with(' ')),
        example: "x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1 ;Own=1",
    },
    FormatsDifference {
        what: "a pair that `tracestate` cannot hold",
        requirement: "F 27",
        library: XRay,
        seen: Refused,
        applies: |fields| pairs(fields).filter_map(|pair| pair.split_once('=')).any(|pair| !is_member(pair)),
        example: "x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Query=a,b",
    },
    FormatsDifference {
        what: "another state",
        requirement: "F 25",
        library: XRay,
        seen: Taken,
        applies: |fields| !matches!(pair(fields, "Sampled"), "0" | "1" | "?"),
        example: "x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=2",
    },
    FormatsDifference {
        what: "another version, or parts of other lengths",
        requirement: "F 24",
        library: XRay,
        seen: Taken,
        applies: |fields| {
            let root: Vec<_> = pair(fields, "Root").split('-').collect();
            !matches!(root[..], ["1", time, random] if is_hex(time, 8) && is_hex(random, 24))
        },
        example: "x-amzn-trace-id: Root=2-5759e98-8bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
    },
    FormatsDifference {
        what: "a parent of another length, in upper case or with a sign",
        requirement: "F 7, 25",
        library: XRay,
        seen: Taken,
        applies: |fields| !is_hex(pair(fields, "Parent"), 16),
        example: "x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad;Sampled=1",
    },
    FormatsDifference {
        what: "a key twice",
        requirement: "F 26",
        library: XRay,
        seen: Taken,
        applies: |fields| {
            let keys: Vec<_> =
                pairs(fields).filter_map(|pair| pair.trim().split_once('=')).map(|(key, _)| key).collect();
            ["Root", "Parent", "Sampled", "Self"]
                .iter()
                .any(|key| keys.iter().filter(|other| *other == key).count() > 1)
        },
        example: "x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Sampled=0",
    },
    FormatsDifference {
        what: "something that is not a pair",
        requirement: "F 23",
        library: XRay,
        seen: Taken,
        applies: |fields| pairs(fields).any(|pair| !pair.contains('=')),
        example: "x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;junk;Parent=53995c3f42cd8ad8;Sampled=1",
    },
    FormatsDifference {
        what: "a control in a pair",
        requirement: "F 7",
        library: XRay,
        seen: Taken,
        applies: |fields| get(fields, "x-amzn-trace-id").bytes().any(|byte| !(b' '..=b'~').contains(&byte)),
        example: "x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Own=\x01",
    },
    FormatsDifference {
        what: "a parent that is absent or zero",
        requirement: "F 4, 31",
        library: Datadog,
        seen: Refused,
        applies: |fields| get(fields, "x-datadog-parent-id").bytes().all(|byte| byte == b'0'),
        example: "x-datadog-trace-id: 11803532876627986230\nx-datadog-sampling-priority: 1",
    },
    FormatsDifference {
        what: "the upper half of the trace-id",
        requirement: "F 30",
        library: Datadog,
        seen: Ids,
        applies: has_upper_half,
        example: "x-datadog-trace-id: 11803532876627986230\nx-datadog-parent-id: 67667974448284343\nx-datadog-tags: _dd.p.tid=4bf92f3577b34da6",
    },
    FormatsDifference {
        what: "an ID with a sign, or of more than 20 digits",
        requirement: "F 29, 31",
        library: Datadog,
        seen: Taken,
        applies: |fields| {
            ["x-datadog-trace-id", "x-datadog-parent-id"].iter().any(|name| {
                let id = get(fields, name);
                id.starts_with('+') || id.len() > 20
            })
        },
        example: "x-datadog-trace-id: +5\nx-datadog-parent-id: 67667974448284343",
    },
    FormatsDifference {
        what: "a priority that is no integer, or none of ours",
        requirement: "F 32",
        library: Datadog,
        seen: Taken,
        applies: |fields| {
            priority(fields).strip_prefix('-').unwrap_or(priority(fields)).parse::<i64>().is_err()
                || !is_decimal(priority(fields).strip_prefix('-').unwrap_or(priority(fields)))
                || priority(fields).len() > 20
        },
        example: "x-datadog-trace-id: 11803532876627986230\nx-datadog-parent-id: 67667974448284343\nx-datadog-sampling-priority: x",
    },
    FormatsDifference {
        what: "another priority, which has a sign",
        requirement: "F 32",
        library: Datadog,
        seen: State,
        applies: |fields| priority(fields).parse::<i64>().is_ok_and(|priority| !(-1..=2).contains(&priority)),
        example: "x-datadog-trace-id: 11803532876627986230\nx-datadog-parent-id: 67667974448284343\nx-datadog-sampling-priority: 3",
    },
    FormatsDifference {
        what: "separators as `%3a`",
        requirement: "F 37",
        library: Jaeger,
        seen: Refused,
        applies: |fields| get(fields, "uber-trace-id").contains("%3a"),
        example: "uber-trace-id: 4bf92f3577b34da6a3ce929d0e0e4736%3a00f067aa0ba902b7%3a0%3a1",
    },
    FormatsDifference {
        what: "`%3a` beside `%3A`, which alone is a separator there",
        requirement: "F 37",
        library: Jaeger,
        seen: Taken,
        applies: |fields| ["%3a", "%3A"].iter().all(|separator| get(fields, "uber-trace-id").contains(separator)),
        example: "uber-trace-id: 4bf92f3577b34da6a3ce929d0e0e4736%3A00f067aa0ba902b7%3A0%3a1%3A1",
    },
    FormatsDifference {
        what: "flags with a letter, which are hex",
        requirement: "F 36",
        library: Jaeger,
        seen: Refused,
        applies: |fields| jaeger(fields, 3).bytes().any(|byte| byte.is_ascii_alphabetic()),
        example: "uber-trace-id: 4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:0b",
    },
    FormatsDifference {
        what: "flags of two digits, which are hex",
        requirement: "F 36",
        library: Jaeger,
        seen: State,
        applies: |fields| jaeger(fields, 3).len() == 2,
        example: "uber-trace-id: 4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:11",
    },
    FormatsDifference {
        what: "flags with a sign",
        requirement: "F 36",
        library: Jaeger,
        seen: Taken,
        applies: |fields| jaeger(fields, 3).starts_with('+'),
        example: "uber-trace-id: 4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:+1",
    },
    FormatsDifference {
        what: "a separator at the end",
        requirement: "F 35",
        library: Jaeger,
        seen: Taken,
        applies: |fields| {
            let value = get(fields, "uber-trace-id");
            value.ends_with(':') || value.ends_with("%3A")
        },
        example: "uber-trace-id: 4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:1:",
    },
    FormatsDifference {
        what: "an ID with a sign",
        requirement: "F 7",
        library: Jaeger,
        seen: Taken,
        applies: |fields| [0, 1].iter().any(|i| jaeger(fields, *i).starts_with('+')),
        example: "uber-trace-id: +bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:1",
    },
    FormatsDifference {
        what: "a parent that is longer than an ID, or no text",
        requirement: "F 7, 35",
        library: Jaeger,
        seen: Taken,
        applies: |fields| {
            jaeger(fields, 2).len() > 16 || jaeger(fields, 2).bytes().any(|byte| !(b' '..=b'~').contains(&byte))
        },
        example: "uber-trace-id: 4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:05e3ac9a4f6e3b900:1",
    },
];
