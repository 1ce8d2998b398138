//! Sizes, auto traits, `const` items and text forms: users rely on them as much as on values.

use std::{
    collections::HashSet,
    fmt::{Debug, Display},
    hash::Hash,
    mem::size_of,
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
const PERCENT: Percent = match Percent::parse(b"12.5") {
    Ok(percent) => percent,
    Err(_) => Percent::ZERO,
};
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
