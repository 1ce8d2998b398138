//! The parsers against naive ones written from the ABNF: same acceptance, same values, for any input.

use std::collections::HashSet;

use proptest::{collection::vec, prelude::*, sample::select};
use traceparent::{Member, TraceFlags, TraceParent, TraceState};

use crate::common::{CASES, naive, strategies};

fn compare_traceparent(input: &[u8]) -> Result<(), TestCaseError> {
    match (TraceParent::parse(input), naive::traceparent(input)) {
        (Ok(parsed), Some((version, trace_id, parent_id, flags))) => {
            prop_assert_eq!(parsed.version().to_u8(), version);
            prop_assert_eq!(parsed.trace_id().to_u128(), trace_id);
            prop_assert_eq!(parsed.parent_id().to_u64(), parent_id);
            prop_assert_eq!(parsed.flags(), TraceFlags::from_bits(flags));
        }
        (Err(error), None) => prop_assert!(error.offset() <= input.len(), "{error}"),
        (fast, naive) => prop_assert!(false, "{:?} or {:?}", fast, naive),
    }
    Ok(())
}

fn compare_tracestate(input: &[u8]) -> Result<(), TestCaseError> {
    match (TraceState::parse(input), naive::tracestate(input)) {
        (Ok(parsed), Some(members)) => {
            let pairs: Vec<_> = parsed.iter().map(|m| (m.key().to_owned(), m.value().to_owned())).collect();
            prop_assert_eq!(parsed.len(), members.len());
            prop_assert_eq!(parsed.is_empty(), members.is_empty());
            for (key, _) in &members {
                let left_most = members.iter().find(|(other, _)| other == key).map(|(_, value)| value.as_str());
                prop_assert_eq!(parsed.get(key), left_most);
            }
            let mut keys = HashSet::new();
            let is_plain = |(key, value): &(String, String)| !value.starts_with(' ') && keys.insert(key.clone());
            let joined: Vec<_> = members.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let is_canonical = members.iter().all(is_plain) && joined.join(",").as_bytes() == input;
            prop_assert_eq!(parsed.is_canonical(), is_canonical);
            prop_assert_eq!(pairs, members);
        }
        (Err(error), None) => prop_assert!(error.offset() <= input.len(), "{error}"),
        (fast, naive) => prop_assert!(false, "{:?} or {:?}", fast, naive),
    }
    Ok(())
}

/// Bytes of the alphabet and some that are not in it: deeper into the grammar than any bytes would get.
fn soup(alphabet: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![40 => select(alphabet), 1 => any::<u8>()], 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    // W3C 84
    #[test]
    fn traceparent_of_arbitrary_bytes(input in vec(any::<u8>(), 0..200)) {
        compare_traceparent(&input)?;
    }

    #[test]
    fn traceparent_of_fitting_bytes(input in soup(b"0123456789abcdefF-")) {
        compare_traceparent(&input)?;
    }

    #[test]
    fn traceparent_of_mutated_headers(input in strategies::mutated(strategies::traceparent())) {
        compare_traceparent(&input)?;
    }

    #[test]
    fn traceparent_of_valid_headers(input in strategies::traceparent()) {
        prop_assert!(TraceParent::parse(&input).is_ok());
        compare_traceparent(&input)?;
    }

    // W3C 7-10
    #[test]
    fn traceparent_of_extreme_fields(
        version in "0[01F]|f[ef]|F0|0{1,3}",
        trace_id in "0{31,33}|0{31}1|f{32}|[0-9a-f]{32}|[0-9a-fA-F]{32}",
        parent_id in "0{15,17}|0{15}1|f{16}|[0-9a-f]{16}|[0-9a-fA-F]{16}",
        flags in "0[0-9]|f{1,3}|[0-9a-fA-F]{2}",
        tail in "|-|[.0 ]|-.{0,9}",
    ) {
        compare_traceparent(format!("{version}-{trace_id}-{parent_id}-{flags}{tail}").as_bytes())?;
    }

    // W3C 84
    #[test]
    fn tracestate_of_arbitrary_bytes(input in vec(any::<u8>(), 0..200)) {
        compare_tracestate(&input)?;
    }

    #[test]
    fn tracestate_of_fitting_bytes(input in soup(b"ab0==,,, \t@-")) {
        compare_tracestate(&input)?;
    }

    #[test]
    fn tracestate_of_mutated_lists(input in strategies::mutated(strategies::tracestate().prop_map(String::into_bytes))) {
        compare_tracestate(&input)?;
    }

    #[test]
    fn tracestate_of_valid_lists(input in strategies::tracestate()) {
        prop_assert!(TraceState::parse(input.as_bytes()).is_ok());
        compare_tracestate(input.as_bytes())?;
    }

    #[test]
    fn tracestate_of_two_lists(left in strategies::tracestate(), right in strategies::tracestate()) {
        compare_tracestate(format!("{left},{right}").as_bytes())?;
    }

    // W3C 50, 51
    #[test]
    fn members_of_any_text(key in "[a-z0-9@_ A=,]{0,4}|[a-z]{254,258}", value in "[ -~\t]{0,4}|[ -~]{254,258}") {
        let valid = naive::is_key(&key) && naive::is_value(&value);
        prop_assert_eq!(Member::new(&key, &value).is_ok(), valid);
    }

    #[test]
    fn members_of_valid_text(key in strategies::key(), value in strategies::value()) {
        let member = Member::new(&key, &value).unwrap();
        prop_assert_eq!(member.to_string(), format!("{}={}", key, value));
    }
}

