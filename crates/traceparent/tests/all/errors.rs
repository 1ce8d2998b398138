//! The exact wording of every error, and that none repeats the input.

use std::fmt::{Debug, Display};

use proptest::{collection::vec, prelude::*};
use traceparent::{
    ErrorKind, Field, Incoming, Member, OtValue, ParseError, Percent, Randomness, SpanId, Threshold, TraceFlags,
    TraceId, TraceParent, TraceState, Version,
};

#[track_caller]
fn assert_wording<T: Debug>(result: Result<T, impl Display>, wording: &str) {
    assert_eq!(result.unwrap_err().to_string(), wording);
}

#[test]
fn traceparent() {
    let parse = |text: &'static str| TraceParent::parse(text.as_bytes());
    assert_wording(parse("00"), "traceparent is too short: it ends at offset 2");
    assert_wording(
        parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-"),
        "traceparent is too long: it has to end before offset 55",
    );
    assert_wording(
        parse("0.-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        "invalid byte in version at offset 1",
    );
    assert_wording(
        parse("0A-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        "upper-case letter in version at offset 1",
    );
    assert_wording(parse("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), "version ff is forbidden");
    assert_wording(
        parse("00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        "version is not followed by a dash at offset 2",
    );
    assert_wording(
        parse("00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01"),
        "invalid byte in trace-id at offset 34",
    );
    assert_wording(
        parse("00-4Bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        "upper-case letter in trace-id at offset 4",
    );
    assert_wording(parse("00-00000000000000000000000000000000-00f067aa0ba902b7-01"), "trace-id is all zeroes");
    assert_wording(
        parse("00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01"),
        "trace-id is not followed by a dash at offset 35",
    );
    assert_wording(
        parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b -01"),
        "invalid byte in parent-id at offset 51",
    );
    assert_wording(
        parse("00-4bf92f3577b34da6a3ce929d0e0e4736-F0f067aa0ba902b7-01"),
        "upper-case letter in parent-id at offset 36",
    );
    assert_wording(parse("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"), "parent-id is all zeroes");
    assert_wording(
        parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01"),
        "parent-id is not followed by a dash at offset 52",
    );
    assert_wording(
        parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x"),
        "invalid byte in trace-flags at offset 54",
    );
    assert_wording(
        parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-A0"),
        "upper-case letter in trace-flags at offset 53",
    );
    assert_wording(
        parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01."),
        "trace-flags is not followed by a dash at offset 55",
    );
    let two = Incoming::from_fields([&b"1"[..], b"2"], []);
    assert_eq!(two.error().unwrap().to_string(), "traceparent is repeated");
}

#[test]
fn the_left_most_of_two_errors_is_returned() {
    const ZERO_TRACE: &[u8; 55] = b"00-00000000000000000000000000000000-00f067aa0ba902b7-01";
    const ZERO_PARENT: &[u8; 55] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01";
    let error = |value: &[u8; 55], wrong: &[(usize, u8)]| {
        let mut value = *value;
        for (at, byte) in wrong {
            value[*at] = *byte;
        }
        let error = TraceParent::parse(&value).unwrap_err();
        (error.kind(), error.field(), error.offset())
    };
    for first in 3..55 {
        let field = match first {
            ..36 => Field::TraceId,
            36..53 => Field::ParentId,
            _ => Field::TraceFlags,
        };
        for (byte, kind) in [(b'.', ErrorKind::InvalidByte), (b'A', ErrorKind::UpperCase)] {
            let kind = if first == 35 || first == 52 { ErrorKind::MissingDash } else { kind };
            for second in first + 1..55 {
                let wrong = [(first, byte), (second, b'A')];
                assert_eq!(
                    error(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &wrong),
                    (kind, field, first)
                );
                let zero = (ErrorKind::AllZero, Field::TraceId, 3);
                assert_eq!(error(ZERO_TRACE, &wrong), if first < 35 { (kind, field, first) } else { zero });
                let zero = (ErrorKind::AllZero, Field::ParentId, 36);
                assert_eq!(error(ZERO_PARENT, &wrong), if first < 52 { (kind, field, first) } else { zero });
            }
        }
    }
}

#[test]
fn ids_flags_and_version_on_their_own() {
    assert_wording(TraceId::parse(b"4b"), "trace-id is too short: it ends at offset 2");
    assert_wording(TraceId::parse(&[b'1'; 33]), "trace-id is too long: it has to end before offset 32");
    assert_wording(TraceId::parse(&[b'0'; 32]), "trace-id is all zeroes");
    assert_wording(SpanId::parse(b""), "span-id is too short: it ends at offset 0");
    assert_wording(SpanId::parse(&[b'1'; 17]), "span-id is too long: it has to end before offset 16");
    assert_wording(SpanId::parse(&[b'0'; 16]), "span-id is all zeroes");
    assert_wording(SpanId::parse(b"00f067aa0ba902bG"), "invalid byte in span-id at offset 15");
    assert_wording(SpanId::parse(b"00F067aa0ba902b7"), "upper-case letter in span-id at offset 2");
    assert_wording(TraceFlags::parse(b"1"), "trace-flags is too short: it ends at offset 1");
    assert_wording(TraceFlags::parse(b"001"), "trace-flags is too long: it has to end before offset 2");
    assert_wording(TraceFlags::parse(b"0A"), "upper-case letter in trace-flags at offset 1");
    assert_wording(TraceFlags::parse(b"0x"), "invalid byte in trace-flags at offset 1");
    assert_wording(Version::parse(b"f"), "version is too short: it ends at offset 1");
    assert_wording(Version::parse(b"000"), "version is too long: it has to end before offset 2");
    assert_wording(Version::parse(b"FF"), "upper-case letter in version at offset 0");
    assert_wording(Version::parse(b"-1"), "invalid byte in version at offset 0");
    assert_wording(Version::parse(b"ff"), "version ff is forbidden");
}

#[test]
fn tracestate() {
    let parse = |text: &'static str| TraceState::parse(text.as_bytes());
    assert_wording(parse("=1"), "tracestate key is empty at offset 0");
    assert_wording(parse("a=1,Foo=1"), "upper-case letter in tracestate key at offset 4");
    assert_wording(parse("a.b=1"), "invalid byte in tracestate key at offset 1");
    assert_wording(parse("foo"), "tracestate key is not followed by an equals sign at offset 3");
    assert_wording(parse("foo="), "tracestate value is empty at offset 4");
    assert_wording(parse("foo=a=b"), "invalid byte in tracestate value at offset 5");
    assert_wording(
        TraceState::parse("a=1,".repeat(33).as_bytes()),
        "tracestate has more than 32 members at offset 128",
    );
    assert_wording(
        TraceState::parse(format!("{}=1", "a".repeat(257)).as_bytes()),
        "tracestate key is too long: it has to end before offset 256",
    );
    assert_wording(
        TraceState::parse(format!("a={}", "v".repeat(257)).as_bytes()),
        "tracestate value is too long: it has to end before offset 258",
    );
    assert_wording(
        TraceState::parse_fields_in([&b"a=1"[..], b"b=2"], &mut [0; 3]),
        "the buffer is too small: 7 bytes are needed",
    );
    assert_wording(
        TraceState::from_static("a=1,b=2").without("c").encode_into(&mut [0; 3]),
        "the buffer is too small: 7 bytes are needed",
    );
    assert_wording(
        TraceState::EMPTY.within(511),
        "a tracestate budget is at least 512 characters, which every service should propagate",
    );
}

#[test]
fn members_on_their_own() {
    assert_wording(Member::new("", "1"), "tracestate key is empty at offset 0");
    assert_wording(Member::new("fOo", "1"), "upper-case letter in tracestate key at offset 1");
    assert_wording(Member::new("foo=", "1"), "invalid byte in tracestate key at offset 3");
    assert_wording(Member::new("foo", ""), "tracestate value is empty at offset 0");
    assert_wording(Member::new("foo", "a,b"), "invalid byte in tracestate value at offset 1");
    assert_wording(Member::new("foo", "a "), "invalid byte in tracestate value at offset 1");
}

#[test]
fn sampling_values() {
    assert_wording(Threshold::parse(b""), "threshold is empty at offset 0");
    assert_wording(Threshold::parse(&[b'0'; 15]), "threshold is too long: it has to end before offset 14");
    assert_wording(Threshold::parse(b"C"), "upper-case letter in threshold at offset 0");
    assert_wording(Threshold::parse(b"0x8"), "invalid byte in threshold at offset 1");
    assert_wording(Randomness::parse(b"8"), "randomness is too short: it ends at offset 1");
    assert_wording(Randomness::parse(&[b'0'; 15]), "randomness is too long: it has to end before offset 14");
    assert_wording(Randomness::parse(b"0000000000000F"), "upper-case letter in randomness at offset 13");
    assert_wording(Percent::parse(b""), "percentage is too short: it ends at offset 0");
    assert_wording(Percent::parse(b"1e2"), "invalid byte in percentage at offset 1");
    assert_wording(Percent::parse(b"0.1234567"), "percentage is too long: it has to end before offset 8");
    assert_wording(Percent::parse(b"100.1"), "percentage is out of range");
    let error = |text| OtValue::read(text).error().unwrap().to_string();
    assert_eq!(error("th:8;TH:8"), "invalid byte in ot member at offset 5");
    assert_eq!(error("th:8;abc:d!e"), "invalid byte in ot member at offset 10");
    assert_eq!(error("x:1;th:8;th:8"), "threshold is repeated");
    assert_eq!(error("x:1;rv:8"), "randomness is too short: it ends at offset 8");
    let ot = OtValue::read("rv:00000000000000");
    assert_wording(ot.with_randomness(Randomness::from_low_bits(1)), "randomness is repeated");
    let full = format!("x:{}", "v".repeat(254));
    assert_wording(
        OtValue::read(&full).with_threshold(Threshold::ALWAYS),
        "ot member is too long: it has to end before offset 256",
    );
}

#[test]
fn labels_of_kinds_and_fields_are_stable() {
    let kinds = [
        (ErrorKind::TooShort, "too_short"),
        (ErrorKind::TooLong, "too_long"),
        (ErrorKind::Empty, "empty"),
        (ErrorKind::Missing, "missing"),
        (ErrorKind::InvalidByte, "invalid_byte"),
        (ErrorKind::UpperCase, "upper_case"),
        (ErrorKind::MissingDash, "missing_dash"),
        (ErrorKind::MissingEquals, "missing_equals"),
        (ErrorKind::AllZero, "all_zero"),
        (ErrorKind::ForbiddenVersion, "forbidden_version"),
        (ErrorKind::Repeated, "repeated"),
        (ErrorKind::TooManyMembers, "too_many_members"),
        (ErrorKind::OutOfRange, "out_of_range"),
    ];
    for (kind, label) in kinds {
        assert_eq!((kind.as_str(), kind.to_string()), (label, label.to_owned()));
    }
    let fields = [
        (Field::TraceParent, "traceparent"),
        (Field::Version, "version"),
        (Field::TraceId, "trace-id"),
        (Field::ParentId, "parent-id"),
        (Field::TraceFlags, "trace-flags"),
        (Field::SpanId, "span-id"),
        (Field::TraceState, "tracestate"),
        (Field::Key, "tracestate key"),
        (Field::Value, "tracestate value"),
        (Field::Threshold, "threshold"),
        (Field::Randomness, "randomness"),
        (Field::Ot, "ot member"),
        (Field::Percent, "percentage"),
    ];
    for (field, label) in fields {
        assert_eq!((field.as_str(), field.to_string()), (label, label.to_owned()));
    }
}

/// Everything in a text but its numbers.
fn words(error: ParseError) -> String {
    format!("{error} {error:?}").replace(|c: char| c.is_ascii_digit(), "")
}

proptest! {
    /// Two inputs that break the same rule at the same place have the same error: nothing of either is in it.
    #[test]
    fn no_error_holds_a_byte_of_the_input(input in vec(0x80..=0xff_u8, 55..80), other in vec(0x80..=0xff_u8, 80)) {
        let other = &other[..input.len()];
        let (Err(left), Err(right)) = (TraceParent::parse(&input), TraceParent::parse(other)) else { unreachable!() };
        prop_assert_eq!(words(left), words(right));
        let (Err(left), Err(right)) = (TraceState::parse(&input), TraceState::parse(other)) else { unreachable!() };
        prop_assert_eq!(words(left), words(right));
    }
}
