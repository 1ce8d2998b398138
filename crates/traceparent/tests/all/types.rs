//! Sizes, auto traits, `const` items and text forms: users rely on them as much as on values.

use std::{
    collections::HashSet,
    fmt::{Debug, Display},
    hash::Hash,
    mem::size_of,
    num::{NonZeroU64, NonZeroU128},
    str::FromStr,
};

use traceparent::{
    BudgetTooSmall, BufferTooSmall, Change, ErrorKind, Field, FieldValue, IdGenerator, IdsFrom, Incoming, Member,
    Members, Origin, OtValue, Outgoing, ParseError, Percent, Policy, RandomIdGenerator, Randomness, SpanId, Threshold,
    TraceContext, TraceFlags, TraceId, TraceParent, TraceState, TraceStateEdit, Trust, UnknownTrust, Version,
    sampler::{
        AlwaysOff, AlwaysOn, AttributeValue, Parent, ParentBased, ProbabilitySampler, Sampler, SamplingDecision,
        SamplingInput, SamplingResult, SpanDetails, SpanKind, ThresholdChange,
    },
};

use crate::common::{EXAMPLE, PARENT_ID, TRACE_ID};

const HEADER: TraceParent = TraceParent::from_static(EXAMPLE);
const TRACE: TraceId = TraceId::from_static(TRACE_ID);
const SPAN: SpanId = SpanId::from_static(PARENT_ID);
const MEMBER: Member = Member::from_static("rojo", " 1");
const LIST: TraceState = TraceState::from_static("rojo=1, congo=2");
const TENTH: Threshold = Threshold::from_ratio(1, 10).unwrap();
const PERCENT: Percent = Percent::from_static("12.5");
const CHILD: [u8; TraceParent::LENGTH] = HEADER.child(SPAN, false).encode();
const REFUSED: Option<ErrorKind> = match TraceParent::parse(b"00-") {
    Ok(_) => None,
    Err(error) => Some(error.kind()),
};
static POLICY: Policy<ProbabilitySampler> = Policy::new(ProbabilitySampler::from_percent(PERCENT));

#[test]
fn consts_hold_what_parsing_at_run_time_gives() {
    assert_eq!(EXAMPLE.parse(), Ok(HEADER));
    assert_eq!((HEADER.trace_id(), HEADER.parent_id()), (TRACE, SPAN));
    assert_eq!(MEMBER.to_string(), "rojo= 1");
    assert_eq!(LIST.len(), 2);
    assert_eq!(TENTH.to_string(), "e666");
    assert_eq!(PERCENT.to_string(), "12.5");
    assert!(CHILD.ends_with(b"-00"));
    assert_eq!(REFUSED, Some(ErrorKind::TooShort));
    assert!(POLICY.apply(Incoming::Absent, &RandomIdGenerator).parent_id().is_none());
}

#[test]
fn sizes_stay_small() {
    assert_eq!(size_of::<Option<TraceId>>(), 16);
    assert_eq!(size_of::<Option<SpanId>>(), 8);
    assert_eq!(size_of::<TraceParent>(), 32);
    assert_eq!(size_of::<Option<TraceParent>>(), 32);
    assert!(size_of::<Result<TraceParent, ParseError>>() <= 48);
    assert_eq!(size_of::<ParseError>(), 8);
    assert_eq!(size_of::<TraceFlags>(), 1);
    assert_eq!(size_of::<Version>(), 1);
    assert_eq!(size_of::<Threshold>(), 8);
    assert_eq!(size_of::<RandomIdGenerator>(), 0);
    assert!(size_of::<TraceState>() <= 4 * size_of::<usize>());
    assert!(size_of::<Incoming>() <= 96);
}

fn shared<T: Send + Sync>() {}
fn copied<T: Copy + Send + Sync + Debug>() {}
fn value<T: Copy + Eq + Hash + Debug + Send + Sync>() {}
fn error<T: std::error::Error + Send + Sync + 'static>() {}

