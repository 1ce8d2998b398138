//! The response context: finding the metric in `Server-Timing`, reading it, and writing it.

use proptest::{collection::vec, prelude::*, sample::select};
use traceparent::{
    ErrorKind, Field, IdsFrom, Incoming, ParseError, Policy, SpanId, TraceContext, TraceFlags, TraceId, TraceParent,
    TraceResponse, TraceState, Trust,
    sampler::{AlwaysOff, AlwaysOn, Sampler},
};

const VALUE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02";
const RESPONSE: TraceResponse = TraceResponse::new(TraceParent::from_static(VALUE));

fn parse(field: &str) -> Result<Option<TraceResponse>, ParseError> {
    TraceResponse::parse(field.as_bytes())
}

/// The field with the example's value in place of `V`.
#[track_caller]
fn reads(template: &str) {
    let field = template.replace('V', VALUE);
    assert_eq!(parse(&field), Ok(Some(RESPONSE)), "{field}");
    assert!(TraceResponse::has_metric(field.as_bytes()));
}

#[track_caller]
fn has_none(field: &str) {
    assert_eq!(parse(field), Ok(None), "{field}");
}

#[track_caller]
fn refuses(field: &str, kind: ErrorKind, about: Field, offset: usize) {
    let error = parse(field).unwrap_err();
    assert_eq!((error.kind(), error.field(), error.offset()), (kind, about, offset), "{field}");
    assert!(TraceResponse::has_metric(field.as_bytes()));
}

// W3C 86, 87: the metric `trace` of `Server-Timing`, in any case.
#[test]
fn the_metric_is_found_in_any_case_and_company() {
    for name in ["trace", "Trace", "TRACE", "tRaCe", "traceparent", "TraceParent"] {
        reads(&format!("{name};desc=V"));
        reads(&format!("cache;desc=hit, {name};desc=V,db;dur=53"));
    }
    reads(",, ,trace;desc=V,");
    reads("miss, db;dur=53.2;desc=\"a, trace;desc=b\", trace;desc=V");
    reads("a;desc=\"x\\\", trace;desc=no\", trace;desc=V");
    reads("a;desc=\"x\\\\\", trace;desc=V");
    reads("é;desc=語, trace;desc=V");
}

#[test]
fn the_value_is_a_token_or_quoted_and_white_space_is_free() {
    reads("trace;desc=V");
    reads("trace;desc=\"V\"");
    reads(" \ttrace \t;\t desc \t= \tV\t ");
    reads("\ttrace\t;\tdesc\t=\t\"V\"\t,\tx");
    reads("trace;DESC=V");
}

#[test]
fn other_parameters_may_stand_around_the_value() {
    reads("trace;dur=5;desc=V");
    reads("trace;dur=5;desc=V;dur=7;x");
    reads("trace;x;y=\"desc=;, \\\"\";desc=\"V\"");
    reads("trace;;desc=V;");
    reads("trace;description=no;desc=V");
    // Server-Timing: "only the first instance is to be considered".
    reads("trace;desc=V;desc=no");
}

#[test]
fn of_several_metrics_the_first_counts() {
    reads(&format!("trace;desc=V, trace;desc={OTHER}"));
    reads("Trace;desc=V, trace;desc=no");
    has_none(&format!("trace, trace;desc={VALUE}"));
    refuses(&format!("trace;desc=no, trace;desc={VALUE}"), ErrorKind::TooShort, Field::ServerTiming, 13);
}

#[test]
fn other_names_and_quoted_text_are_not_the_metric() {
    for name in ["traces", "xtrace", "tra", "trace2", "\"trace\"", "desc", "trace-response", ""] {
        has_none(&format!("{name};desc={VALUE}"));
    }
    has_none("");
    has_none(" , ,\t");
    has_none(&format!("a;desc=\"trace;desc={VALUE}\""));
    has_none(&format!("a;desc=\", trace;desc={VALUE}"));
    has_none(&format!("traceresponse={VALUE}"));
}

#[test]
fn a_metric_without_a_desc_says_nothing() {
    for field in ["trace", "trace;", "trace;dur=5", "trace;desc", "trace;xdesc=1", "trace;dur=\"desc=1;desc=2\""] {
        has_none(field);
        assert!(TraceResponse::has_metric(field.as_bytes()));
    }
}

