//! The specification's sections on request headers as one table, after the cases of the W3C validation suite.

use std::cell::Cell;

use traceparent::{IdsFrom, Incoming, Origin, Outgoing, Policy, sampler::AlwaysOff, trim_ows};

use crate::common::naive;

const T: &str = "12345678901234567890123456789012";
const P: &str = "1234567890123456";
const VALID: &str = "00-12345678901234567890123456789012-1234567890123456-01";

/// What a service that trusts its caller sends on, given all fields of both names.
fn serve(traceparents: &[&str], tracestates: &[&str]) -> Outgoing<'static> {
    let counter = Cell::new(0);
    let ids = IdsFrom::new(|| {
        counter.set(counter.get() + 1);
        counter.get()
    });
    let fields = |fields: &[&str]| fields.iter().map(|field| field.as_bytes().to_vec()).collect::<Vec<_>>();
    let (traceparents, tracestates) = (fields(traceparents), fields(tracestates));
    let incoming = Incoming::from_fields(
        traceparents.iter().map(|field| trim_ows(field)),
        tracestates.iter().map(|field| trim_ows(field)),
    );
    Policy::new(AlwaysOff).apply(incoming, &ids).into_owned()
}

#[track_caller]
fn continues(traceparents: &[&str], tracestates: &[&str], flags: &str, list: &str) {
    let outgoing = serve(traceparents, tracestates);
    assert_eq!(outgoing.origin(), Origin::Continued, "{traceparents:?}");
    let sent = outgoing.traceparent().to_string();
    let (version, trace_id, parent_id, sent_flags) = naive::traceparent(sent.as_bytes()).unwrap();
    assert_eq!((version, format!("{trace_id:032x}").as_str(), &sent[53..]), (0, T, flags), "{traceparents:?}");
    assert_ne!(format!("{parent_id:016x}"), P);
    assert_eq!(sent_flags & 0xfc, 0);
    assert_eq!(outgoing.tracestate().to_string(), list, "{tracestates:?}");
}

#[track_caller]
fn restarts(traceparents: &[&str]) {
    let outgoing = serve(traceparents, &["foo=1"]);
    let expected = if traceparents.is_empty() { Origin::Started } else { Origin::Restarted };
    assert_eq!(outgoing.origin(), expected, "{traceparents:?}");
    let (version, trace_id, ..) = naive::traceparent(&outgoing.traceparent().encode()).unwrap();
    assert_eq!(version, 0);
    assert!(!format!("{trace_id:032x}").starts_with("1234"), "{traceparents:?}");
    assert!(outgoing.tracestate().is_empty(), "{traceparents:?}");
}

fn header(version: &str, trace_id: &str, parent_id: &str, flags: &str) -> String {
    format!("{version}-{trace_id}-{parent_id}-{flags}")
}

// W3C 34, 66, 67
#[test]
fn neither_header_starts_a_trace_and_a_lone_tracestate_does_too() {
    assert_eq!(serve(&[], &[]).origin(), Origin::Started);
    restarts(&[]);
}

// W3C 2, 35, 60
#[test]
fn traceparent_alone_and_both_headers_continue() {
    continues(&[VALID], &[], "01", "");
    continues(&[VALID], &["foo=1,bar=2"], "01", "foo=1,bar=2");
}

#[test]
fn a_duplicated_traceparent_restarts() {
    let other = header("00", "12345678901234567890123456789011", P, "01");
    restarts(&[VALID, &other]);
    restarts(&[&other, VALID]);
    restarts(&[VALID, VALID]);
    restarts(&["", VALID]);
    restarts(&[VALID, "junk"]);
}

// W3C 8, 33
#[test]
fn version_00_is_exactly_55_bytes() {
    for tail in [".", "-", "-what-the-future-will-be-like", ".what-the-future-will-not-be-like", "0"] {
        restarts(&[&format!("{VALID}{tail}")]);
    }
}