// W3C 6, 30
#[test]
fn every_byte_at_every_offset_of_a_header() {
    for at in 0..TraceParent::LENGTH {
        for byte in 0..=u8::MAX {
            let mut input = *b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
            input[at] = byte;
            compare_traceparent(&input).unwrap();
            input[1] = b'1';
            compare_traceparent(&input).unwrap();
        }
    }
}

// W3C 8, 30, 33
#[test]
fn every_length_of_a_header() {
    for version in ["00", "01", "ff"] {
        let input = format!("{version}-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-00-future");
        for length in 0..=input.len() {
            compare_traceparent(&input.as_bytes()[..length]).unwrap();
        }
    }
}

// W3C 28, 31
#[test]
fn a_megabyte_behind_the_first_56_bytes_changes_nothing() {
    let mut accepted = 0;
    for version in ["00", "01", "fe", "ff", "0A"] {
        for flags in ["01", "0g"] {
            for separator in ["-", ".", "0"] {
                let head = format!("{version}-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}{separator}");
                let parsed = TraceParent::parse(head.as_bytes());
                accepted += u32::from(parsed.is_ok());
                for filler in [b'-', b'1', 0xff] {
                    let long = [head.as_bytes(), &vec![filler; 1 << 20]].concat();
                    assert_eq!(TraceParent::parse(&long), parsed, "{head} {filler}");
                }
            }
        }
    }
    assert_eq!(accepted, 2);
}

// W3C 45, 46, 51
#[test]
fn every_byte_in_every_place_of_a_list() {
    let long = format!("key={},k=1", "v".repeat(60));
    for list in ["ab=cd , ef= gh", &long] {
        // Alone, and next to another one of its kind.
        for (at, width) in (0..list.len()).flat_map(|at| [(at, 1), (at, 2)]) {
            for byte in 0..=u8::MAX {
                let mut input = list.as_bytes().to_vec();
                input[at..].iter_mut().take(width).for_each(|place| *place = byte);
                compare_tracestate(&input).unwrap();
            }
        }
    }
}

// W3C 51
#[test]
fn values_of_one_byte_in_every_length() {
    for (byte, length) in (0..=u8::MAX).flat_map(|byte| (0..50).map(move |length| (byte, length))) {
        for tail in ["", "v", ",k=1"] {
            let value = vec![byte; length];
            compare_tracestate(&[b"key=", &value[..], tail.as_bytes()].concat()).unwrap();
        }
    }
}