// W3C 88: "same grammar and zero/`ff` rules"; offsets count from the start of the field.
#[test]
fn a_broken_value_is_refused_by_field_and_offset() {
    use ErrorKind::{AllZero, ForbiddenVersion, InvalidByte, MissingDash, OutOfRange, TooLong, TooShort, UpperCase};
    let value = |at: usize, with: &str| format!("{}{with}{}", &VALUE[..at], &VALUE[at + with.len()..]);
    for (metric, start) in [("trace;desc=", 11), ("db;dur=1 , TRACE ; dur=2;\tdesc =", 32), ("trace;desc=\"", 12)] {
        let quote = if metric.ends_with('"') { "\"" } else { "" };
        let refuses = |value: &str, kind, field, at: usize| {
            refuses(&format!("{metric}{value}{quote}, x;desc=1"), kind, field, start + at);
        };
        refuses("", TooShort, Field::ServerTiming, 0);
        refuses(&VALUE[..54], TooShort, Field::ServerTiming, 54);
        refuses(&format!("{VALUE}0"), TooLong, Field::ServerTiming, 55);
        refuses(&format!("{VALUE}-00"), TooLong, Field::ServerTiming, 55);
        refuses(&value(3, &"0".repeat(32)), AllZero, Field::TraceId, 3);
        refuses(&value(36, &"0".repeat(16)), AllZero, Field::ChildId, 36);
        refuses(&value(0, "ff"), ForbiddenVersion, Field::Version, 0);
        refuses(&value(0, "01"), OutOfRange, Field::Version, 0);
        refuses(&format!("{}-more", value(0, "cc")), OutOfRange, Field::Version, 0);
        refuses(&value(0, "0g"), InvalidByte, Field::Version, 1);
        refuses(&value(3, "4B"), UpperCase, Field::TraceId, 4);
        refuses(&value(36, "g"), InvalidByte, Field::ChildId, 36);
        refuses(&value(51, "F"), UpperCase, Field::ChildId, 51);
        refuses(&value(53, "0A"), UpperCase, Field::TraceFlags, 54);
        refuses(&value(2, "_"), MissingDash, Field::Version, 2);
        refuses(&value(35, "_"), MissingDash, Field::TraceId, 35);
        refuses(&value(52, "_"), MissingDash, Field::ChildId, 52);
    }
}

#[test]
fn errors_are_worded_in_the_terms_of_a_response() {
    let error = |value: &str| parse(&format!("trace;desc={value}")).unwrap_err().to_string();
    assert_eq!(error(&VALUE.replace("00f067aa0ba902b7", "0000000000000000")), "child-id is all zeroes");
    assert_eq!(error("00"), "server-timing is too short: it ends at offset 13");
    assert_eq!(error(&VALUE.replacen("00", "01", 1)), "version is out of range");
    assert_eq!("db;dur=1".parse::<TraceResponse>().unwrap_err().to_string(), "server-timing is empty at offset 0");
}

// W3C 89: "mask bits; other bits MUST be zero"
#[test]
fn reserved_flags_are_neither_read_nor_written() {
    let response = parse(&format!("trace;desc={}ff", &VALUE[..53])).unwrap().unwrap();
    assert_eq!(response.flags(), TraceFlags::SAMPLED | TraceFlags::RANDOM);
    assert_eq!(response.to_string(), format!("trace;desc={}03", &VALUE[..53]));
}

// W3C 87
#[test]
fn the_metric_is_written_in_lower_case_as_a_token() {
    assert_eq!(RESPONSE.encode(), *format!("trace;desc={VALUE}").as_bytes().first_chunk().unwrap());
    assert_eq!(RESPONSE.to_string(), format!("trace;desc={VALUE}"));
    assert_eq!(format!("{RESPONSE:70}|"), format!("trace;desc={VALUE}    |"));
    assert_eq!(TraceResponse::LENGTH, 66);
    // Of whatever version the header was.
    let later = TraceParent::parse(VALUE.replacen("00", "cc", 1).as_bytes()).unwrap();
    assert_eq!(TraceResponse::new(later), RESPONSE);
}

/// The response to a request whose caller had these flags.
fn response(sampler: impl Sampler, trust: Trust, flags: u8) -> TraceResponse {
    let caller = TraceParent::parse(VALUE.as_bytes()).unwrap();
    let caller = TraceParent::new(caller.trace_id(), caller.parent_id(), TraceFlags::from_bits(flags));
    let incoming = Incoming::from(TraceContext::new(caller, TraceState::EMPTY));
    let outgoing = Policy::new(sampler).with_trust(trust).apply(incoming, &IdsFrom::random(|| 7));
    let response = outgoing.response();
    assert_eq!(response.trace_id(), outgoing.traceparent().trace_id());
    assert_eq!(response.child_id(), outgoing.span_id());
    assert_eq!(response.trace_id() == caller.trace_id(), matches!(trust, Trust::Continue | Trust::Resample));
    response
}

// W3C 90-92
#[test]
fn a_response_reflects_the_decision_and_the_random_flag_of_the_trace() {
    for flags in 0..4 {
        assert_eq!(response(AlwaysOff, Trust::Continue, flags).flags().bits(), flags);
        // "received 0 but recorded anyway: SHOULD return 1"
        assert_eq!(response(AlwaysOn, Trust::Resample, flags).flags().bits(), flags | 1);
        assert_eq!(response(AlwaysOff, Trust::Resample, flags).flags().bits(), flags & 2);
        // A restarted trace is told by its own id, and by its own flags.
        assert_eq!(response(AlwaysOn, Trust::Restart, flags).flags().bits(), 3);
        assert_eq!(response(AlwaysOff, Trust::Restart, flags).flags().bits(), 2);
    }
    let started = Policy::new(AlwaysOn).apply(Incoming::Absent, &IdsFrom::new(|| 7)).response();
    assert_eq!(started.to_string(), "trace;desc=00-00000000000000070000000000000007-0000000000000007-01");
}

