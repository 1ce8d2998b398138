//! The cases: those of the W3C's validation suite under its names, by Level 2 of the specification, and our own.

/// What the calls of a service carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The caller's trace, with these flags and this list.
    Continued(&'static str, String),
    /// A new trace, without a list.
    Restarted,
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Header lines, without line ends.
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) expected: Expected,
}

pub(crate) const TRACE_ID: &str = "12345678901234567890123456789012";
pub(crate) const PARENT_ID: &str = "1234567890123456";
const SAMPLED: &str = "00-12345678901234567890123456789012-1234567890123456-01";
const PARENT: &str = "traceparent: 00-12345678901234567890123456789012-1234567890123456-00";

fn lines<L: AsRef<[u8]>>(lines: &[L]) -> Vec<Vec<u8>> {
    lines.iter().map(|line| line.as_ref().to_vec()).collect()
}

/// A `traceparent` that goes on, sampled.
fn parent_goes_on<L: AsRef<[u8]>>(name: &'static str, line: L) -> Case {
    Case { name, lines: lines(&[line]), expected: Expected::Continued("01", String::new()) }
}

/// A `traceparent` that is not to be used, and so neither is the list beside it.
fn parent_is_refused(name: &'static str, value: &str) -> Case {
    let lines = lines(&[format!("traceparent: {value}"), "tracestate: foo=1".to_owned()]);
    Case { name, lines, expected: Expected::Restarted }
}

/// `tracestate` lines beside a valid `traceparent`, and the list that goes on.
fn list_goes_on<L: AsRef<[u8]>>(name: &'static str, tracestates: &[L], list: &str) -> Case {
    let mut all = lines(&[PARENT]);
    all.extend(lines(tracestates));
    Case { name, lines: all, expected: Expected::Continued("00", list.to_owned()) }
}

fn list_is_discarded<L: AsRef<[u8]>>(name: &'static str, tracestates: &[L]) -> Case {
    list_goes_on(name, tracestates, "")
}

/// All cases of one call each.
pub(crate) fn all() -> Vec<Case> {
    [starts(), parents(), flags(), lists(), discarded_lists()].concat()
}

fn starts() -> Vec<Case> {
    let restarted = |name, all: &[&str]| Case { name, lines: lines(all), expected: Expected::Restarted };
    let other = "traceparent: 00-12345678901234567890123456789011-1234567890123456-01";
    let same = &format!("traceparent: {SAMPLED}");
    vec![
        // W3C 34, 67
        restarted("both_traceparent_and_tracestate_missing", &[]),
        restarted("tracestate_included_traceparent_missing", &["tracestate: foo=1"]),
        restarted("tracestate_included_traceparent_missing", &["tracestate: foo=1,bar=2"]),
        // W3C 4
        restarted("traceparent_header_name", &[&format!("trace-parent: {SAMPLED}")]),
        restarted("traceparent_header_name", &[&format!("trace.parent: {SAMPLED}")]),
        restarted("traceparent_duplicated", &[other, same]),
        restarted("traceparent_duplicated", &[same, other]),
        restarted("an equal traceparent twice", &[same, same]),
        restarted("traceparent twice, in different casing", &[same, &format!("TraceParent: {SAMPLED}")]),
        restarted("traceparent and an empty one", &[same, "traceparent:"]),
        restarted("an empty traceparent", &["traceparent:", "tracestate: foo=1"]),
        restarted("traceparent of white space", &["traceparent: \t "]),
    ]
}

