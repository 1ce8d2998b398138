//! Strategies for valid headers and for mutations of them.

use std::{collections::HashSet, ops::RangeInclusive};

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    string::{RegexGeneratorStrategy, string_regex},
};

/// Texts that match a pattern, which is parsed once: as a strategy by itself, a pattern is parsed for each value.
fn text(pattern: &str) -> RegexGeneratorStrategy<String> {
    string_regex(pattern).unwrap()
}

/// A header that the grammar of some version produces.
pub(crate) fn traceparent() -> impl Strategy<Value = Vec<u8>> {
    let version = prop_oneof![3 => Just(0), 2 => 1..0xff_u8];
    let tail = prop_oneof![Just(Vec::new()), vec(any::<u8>(), 0..40).prop_map(|tail| [&b"-"[..], &tail].concat())];
    (version, 1..=u128::MAX, 1..=u64::MAX, any::<u8>(), tail).prop_map(|(version, trace_id, parent_id, flags, tail)| {
        let head = format!("{version:02x}-{trace_id:032x}-{parent_id:016x}-{flags:02x}").into_bytes();
        if version == 0 { head } else { [head, tail].concat() }
    })
}

/// A key that is often one of a few, so that duplicates occur, and keys that end alike.
pub(crate) fn key() -> impl Strategy<Value = String> {
    let few = select(vec!["a", "b", "ot", "foo@bar", "ax", "1", "z/foo@bar", "xz/foo@bar", "yz/foo@bar"])
        .prop_map(str::to_owned);
    let long =
        (text("[a-z0-9]"), text("[a-z0-9_*/@-]"), 200..=255_usize).prop_map(|(first, one, n)| first + &one.repeat(n));
    prop_oneof![8 => few, 8 => text("[a-z0-9][a-z0-9_*/@-]{0,8}"), 1 => long]
}

pub(crate) fn value() -> impl Strategy<Value = String> {
    let last = "[!-+\\--<>-~]";
    let long = move |n: RangeInclusive<usize>| {
        (text("[ -+\\--<>-~]"), n, text(last)).prop_map(|(one, n, last)| one.repeat(n) + &last)
    };
    prop_oneof![12 => text("[ -+\\--<>-~]{0,8}[!-+\\--<>-~]"), 2 => long(100..=140), 1 => long(250..=255)]
}

/// A list of up to 32 members with the white space and the empty members that the grammar allows, or with none of
/// these, nor duplicates.
pub(crate) fn tracestate() -> impl Strategy<Value = String> {
    let separator = prop_oneof![4 => Just(","), 1 => select(vec![", ", " ,", "\t, \t", ",,", ", ,"])];
    let member = (key(), value(), separator).boxed();
    let members = prop_oneof![3 => vec(member.clone(), 0..8), 1 => vec(member.clone(), 28..=32)];
    let end = select(vec!["", "", " ", "\t", ","]);
    let untidy = (members, end).prop_map(|(members, end)| {
        let mut list = end.to_owned();
        for (i, (key, value, separator)) in members.iter().enumerate() {
            list += if i == 0 { "" } else { *separator };
            list.extend([key, "=", value]);
        }
        list + end
    });
    let tidy = prop_oneof![3 => vec(member.clone(), 0..8), 1 => vec(member, 28..100)].prop_map(|members| {
        let mut keys = HashSet::new();
        let distinct = members.iter().filter(|(key, ..)| keys.insert(key)).take(32);
        distinct.map(|(key, value, _)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    });
    prop_oneof![untidy, tidy]
}

#[derive(Clone, Debug)]
enum Edit {
    Replace(u8),
    Insert(u8),
    Delete,
    Truncate,
    Append(Vec<u8>),
    Upper,
}

/// The values of another strategy, with one to three mutations.
pub(crate) fn mutated(valid: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let byte = || prop_oneof![3 => select(b"-,= \t.0afgAFz@~\x00\x7f\xff".to_vec()), 1 => any::<u8>()];
    let edit = prop_oneof![
        4 => byte().prop_map(Edit::Replace),
        2 => byte().prop_map(Edit::Insert),
        1 => Just(Edit::Delete),
        1 => Just(Edit::Truncate),
        1 => vec(byte(), 1..300).prop_map(Edit::Append),
        1 => Just(Edit::Upper),
    ];
    (valid, vec((any::<prop::sample::Index>(), edit), 1..=3)).prop_map(|(mut bytes, edits)| {
        for (index, edit) in edits {
            let at = index.index(bytes.len() + 1);
            match edit {
                Edit::Insert(byte) => bytes.insert(at, byte),
                Edit::Truncate => bytes.truncate(at),
                Edit::Append(tail) => bytes.extend(tail),
                Edit::Replace(byte) if at < bytes.len() => bytes[at] = byte,
                Edit::Delete if at < bytes.len() => drop(bytes.remove(at)),
                Edit::Upper if at < bytes.len() => bytes[at].make_ascii_uppercase(),
                Edit::Replace(_) | Edit::Delete | Edit::Upper => {}
            }
        }
        bytes
    })
}