fn others(field: &[u8]) -> Vec<&[u8]> {
    TraceResponse::other_metrics(field).collect()
}

#[test]
fn other_metrics_are_what_is_left() {
    let field = format!("a , Trace;desc={VALUE},b;desc=\"x, trace\" ;dur=1,,trace, c,TRACE;desc=no");
    assert_eq!(others(field.as_bytes()), [&b"a"[..], b"b;desc=\"x, trace\" ;dur=1", b"c"]);
    assert!(TraceResponse::has_metric(field.as_bytes()));
    assert!(others(b"trace, trace;desc=1").is_empty());
    assert!(others(b"").is_empty() && others(b" ,\t,").is_empty());
    assert!(!TraceResponse::has_metric(b"a, b, traces;desc=\"trace\""));
}

/// A parameter with or without a value, in quotes or not, that is no `desc`.
fn parameter() -> impl Strategy<Value = String> {
    let quoted = "[ -!#-\\[\\]-~\t]{0,12}|(\\\\[ -~]|[,;= ]|trace;desc=1){0,6}".prop_map(|text| format!("\"{text}\""));
    ("dur|x|descr|d", prop_oneof!["[a-z0-9.+-]{1,5}".boxed(), quoted.boxed()], ows(), ows())
        .prop_map(|(name, value, left, right)| format!("{name}{left}={right}{value}"))
}

fn ows() -> impl Strategy<Value = &'static str> {
    select(vec!["", "", " ", "\t", " \t "])
}

fn metric(name: &'static str) -> impl Strategy<Value = String> {
    (name, vec((ows(), ows(), parameter()), 0..3)).prop_map(|(name, parameters)| {
        let parameters = parameters.into_iter().map(|(left, right, parameter)| format!("{left};{right}{parameter}"));
        name + &parameters.collect::<String>()
    })
}

fn span() -> impl Strategy<Value = TraceParent> {
    (1..=u128::MAX, 1..=u64::MAX, any::<u8>()).prop_map(|(trace, span, flags)| {
        TraceParent::new(
            TraceId::from_u128(trace).unwrap(),
            SpanId::from_u64(span).unwrap(),
            TraceFlags::from_bits(flags),
        )
    })
}

fn check_any(field: &[u8]) -> Result<(), TestCaseError> {
    let result = TraceResponse::parse(field);
    if let Err(error) = result {
        prop_assert!(error.offset() <= field.len(), "{}", error);
    }
    prop_assert!(TraceResponse::has_metric(field) || result == Ok(None));
    let rest = others(field).join(&b", "[..]);
    prop_assert_eq!(TraceResponse::parse(&rest), Ok(None));
    prop_assert_eq!(others(&rest), others(field));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn what_is_written_is_read(span in span()) {
        let response = TraceResponse::new(span);
        prop_assert_eq!(TraceResponse::parse(&response.encode()), Ok(Some(response)));
        prop_assert_eq!(response.to_string().parse(), Ok(response));
        prop_assert_eq!((response.trace_id(), response.child_id()), (span.trace_id(), span.parent_id()));
        prop_assert_eq!(response.flags(), span.flags());
    }

    #[test]
    fn the_metric_is_found_among_any_others(
        span in span(),
        before in vec((metric("db|cache|traces|t"), ows(), ows()), 0..3),
        name in metric("[tT][rR][aA][cC][eE]"),
        space in (ows(), ows(), ows(), ows()),
        quoted in any::<bool>(),
        after in vec((metric("db|trace|xtrace"), ows(), ows()), 0..3),
    ) {
        let quote = if quoted { "\"" } else { "" };
        let ours = format!("{name}{};{}desc{}={}{quote}{span}{quote}", space.0, space.1, space.2, space.3);
        let before = before.iter().map(|(metric, left, right)| (metric, format!("{left}{metric}{right},")));
        let after = after.iter().map(|(metric, left, right)| (metric, format!("{right},{left}{metric}")));
        let (names, around): (Vec<_>, Vec<_>) = before.clone().chain(after).unzip();
        let (left, right) = around.split_at(before.len());
        let field = [&left.concat(), &*ours, &right.concat()].concat();
        prop_assert_eq!(parse(&field), Ok(Some(TraceResponse::new(span))), "{}", field);
        let rest = names.into_iter().map(String::as_bytes).filter(|metric| !TraceResponse::has_metric(metric));
        let rest: Vec<_> = rest.collect();
        prop_assert_eq!(others(field.as_bytes()), rest, "{}", field);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(field in vec(any::<u8>(), 0..100)) {
        check_any(&field)?;
    }

    #[test]
    fn fitting_pieces_do_no_harm(pieces in vec(select(vec![
        "trace", "Trace", "desc", "=", ";", ",", "\"", "\\", " ", "\t", "00-", VALUE, &VALUE[..54], "é", "dur",
        "trace;desc=", "trace;desc=\"",
    ]), 0..16)) {
        check_any(pieces.concat().as_bytes())?;
    }
}