fn parents() -> Vec<Case> {
    let at = |version: &str, rest: &str| format!("traceparent: {version}-{TRACE_ID}-{PARENT_ID}-01{rest}");
    let future = "-what-the-future-will-be-like";
    let mut cases = vec![
        // W3C 35
        parent_goes_on("traceparent_included_tracestate_missing", at("00", "")),
        // W3C 4
        parent_goes_on("traceparent_header_name_valid_casing", format!("TraceParent: {SAMPLED}")),
        parent_goes_on("traceparent_header_name_valid_casing", format!("TrAcEpArEnT: {SAMPLED}")),
        parent_goes_on("traceparent_header_name_valid_casing", format!("TRACEPARENT: {SAMPLED}")),
        parent_goes_on("no space after the colon", format!("traceparent:{SAMPLED}")),
        // W3C 30, 32
        parent_goes_on("traceparent_version_0xcc", at("cc", "")),
        parent_goes_on("traceparent_version_0xcc", at("cc", future)),
        parent_goes_on("version 01 with a dash at the end", at("01", "-")),
        parent_goes_on("version fe with 4 KiB behind", at("fe", &format!("-{}", "0".repeat(4096)))),
        // W3C 8, 33
        parent_is_refused("traceparent_version_0x00", &format!("{SAMPLED}.")),
        parent_is_refused("traceparent_version_0x00", &format!("{SAMPLED}{future}")),
        parent_is_refused("version 00 with a dash at the end", &format!("{SAMPLED}-")),
        parent_is_refused("version 00 with 4 KiB behind", &format!("{SAMPLED}{}", "0".repeat(4096))),
        parent_is_refused(
            "traceparent_version_0xcc",
            &format!("cc-{TRACE_ID}-{PARENT_ID}-01.what-the-future-will-be-like"),
        ),
        // W3C 7
        parent_is_refused("traceparent_version_0xff", &format!("ff-{TRACE_ID}-{PARENT_ID}-01")),
    ];
    for (before, after) in [(" ", ""), ("\t", ""), ("", " "), ("", "\t"), ("\t ", " \t")] {
        cases.push(parent_goes_on("traceparent_ows_handling", format!("traceparent: {before}{SAMPLED}{after}")));
    }
    // W3C 7, 29
    for (name, version) in [
        ("traceparent_version_illegal_characters", ".0"),
        ("traceparent_version_illegal_characters", "0."),
        ("traceparent_version_too_long", "000"),
        ("traceparent_version_too_long", "0000"),
        ("traceparent_version_too_short", "0"),
        ("an upper-case version", "0A"),
        ("a version with a sign", "+0"),
    ] {
        cases.push(parent_is_refused(name, &format!("{version}-{TRACE_ID}-{PARENT_ID}-01")));
    }
    // W3C 9
    for (name, trace_id) in [
        ("traceparent_trace_id_all_zero", "00000000000000000000000000000000"),
        ("traceparent_trace_id_illegal_characters", ".2345678901234567890123456789012"),
        ("traceparent_trace_id_illegal_characters", "1234567890123456789012345678901."),
        ("traceparent_trace_id_too_long", "123456789012345678901234567890123"),
        ("traceparent_trace_id_too_short", "1234567890123456789012345678901"),
        ("an upper-case trace-id", "1234567890123456789012345678901A"),
        ("a trace-id with a sign", "+2345678901234567890123456789012"),
    ] {
        cases.push(parent_is_refused(name, &format!("00-{trace_id}-{PARENT_ID}-01")));
    }
    // W3C 10
    for (name, parent_id) in [
        ("traceparent_parent_id_all_zero", "0000000000000000"),
        ("traceparent_parent_id_illegal_characters", ".234567890123456"),
        ("traceparent_parent_id_illegal_characters", "123456789012345."),
        ("traceparent_parent_id_too_long", "12345678901234567"),
        ("traceparent_parent_id_too_short", "123456789012345"),
        ("an upper-case parent-id", "123456789012345A"),
    ] {
        cases.push(parent_is_refused(name, &format!("00-{TRACE_ID}-{parent_id}-01")));
    }
    cases
}

fn flags() -> Vec<Case> {
    let parent = |flags: &str| format!("00-{TRACE_ID}-{PARENT_ID}-{flags}");
    let mut cases = Vec::new();
    // W3C 69
    for (name, value) in [
        ("traceparent_trace_flags_illegal_characters", ".0"),
        ("traceparent_trace_flags_illegal_characters", "0."),
        ("traceparent_trace_flags_too_long", "001"),
        ("traceparent_trace_flags_too_short", "1"),
        ("upper-case flags", "0A"),
    ] {
        cases.push(parent_is_refused(name, &parent(value)));
    }
    // W3C 14, 16, 26, 27
    for (name, value, sent) in [
        ("not sampled stays so", "00", "00"),
        ("the random flag goes on, not sampled", "02", "02"),
        ("the random flag goes on, sampled", "03", "03"),
        ("reserved flags go out as zero", "ff", "03"),
        ("reserved flags go out as zero", "fd", "01"),
        ("reserved flags go out as zero", "80", "00"),
    ] {
        let lines = lines(&[format!("traceparent: {}", parent(value))]);
        cases.push(Case { name, lines, expected: Expected::Continued(sent, String::new()) });
    }
    // W3C 26, 32, 70
    let line = format!("traceparent: cc-{TRACE_ID}-{PARENT_ID}-ff");
    cases.push(Case {
        name: "a higher version goes on as version 00, with the flags that are known",
        lines: lines(&[line]),
        expected: Expected::Continued("03", String::new()),
    });
    cases
}

fn members(range: std::ops::RangeInclusive<u8>) -> String {
    range.map(|i| format!("bar{i:02}={i:02}")).collect::<Vec<_>>().join(",")
}

fn one_field(name: &'static str, list: &str) -> Case {
    list_goes_on(name, &[format!("tracestate: {list}")], list)
}