#[test]
fn public_types_have_the_traits_expected_of_them() {
    value::<TraceParent>();
    value::<TraceId>();
    value::<SpanId>();
    value::<TraceFlags>();
    value::<Version>();
    value::<Threshold>();
    value::<Randomness>();
    value::<Percent>();
    value::<Member>();
    value::<ParseError>();
    value::<ErrorKind>();
    value::<Field>();
    value::<Trust>();
    value::<UnknownTrust>();
    value::<Origin>();
    value::<SamplingDecision>();
    value::<ThresholdChange>();
    value::<SpanKind>();
    value::<BufferTooSmall>();
    copied::<OtValue>();
    copied::<Change>();
    copied::<AttributeValue>();
    copied::<SamplingResult>();
    copied::<BudgetTooSmall>();
    copied::<RandomIdGenerator>();
    copied::<AlwaysOn>();
    copied::<AlwaysOff>();
    copied::<ProbabilitySampler>();
    copied::<ParentBased<AlwaysOn>>();
    copied::<Policy<AlwaysOn>>();
    copied::<IdsFrom<fn() -> u64>>();
    copied::<Parent>();
    shared::<TraceState>();
    shared::<TraceStateEdit>();
    shared::<TraceContext>();
    shared::<Incoming>();
    shared::<Outgoing>();
    shared::<FieldValue>();
    shared::<Members>();
    error::<ParseError>();
    error::<BufferTooSmall>();
    error::<BudgetTooSmall>();
    error::<UnknownTrust>();
}

#[test]
fn samplers_and_generators_are_object_safe() {
    let ids: &dyn IdGenerator = &RandomIdGenerator;
    let samplers: [Box<dyn Sampler + Send + Sync>; 2] = [Box::new(AlwaysOn), Box::new(AlwaysOff)];
    let sampled = samplers.each_ref().map(|sampler| {
        let input = SamplingInput::root(ids.new_trace_id()).with_span(SpanDetails::new("span"));
        sampler.should_sample(&input).decision.is_sampled()
    });
    assert_eq!(sampled, [true, false]);
    assert!(Policy::new(&samplers[0]).apply(Incoming::Absent, ids).decision().is_sampled());
}

#[track_caller]
fn assert_forms(value: impl Display + Debug, display: &str, debug: &str) {
    assert_eq!(value.to_string(), display);
    assert_eq!(format!("{value:?}"), debug);
}

#[test]
fn display_is_the_wire_form_and_debug_names_the_type() {
    assert_forms(TRACE, TRACE_ID, "TraceId(4bf92f3577b34da6a3ce929d0e0e4736)");
    assert_forms(SPAN, PARENT_ID, "SpanId(00f067aa0ba902b7)");
    assert_forms(TraceFlags::NONE, "00", "TraceFlags(NONE)");
    assert_forms(TraceFlags::SAMPLED, "01", "TraceFlags(SAMPLED)");
    assert_forms(TraceFlags::RANDOM, "02", "TraceFlags(RANDOM)");
    assert_forms(TraceFlags::from_bits(0xff), "03", "TraceFlags(SAMPLED | RANDOM)");
    assert_forms(Version::from_u8(0xcc).unwrap(), "cc", "Version(cc)");
    assert_forms(TENTH, "e666", "Threshold(e666)");
    assert_forms(Threshold::ALWAYS, "0", "Threshold(0)");
    assert_forms(Randomness::from_low_bits(0xff), "000000000000ff", "Randomness(000000000000ff)");
    assert_forms(PERCENT, "12.5", "Percent(12.5)");
    assert_forms(LIST, "rojo=1, congo=2", "TraceState(\"rojo=1, congo=2\")");
    assert_eq!(HEADER.to_string(), EXAMPLE);
    let version = HEADER.child(SPAN, true).version();
    assert_eq!(version, Version::V00);
}

#[test]
fn display_honours_width_fill_and_alignment() {
    assert_eq!(format!("{HEADER:>60}"), format!("     {EXAMPLE}"));
    assert_eq!(format!("{HEADER:_<57}"), format!("{EXAMPLE}__"));
    assert_eq!(format!("{TRACE:^34}"), format!(" {TRACE_ID} "));
    assert_eq!(format!("{SPAN:>18}"), format!("  {PARENT_ID}"));
    assert_eq!(format!("{TENTH:>6}|{TENTH:.2}"), "  e666|e6");
    assert_eq!(format!("{:>16}", Randomness::from_low_bits(1)), "  00000000000001");
    assert_eq!(format!("{LIST:>17}"), "  rojo=1, congo=2");
    assert_eq!(format!("{:>12}", ErrorKind::AllZero), "    all_zero");
    assert_eq!(format!("{:<10}|", Field::Version), "version   |");
}

