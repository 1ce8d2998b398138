//! The list of known differences.

use super::{EMIT, FASTRACE, LEVEL3, OTEL, PUBLISHED, Seen};

/// A difference that is known, with the requirement that decides for our answer.
pub struct Difference {
    /// What is special about the headers.
    pub what: &'static str,
    /// The requirement, by the numbers of `CONFORMANCE.md`.
    pub requirement: &'static str,
    /// Where it can be seen.
    pub seen: Seen,
    /// The libraries that answer otherwise.
    pub libraries: &'static [&'static str],
    /// Whether these headers, `traceparent` and `tracestate`, are of that kind.
    pub applies: fn(&str, &str) -> bool,
    /// Headers of that kind, on two lines. Every one of the libraries answers otherwise.
    pub example: &'static str,
}

/// A part of `traceparent`: version, trace-id, parent-id, flags, and what follows.
fn part(value: &str, i: usize) -> &str {
    value.trim().splitn(5, '-').nth(i).unwrap_or_default()
}

fn upper(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn members(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(|member| member.trim_matches([' ', '\t']))
}

fn any_member(list: &str, test: impl Fn(&str, &str) -> bool) -> bool {
    members(list).filter_map(|member| member.split_once('=')).any(|(key, value)| test(key, value))
}

/// Every known difference.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        what: "an upper-case digit in an id or in the flags",
        requirement: "W3C 6, 9, 10",
        seen: Seen::Taken,
        libraries: &[FASTRACE, EMIT, PUBLISHED],
        applies: |value, _| (1..4).any(|i| upper(part(value, i))),
        example: "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
    },
    Difference {
        what: "an upper-case digit in the version",
        requirement: "W3C 7, 29",
        seen: Seen::Taken,
        libraries: &[OTEL, PUBLISHED],
        applies: |value, _| upper(part(value, 0)),
        example: "CC-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    },
    Difference {
        what: "a version of another width, or with a sign",
        requirement: "W3C 7, 29",
        seen: Seen::Taken,
        libraries: &[OTEL],
        applies: |value, _| part(value, 0).len() != 2 || part(value, 0).starts_with('+'),
        example: "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    },
    Difference {
        what: "a version with a sign",
        requirement: "W3C 7, 29",
        seen: Seen::Taken,
        libraries: &[PUBLISHED],
        applies: |value, _| part(value, 0).starts_with('+'),
        example: "+0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    },
    Difference {
        what: "version `ff`",
        requirement: "W3C 7",
        seen: Seen::Taken,
        libraries: &[PUBLISHED],
        applies: |value, _| part(value, 0).eq_ignore_ascii_case("ff"),
        example: "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    },
    Difference {
        what: "an id of another width, or with a sign",
        requirement: "W3C 9, 10",
        seen: Seen::Taken,
        libraries: &[OTEL, FASTRACE],
        applies: |value, _| {
            let sign = |i| part(value, i).starts_with('+');
            part(value, 1).len() != 32 || part(value, 2).len() != 16 || sign(1) || sign(2)
        },
        example: "00-4bf92f3577b34da6a3ce929d0e0e4736-f067aa0ba902b7-01",
    },
    Difference {
        what: "parts of other widths or with a sign, 55 characters in all",
        requirement: "W3C 7-10",
        seen: Seen::Taken,
        libraries: &[PUBLISHED],
        applies: |value, _| {
            let widths = [2, 32, 16, 2];
            (0..4).any(|i| part(value, i).len() != widths[i] || part(value, i).starts_with('+'))
        },
        example: "000-4bf92f3577b34da6a3ce929d0e0e4736-0f067aa0ba902b7-01",
    },
    Difference {
        what: "flags that are not two hex digits",
        requirement: "W3C 8, 30",
        seen: Seen::Taken,
        libraries: &[OTEL, FASTRACE],
        applies: |value, _| part(value, 3).len() != 2 || part(value, 3).starts_with('+'),
        example: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-001",
    },
    Difference {
        what: "an id of zeroes",
        requirement: "W3C 9, 10",
        seen: Seen::Taken,
        libraries: &[PUBLISHED],
        applies: |value, _| (1..3).any(|i| part(value, i).bytes().all(|byte| byte == b'0')),
        example: "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    },
    Difference {
        what: "white space around the value",
        requirement: "a choice: the carrier's business",
        seen: Seen::Taken,
        libraries: &[OTEL],
        applies: |value, _| value.trim() != value,
        example: " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    },
    Difference {
        what: "a dash at the end of version `00`",
        requirement: "W3C 33",
        seen: Seen::Taken,
        libraries: &[OTEL],
        applies: |value, _| value.trim().ends_with('-'),
        example: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
    },
    Difference {
        what: "a higher version with something other than a dash behind the flags",
        requirement: "W3C 30",
        seen: Seen::Taken,
        libraries: &[LEVEL3],
        applies: |value, _| value.len() > 55 && !value.starts_with("00") && value.as_bytes()[55] != b'-',
        example: "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what",
    },
    Difference {
        what: "a higher version",
        requirement: "W3C 30",
        seen: Seen::Refused,
        libraries: &[FASTRACE, EMIT],
        applies: |value, _| !value.starts_with("00"),
        example: "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    },
    Difference {
        what: "a higher version with more fields",
        requirement: "W3C 30",
        seen: Seen::Refused,
        libraries: &[PUBLISHED],
        applies: |value, _| !value.starts_with("00") && value.len() > 55,
        example: "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what",
    },
    Difference {
        what: "the random flag",
        requirement: "W3C 26",
        seen: Seen::Random,
        libraries: &[OTEL, FASTRACE],
        applies: |value, _| u8::from_str_radix(part(value, 3), 16).is_ok_and(|flags| flags & 2 == 2),
        example: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03",
    },
    Difference {
        what: "a key with an `@`, such as `foo@@bar`",
        requirement: "W3C 50",
        seen: Seen::List,
        libraries: &[OTEL, LEVEL3],
        applies: |_, list| any_member(list, |key, _| key.contains('@')),
        example: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\nfoo@@bar=1,rojo=1",
    },
    Difference {
        what: "a key twice",
        requirement: "W3C 53, 71",
        seen: Seen::List,
        libraries: &[LEVEL3],
        applies: |_, list| {
            let keys: Vec<_> = members(list).filter_map(|member| member.split_once('=')).map(|(key, _)| key).collect();
            keys.iter().collect::<std::collections::BTreeSet<_>>().len() < keys.len()
        },
        example: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\nrojo=1,rojo=2",
    },
    Difference {
        what: "a member without a key",
        requirement: "W3C 50",
        seen: Seen::List,
        libraries: &[OTEL],
        applies: |_, list| any_member(list, |key, _| key.is_empty()),
        example: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\nrojo=1,=2",
    },
    Difference {
        what: "a value that is empty, starts with `=`, or holds a byte that is not printable ASCII",
        requirement: "W3C 51",
        seen: Seen::List,
        libraries: &[OTEL],
        applies: |_, list| {
            let printable = |value: &str| value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            any_member(list, |_, value| value.is_empty() || value.starts_with('=') || !printable(value))
        },
        example: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\nrojo=1,congo=",
    },
    Difference {
        what: "more than 32 members, empty ones included",
        requirement: "W3C 48, 49, 71",
        seen: Seen::List,
        libraries: &[OTEL],
        applies: |_, list| members(list).count() > 32,
        example: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,rojo=1",
    },
];