// W3C 30, 32, 59
#[test]
fn higher_versions_are_read_by_the_forward_rule() {
    let far = header("cc", T, P, "01");
    continues(&[&far], &["foo=1"], "01", "foo=1");
    continues(&[&format!("{far}-what-the-future-will-be-like")], &["foo=1"], "01", "foo=1");
    continues(&[&format!("{far}-")], &["foo=1"], "01", "foo=1");
    continues(&[&far], &["foo=1;"], "01", "foo=1;");
    continues(&[&far], &["foo=1,Bar=2"], "01", "");
    restarts(&[&format!("{far}.what-the-future-will-be-like")]);
    restarts(&[&format!("{far}0")]);
    restarts(&[&header("cc", T, P, "0")]);
}

// W3C 7
#[test]
fn version_ff_restarts() {
    restarts(&[&header("ff", T, P, "01")]);
    restarts(&[&header("ff", T, P, "01-what-the-future-will-be-like")]);
}

// W3C 7, 29
#[test]
fn a_version_with_illegal_characters_or_of_another_length_restarts() {
    for version in [".0", "0.", "0A", "  ", "000", "0000", "0", ""] {
        restarts(&[&header(version, T, P, "01")]);
    }
}

// W3C 9, 69
#[test]
fn an_invalid_trace_id_restarts() {
    for trace_id in [
        "00000000000000000000000000000000",
        ".2345678901234567890123456789012",
        "1234567890123456789012345678901.",
        "1234567890123456789012345678901A",
        "123456789012345678901234567890123",
        "1234567890123456789012345678901",
        "",
    ] {
        restarts(&[&header("00", trace_id, P, "01")]);
    }
}

// W3C 10, 69
#[test]
fn an_invalid_parent_id_restarts() {
    for parent_id in [
        "0000000000000000",
        ".234567890123456",
        "123456789012345.",
        "123456789012345A",
        "12345678901234567",
        "123456789012345",
        "",
    ] {
        restarts(&[&header("00", T, parent_id, "01")]);
    }
}

// W3C 69
#[test]
fn invalid_flags_restart() {
    for flags in [".0", "0.", "0A", "001", "1", ""] {
        restarts(&[&header("00", T, P, flags)]);
    }
}

// W3C 14, 27
#[test]
fn unknown_flags_are_read_past_and_sent_as_zero() {
    for (flags, sent) in
        [("00", "00"), ("02", "02"), ("03", "03"), ("04", "00"), ("fd", "01"), ("ff", "03"), ("80", "00")]
    {
        continues(&[&header("00", T, P, flags)], &[], sent, "");
    }
}

#[test]
fn white_space_around_traceparent_is_not_part_of_it() {
    for (before, after) in [(" ", ""), ("\t", ""), ("", " "), ("", "\t"), ("\t ", " \t")] {
        continues(&[&format!("{before}{VALID}{after}")], &["foo=1"], "01", "foo=1");
    }
    restarts(&[&VALID.replacen('-', " -", 1)]);
    restarts(&[&format!("{VALID}\u{a0}")]);
}

// W3C 49
#[test]
fn empty_tracestate_fields_are_accepted() {
    for fields in [&[""][..], &[" \t"], &["", ""], &[","], &[" , ", "\t"]] {
        continues(&[VALID], fields, "01", "");
    }
    continues(&[VALID], &["foo=1", ""], "01", "foo=1");
    continues(&[VALID], &["", "foo=1"], "01", "foo=1");
    continues(&[VALID], &["foo=1", "", " ", "bar=2"], "01", "foo=1,bar=2");
}