#[test]
fn hex_has_all_digits_and_the_prefix_width_and_padding_of_integers() {
    assert_eq!(format!("{TRACE:x} {TRACE:X}"), format!("{TRACE_ID} {}", TRACE_ID.to_uppercase()));
    assert_eq!(format!("{SPAN:x} {SPAN:X}"), format!("{PARENT_ID} {}", PARENT_ID.to_uppercase()));
    assert_eq!(format!("{SPAN:#x} {SPAN:#X}"), "0x00f067aa0ba902b7 0x00F067AA0BA902B7");
    assert_eq!(format!("{:x}|{:#X}", TraceFlags::SAMPLED, TraceFlags::NONE), "01|0x00");
    assert_eq!(format!("{:x}|{:#X}", Version::from_u8(0xcd).unwrap(), Version::from_u8(0xcd).unwrap()), "cd|0xCD");

    // With a width that holds all digits, an ID and its number are written the same.
    let (trace, span) = (TRACE.to_u128(), SPAN.to_u64());
    assert_eq!(format!("{TRACE:032x}|{TRACE:#036X}"), format!("{trace:032x}|{trace:#036X}"));
    assert_eq!(format!("{TRACE:>40x}|{TRACE:_<40x}"), format!("{trace:>40x}|{trace:_<40x}"));
    assert_eq!(format!("{SPAN:016x}|{SPAN:#018x}|{SPAN:#024x}"), format!("{span:016x}|{span:#018x}|{span:#024x}"));
    assert_eq!(format!("{:016x}", SpanId::from_u64(1).unwrap()), "0000000000000001");
    assert_eq!(format!("{:x}", SpanId::from_u64(1).unwrap()), "0000000000000001");
}

/// The number, the number that is never zero, and the bytes of an ID lead back to it.
#[track_caller]
fn assert_leads_back<T, Int, NonZero, Bytes>(id: T, number: Int, nonzero: NonZero, bytes: Bytes)
where
    T: Copy + PartialEq + Debug + From<NonZero> + TryFrom<Int, Error = ParseError> + TryFrom<Bytes, Error = ParseError>,
    Int: From<T> + PartialEq + Debug + Copy,
    NonZero: From<T> + PartialEq + Debug + Copy,
    Bytes: From<T> + PartialEq + Debug + Copy,
{
    assert_eq!((Int::from(id), NonZero::from(id), Bytes::from(id)), (number, nonzero, bytes));
    assert_eq!((T::try_from(number), T::from(nonzero), T::try_from(bytes)), (Ok(id), id, Ok(id)));
}

#[test]
fn ids_convert_to_numbers_and_bytes_and_back() {
    const TRACE_NUMBER: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
    const SPAN_NUMBER: u64 = 0x00f0_67aa_0ba9_02b7;
    let trace_bytes = [0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36];
    let span_bytes = [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7];
    assert_leads_back(TRACE, TRACE_NUMBER, NonZeroU128::new(TRACE_NUMBER).unwrap(), trace_bytes);
    assert_leads_back(SPAN, SPAN_NUMBER, NonZeroU64::new(SPAN_NUMBER).unwrap(), span_bytes);
    let messages = [
        TraceId::try_from(0_u128).unwrap_err(),
        TraceId::try_from([0; 16]).unwrap_err(),
        SpanId::try_from(0_u64).unwrap_err(),
        SpanId::try_from([0; 8]).unwrap_err(),
    ]
    .map(|error| error.to_string());
    assert_eq!(
        messages,
        ["trace-id is all zeroes", "trace-id is all zeroes", "span-id is all zeroes", "span-id is all zeroes"]
    );
}

#[test]
fn versions_and_flags_convert_to_their_byte() {
    for byte in 0..=u8::MAX {
        assert_eq!(u8::from(TraceFlags::from_bits(byte)), byte & 3);
        assert_eq!(Version::try_from(byte).ok().map(u8::from), (byte != 0xff).then_some(byte));
    }
    assert_eq!(Version::try_from(0xff).unwrap_err().kind(), ErrorKind::ForbiddenVersion);
}