fn lists() -> Vec<Case> {
    let key = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
    let value: String = (' '..='~').filter(|c| !",=".contains(*c)).collect();
    let mut cases = vec![
        // W3C 35, 60
        one_field("tracestate_included_traceparent_included", "foo=1,bar=2"),
        // W3C 42
        list_is_discarded("tracestate_header_name", &["trace-state: foo=1"]),
        list_is_discarded("tracestate_header_name", &["trace.state: foo=1"]),
        list_goes_on("tracestate_header_name_valid_casing", &["TraceState: foo=1"], "foo=1"),
        list_goes_on("tracestate_header_name_valid_casing", &["TrAcEsTaTe: foo=1"], "foo=1"),
        list_goes_on("tracestate_header_name_valid_casing", &["TRACESTATE: foo=1"], "foo=1"),
        // W3C 49
        list_is_discarded("tracestate_empty_header", &["tracestate:"]),
        list_goes_on("tracestate_empty_header", &["tracestate: foo=1", "tracestate:"], "foo=1"),
        list_goes_on("tracestate_empty_header", &["tracestate:", "tracestate: foo=1"], "foo=1"),
        list_is_discarded("empty members alone", &["tracestate: ,, ,"]),
        // W3C 43
        list_goes_on(
            "tracestate_multiple_headers_different_keys",
            &["tracestate: foo=1,bar=2", "tracestate: rojo=1,congo=2", "tracestate: baz=3"],
            "foo=1,bar=2,rojo=1,congo=2,baz=3",
        ),
        list_goes_on("fields in different casing", &["TraceState: z=1", "tracestate: a=2"], "z=1,a=2"),
        // Level 2 leaves duplicates to whoever wrote them.
        one_field("tracestate_duplicated_keys", "foo=1,foo=1"),
        one_field("tracestate_duplicated_keys", "foo=1,foo=2"),
        list_goes_on("tracestate_duplicated_keys", &["tracestate: foo=1", "tracestate: foo=1"], "foo=1,foo=1"),
        list_goes_on("tracestate_duplicated_keys", &["tracestate: foo=1", "tracestate: foo=2"], "foo=1,foo=2"),
        // W3C 50, 51
        one_field("tracestate_all_allowed_characters", &format!("{key}={value}")),
        one_field("tracestate_all_allowed_characters", &format!("{key}@a-z0-9_-*/={value}")),
        one_field("Level 2: a key may start with a digit", "1a=1,0=2"),
        // W3C 46
        one_field("tracestate_ows_handling", "foo=1 \t , \t bar=2, \t baz=3"),
        one_field("tracestate_ows_handling", "foo=1\t \t,\t \tbar=2,\t \tbaz=3"),
        // W3C 52
        one_field("spaces at the start of a value are part of it", "foo=  1,bar= 2"),
        // W3C 48
        one_field("tracestate_member_count_limit", &members(1..=32)),
        list_goes_on(
            "tracestate_member_count_limit",
            &[members(1..=10), members(11..=20), members(21..=30), members(31..=32)]
                .map(|list| format!("tracestate: {list}")),
            &members(1..=32),
        ),
        // W3C 55
        one_field("512 characters", &format!("a={},b={}", "v".repeat(254), "w".repeat(253))),
        one_field(
            "4 KiB and more",
            &(0..16).map(|i| format!("k{i}={}", "v".repeat(256))).collect::<Vec<_>>().join(","),
        ),
    ];
    for list in [" foo=1", "\tfoo=1", "foo=1 ", "foo=1\t", "\t foo=1 \t"] {
        cases.push(list_goes_on("tracestate_ows_handling", &[format!("tracestate: {list}")], "foo=1"));
    }
    // W3C 50: Level 2 has one kind of key, of up to 256 characters.
    for key in [
        "z".repeat(256),
        format!("{}@{}", "t".repeat(241), "v".repeat(14)),
        format!("{}@v", "t".repeat(242)),
        format!("t@{}", "v".repeat(15)),
    ] {
        let lines = ["tracestate: foo=1".to_owned(), format!("tracestate: {key}=1")];
        cases.push(list_goes_on("tracestate_key_length_limit", &lines, &format!("foo=1,{key}=1")));
    }
    for key in ["foo@", "foo@@bar", "foo@bar@baz"] {
        cases.push(one_field("tracestate_key_illegal_vendor_format, legal in Level 2", &format!("{key}=1,bar=2")));
    }
    cases
}

fn discarded_lists() -> Vec<Case> {
    let field = |name, list: &str| list_is_discarded(name, &[format!("tracestate: {list}")]);
    vec![
        // W3C 40, 50
        field("tracestate_key_illegal_characters", "foo =1"),
        field("tracestate_key_illegal_characters", "FOO=1"),
        field("tracestate_key_illegal_characters", "foo.bar=1"),
        field("tracestate_key_illegal_vendor_format", "@foo=1,bar=2"),
        field("a key that starts with an underscore", "_foo=1,bar=2"),
        field("a member without a key", "=1,bar=2"),
        field("a member without a value", "foo,bar=2"),
        field("tracestate_key_length_limit", &format!("foo=1,{}=1", "z".repeat(257))),
        list_is_discarded("one field bad, one good", &["tracestate: foo=1", "tracestate: Bar=2"]),
        // W3C 48
        field("tracestate_member_count_limit", &members(1..=33)),
        list_is_discarded(
            "tracestate_member_count_limit",
            &[members(1..=10), members(11..=20), members(21..=30), members(31..=33)]
                .map(|list| format!("tracestate: {list}")),
        ),
        // W3C 51
        field("tracestate_value_illegal_characters", "foo=bar=baz"),
        field("tracestate_value_illegal_characters", "foo=,bar=3"),
        field("a tab inside a value", "foo=1\t2"),
        field("a value of 257 characters", &format!("foo={}", "v".repeat(257))),
        list_is_discarded("a byte beyond ASCII", &[b"tracestate: foo=caf\xe9".as_slice()]),
    ]
}