// W3C 43
#[test]
fn several_tracestate_fields_are_one_list_in_order() {
    continues(&[VALID], &["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], "01", "foo=1,bar=2,rojo=1,congo=2,baz=3");
    continues(&[VALID], &["z=1", "a=2", "m=3"], "01", "z=1,a=2,m=3");
    continues(&[VALID], &["foo=1,", ",bar=2"], "01", "foo=1,,,bar=2");
}

#[test]
fn duplicated_keys_are_forwarded_as_they_came() {
    continues(&[VALID], &["foo=1,foo=1"], "01", "foo=1,foo=1");
    continues(&[VALID], &["foo=1,foo=2"], "01", "foo=1,foo=2");
    continues(&[VALID], &["foo=1", "foo=2"], "01", "foo=1,foo=2");
}

// W3C 50, 51
#[test]
fn all_allowed_characters_go_through() {
    let key = "0123456789abcdefghijklmnopqrstuvwxyz_-*/";
    let value: String = (' '..='~').filter(|c| !",= ".contains(*c)).collect();
    for list in [
        format!("{key}={value}"),
        format!("t{key}@v{key}={value}"),
        format!("a= {value} {value}"),
        format!("a={}", "~".repeat(256)),
    ] {
        continues(&[VALID], &[&list], "01", &list);
    }
}

// W3C 46
#[test]
fn white_space_around_members_is_no_part_of_them() {
    for list in ["foo=1 \t , \t bar=2, \t baz=3", "foo=1\t \t,\t \tbar=2,\t \tbaz=3"] {
        continues(&[VALID], &[list], "01", list);
    }
    for list in [" foo=1", "\tfoo=1", "foo=1 ", "foo=1\t", "\t foo=1 \t"] {
        continues(&[VALID], &[list], "01", "foo=1");
    }
    continues(&[VALID], &[" foo=1\t", "\tbar= 2 "], "01", "foo=1,bar= 2");
}

// W3C 1, 40, 50
#[test]
fn an_invalid_key_drops_the_list_and_not_the_trace() {
    for key in ["foo ", "FOO", "foo.bar", "", "@foo", "_foo", "foo\t", "f\u{f6}o", &"z".repeat(257)] {
        continues(&[VALID], &[&format!("{key}=1")], "01", "");
        continues(&[VALID], &["bar=2", &format!("{key}=1")], "01", "");
    }
}

// W3C 50
#[test]
fn level_2_keys_go_through() {
    let long = [
        "z".repeat(256),
        format!("{}@{}", "t".repeat(241), "v".repeat(14)),
        format!("{}@v", "t".repeat(242)),
        format!("t@{}", "v".repeat(15)),
        format!("{}@{}", "t".repeat(127), "v".repeat(128)),
    ];
    for key in
        ["foo@", "foo@@bar", "foo@bar@baz", "foo@bar", "1a", "0"].into_iter().chain(long.iter().map(String::as_str))
    {
        let list = format!("{key}=1,bar=2");
        continues(&[VALID], &[&list], "01", &list);
    }
}

// W3C 1, 40, 51
#[test]
fn an_invalid_value_drops_the_list_and_not_the_trace() {
    for value in ["bar=baz", "", " ", "\t1", "1\t2", "caf\u{e9}", "\u{7f}", &"v".repeat(257)] {
        continues(&[VALID], &[&format!("foo={value},bar=3")], "01", "");
    }
    continues(&[VALID], &["foo"], "01", "");
    continues(&[VALID], &["foo=1;=2"], "01", "");
}

// W3C 43, 48
#[test]
fn at_most_32_members_over_all_fields() {
    let list = |range: std::ops::Range<u8>| range.map(|i| format!("bar{i:02}={i:02}")).collect::<Vec<_>>().join(",");
    continues(&[VALID], &[&list(0..32)], "01", &list(0..32));
    continues(&[VALID], &[&list(0..16), &list(16..32)], "01", &list(0..32));
    continues(&[VALID], &[&list(0..33)], "01", "");
    continues(&[VALID], &[&list(0..16), &list(16..32), &list(32..33)], "01", "");
    continues(&[VALID], &[&list(0..32), " , "], "01", &format!("{},,", list(0..32)));
}

// W3C 55, 60
#[test]
fn long_lists_are_propagated_whole() {
    let list = (0..32).map(|i| format!("{}{i:02}={}", "k".repeat(254), "v".repeat(256))).collect::<Vec<_>>().join(",");
    continues(&[VALID], &[&list], "01", &list);
}