/// What `Display` writes, `FromStr` and `TryFrom<&str>` read.
#[track_caller]
fn assert_reads_what_it_writes<T>(value: &T, wrong: &'static str)
where
    T: Display + Debug + PartialEq + FromStr<Err = ParseError> + TryFrom<&'static str, Error = ParseError>,
{
    let text: &'static str = value.to_string().leak();
    assert_eq!(text.parse().as_ref(), Ok(value));
    assert_eq!(T::try_from(text).as_ref(), Ok(value));
    let error = wrong.parse::<T>().unwrap_err();
    assert_eq!(T::try_from(wrong), Err(error));
}

#[test]
fn types_with_a_text_form_are_read_as_they_are_written() {
    assert_reads_what_it_writes(&TRACE, PARENT_ID);
    assert_reads_what_it_writes(&SPAN, TRACE_ID);
    assert_reads_what_it_writes(&(TraceFlags::SAMPLED | TraceFlags::RANDOM), "0A");
    assert_reads_what_it_writes(&Version::from_u8(0xcc).unwrap(), "ff");
    assert_reads_what_it_writes(&TENTH, "E");
    assert_reads_what_it_writes(&Randomness::from_low_bits(0xff), "ff");
    assert_reads_what_it_writes(&PERCENT, "100.1");
}

#[test]
fn literals_are_parsed_at_compile_time() {
    const THRESHOLD: Threshold = Threshold::from_static("e666");
    const RANDOMNESS: Randomness = Randomness::from_static("ce929d0e0e4736");
    assert_eq!((THRESHOLD, RANDOMNESS), (TENTH, TRACE.randomness()));
    assert_eq!(PERCENT.threshold(), Threshold::from_ratio(1, 8));
    assert_eq!((TraceFlags::SAMPLED.encode(), Version::V00.encode()), (*b"01", *b"00"));
}

#[test]
#[should_panic = "not a valid percentage"]
fn a_percentage_that_does_not_parse_is_refused_loudly() {
    let _ = Percent::from_static("101");
}

#[test]
#[should_panic = "not a valid threshold"]
fn a_threshold_that_does_not_parse_is_refused_loudly() {
    let _ = Threshold::from_static("");
}

#[test]
#[should_panic = "not a valid randomness value"]
fn a_randomness_value_that_does_not_parse_is_refused_loudly() {
    let _ = Randomness::from_static("ff");
}

#[test]
fn equal_lists_may_differ_in_white_space_only() {
    assert_eq!(LIST, TraceState::from_static(" rojo=1,,\tcongo=2 "));
    assert_ne!(LIST, TraceState::from_static("rojo=1,congo= 2"));
    assert_ne!(LIST, TraceState::from_static("congo=2,rojo=1"));
    assert_eq!(TraceState::default(), TraceState::from_static(" , "));
}

#[test]
fn ids_order_and_hash_by_their_number() {
    let ids = [1_u128, 2, 1 << 64, u128::MAX].map(|number| TraceId::from_u128(number).unwrap());
    assert!(ids.is_sorted());
    assert_eq!(HashSet::from(ids).len(), 4);
    assert_eq!((TraceId::from_u128(0), SpanId::from_u64(0)), (None, None));
    assert_eq!(TraceId::from_bytes(TRACE.to_bytes()), Some(TRACE));
    assert_eq!(SpanId::from_bytes(SPAN.to_bytes()), Some(SPAN));
}

#[test]
fn flags_hold_the_two_known_bits_only() {
    // W3C 7, 14, 16, 27
    for bits in 0..=u8::MAX {
        let flags = TraceFlags::from_bits(bits);
        assert_eq!(flags.bits(), bits & 3);
        assert_eq!((flags.is_sampled(), flags.is_random()), (bits & 1 != 0, bits & 2 != 0));
        assert_eq!(flags.with_sampled(true).bits(), bits & 2 | 1);
        assert_eq!(flags.with_sampled(false).bits(), bits & 2);
        assert_eq!(flags.with_random(true).bits(), bits & 1 | 2);
        assert_eq!(flags.with_random(false).bits(), bits & 1);
        assert_eq!(TraceFlags::parse(format!("{bits:02x}").as_bytes()), Ok(flags));
        let version = Version::parse(format!("{bits:02x}").as_bytes());
        assert_eq!(version.ok(), Version::from_u8(bits));
    }
    assert_eq!(Version::from_u8(0xff), None);
}
