//! The `ot` member of a trace that is continued, resampled or restarted.

use std::cell::Cell;

use traceparent::{
    Change, IdsFrom, Incoming, Member, Policy, Trust,
    sampler::{
        AlwaysOff, AlwaysOn, ProbabilitySampler, Sampler, SamplingDecision, SamplingInput, SamplingResult,
        ThresholdChange,
    },
};

use crate::common::{EXAMPLE, TRACE_ID};

/// The example's randomness is ce929d0e0e4736, between the thresholds of 1/4 and 1/5.
const _: () = assert!(TRACE_ID.as_bytes()[18] == b'c' && TRACE_ID.as_bytes()[19] == b'e');
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

fn out(sampler: impl Sampler, trust: Trust, header: &str, list: &str) -> String {
    let counter = Cell::new(0);
    let ids = IdsFrom::new(|| {
        counter.set(counter.get() + 1);
        counter.get()
    });
    let incoming = Incoming::from_fields([header.as_bytes()], [list.as_bytes()]);
    Policy::new(sampler).with_trust(trust).apply(incoming, &ids).tracestate().to_string()
}

#[track_caller]
fn assert_continued(list: &str, expected: &str) {
    assert_eq!(out(AlwaysOff, Trust::Continue, EXAMPLE, list), expected);
}

fn ratio(numerator: u64, denominator: u64) -> ProbabilitySampler {
    ProbabilitySampler::from_ratio(numerator, denominator).unwrap()
}

#[test]
fn a_consistent_threshold_is_kept_byte_for_byte() {
    for list in ["rojo=1 , ot=th:c ,rojo=2", "ot=th:c0;x:new", "ot=x:1;th:ce929d0e0e4736", "ot=rv:d0000000000000;th:d"]
    {
        assert_continued(list, list);
    }
}

#[test]
fn a_list_without_a_threshold_is_kept_byte_for_byte() {
    for list in ["rojo=1 , congo=2,,rojo=3", "ot=x:1", "ot=rv:00000000000000, a=1"] {
        assert_continued(list, list);
        assert_eq!(out(AlwaysOn, Trust::Continue, UNSAMPLED, list), list);
    }
}

// OTel 4, 13
#[test]
fn a_threshold_that_rejects_the_randomness_is_erased() {
    assert_continued("rojo=1 , ot=th:cf;x:1", "ot=x:1,rojo=1");
    assert_continued("rojo=1,ot=th:ce929d0e0e4737", "rojo=1");
    assert_continued("ot=th:c;rv:b0000000000000,rojo=1", "ot=rv:b0000000000000,rojo=1");
}

// OTel 4, 14
#[test]
fn a_threshold_is_removed_from_what_is_not_sampled() {
    assert_eq!(out(AlwaysOn, Trust::Continue, UNSAMPLED, "rojo=1,ot=th:0;x:1"), "ot=x:1,rojo=1");
    assert_eq!(out(AlwaysOn, Trust::Continue, UNSAMPLED, "rojo=1,ot=th:0"), "rojo=1");
    assert_eq!(
        out(AlwaysOff, Trust::Resample, EXAMPLE, "rojo=1,ot=th:0;rv:f0000000000000"),
        "ot=rv:f0000000000000,rojo=1"
    );
}

// OTel 10
#[test]
fn a_malformed_threshold_goes_and_a_good_randomness_stays() {
    for th in ["th:", "th:C", "th:x", "th:000000000000000", "th:8;th:8"] {
        assert_continued(&format!("rojo=1,ot={th};rv:d0000000000000;x:1"), "ot=rv:d0000000000000;x:1,rojo=1");
    }
}

#[test]
fn a_malformed_randomness_goes_and_a_good_threshold_stays() {
    for rv in ["rv:", "rv:d", "rv:D0000000000000", "rv:d00000000000000", "rv:d0000000000000;rv:d0000000000000"] {
        assert_continued(&format!("rojo=1,ot=th:c;{rv};x:1"), "ot=th:c;x:1,rojo=1");
    }
}

// OTel 10
#[test]
fn where_both_are_malformed_other_sub_keys_stay() {
    assert_continued("rojo= 1,ot=th:x;rv:x;x:1, congo=2", "ot=x:1,rojo= 1,congo=2");
    assert_continued("ot=th:xx;rv:zz;keep:me", "ot=keep:me");
    assert_continued("ot=th:8;th:8;rv:80000000000000;rv:80000000000000;keep:me", "ot=keep:me");
    assert_continued("rojo= 1,ot=th:x;rv:x, congo=2", "rojo= 1,congo=2");
}

// OTel 5
#[test]
fn a_malformed_unknown_part_goes_alone() {
    assert_continued("ot=th:c;Bad:1;x:1", "ot=th:c;x:1");
    assert_continued("ot=junk", "");
}

// OTel 6, 12
#[test]
fn a_resampling_stage_writes_its_own_threshold() {
    assert_eq!(out(ratio(1, 4), Trust::Resample, UNSAMPLED, "rojo=1"), "ot=th:c,rojo=1");
    assert_eq!(out(ratio(1, 2), Trust::Resample, EXAMPLE, "rojo=1,ot=th:c;x:1"), "ot=th:8;x:1,rojo=1");
    assert_eq!(out(ratio(1, 1), Trust::Resample, EXAMPLE, ""), "ot=th:0");
    assert_eq!(out(ratio(1, 4), Trust::Resample, EXAMPLE, "rojo=1 , ot=th:c"), "rojo=1 , ot=th:c");
}

// OTel 14
#[test]
fn a_resampling_stage_that_drops_removes_the_threshold() {
    assert_eq!(out(ratio(1, 10), Trust::Resample, EXAMPLE, "rojo=1,ot=th:c;x:1"), "ot=x:1,rojo=1");
    assert_eq!(out(ratio(0, 1), Trust::Resample, EXAMPLE, "rojo=1,ot=th:0"), "rojo=1");
}

// OTel 3, 4
#[test]
fn a_resampling_stage_honours_the_explicit_randomness() {
    let list = |rv| format!("ot=rv:{rv}");
    assert_eq!(out(ratio(1, 10), Trust::Resample, EXAMPLE, &list("e6660000000000")), "ot=th:e666;rv:e6660000000000");
    assert_eq!(out(ratio(1, 10), Trust::Resample, EXAMPLE, &list("e665ffffffffff")), "ot=rv:e665ffffffffff");
}

// OTel 12
#[test]
fn a_threshold_of_unknown_probability_is_erased() {
    struct Unknown;
    impl Sampler for Unknown {
        fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
            SamplingResult::new(SamplingDecision::RecordAndSample).with_threshold(ThresholdChange::Erase)
        }
    }
    assert_eq!(out(Unknown, Trust::Resample, EXAMPLE, "ot=th:c;x:1,rojo=1"), "ot=x:1,rojo=1");
}

// OTel 7
#[test]
fn a_threshold_that_does_not_fit_256_characters_is_not_written() {
    let full = format!("x:{}", "v".repeat(254));
    let list = format!("rojo=1,ot={full}");
    assert_eq!(out(ratio(1, 2), Trust::Resample, EXAMPLE, &list), format!("ot={full},rojo=1"));
    // Nor is the old one left there, which would be false.
    let list = format!("ot=x:{};th:0", "v".repeat(254 - 5));
    let kept = out(ratio(1, 3), Trust::Resample, EXAMPLE, &list);
    assert!(!kept.contains("th:0") && kept.len() <= 3 + 256);
}

#[test]
fn a_new_trace_has_the_threshold_of_its_sampler() {
    assert_eq!(out(ratio(1, 1), Trust::Restart, EXAMPLE, "rojo=1"), "ot=th:0");
    assert_eq!(out(AlwaysOn, Trust::Restart, EXAMPLE, "rojo=1,ot=th:8"), "");
    // Trace-id 1, 2 has next to no randomness.
    assert_eq!(out(ratio(1, 2), Trust::Restart, EXAMPLE, "ot=rv:f0000000000000"), "");
}

#[test]
fn a_change_that_names_ot_overrides_the_decision() {
    let incoming = Incoming::from_fields([EXAMPLE.as_bytes()], [&b"ot=th:ff,rojo=1"[..]]);
    let changes = [Change::Set(Member::from_static("ot", "x:2"))];
    let others = [Change::Set(Member::from_static("ours", "1"))];
    let ids = IdsFrom::new(|| 7);
    let outgoing = Policy::new(AlwaysOn).apply(incoming, &ids);
    assert_eq!(outgoing.clone().edit(&changes).tracestate().to_string(), "ot=x:2,rojo=1");
    assert_eq!(outgoing.edit(&others).tracestate().to_string(), "ours=1,rojo=1");

    let outgoing = Policy::new(ratio(1, 1))
        .with_trust(Trust::Resample)
        .apply(Incoming::from_fields([EXAMPLE.as_bytes()], [&b"rojo=1"[..]]), &ids);
    assert_eq!(outgoing.tracestate().to_string(), "ot=th:0,rojo=1");
    assert_eq!(outgoing.edit(&changes).tracestate().to_string(), "ot=x:2,rojo=1");
}

#[test]
fn children_carry_the_threshold_on() {
    let incoming = Incoming::from_fields([EXAMPLE.as_bytes()], [&b"rojo=1,ot=th:0"[..]]);
    let policy = Policy::new(ratio(1, 4)).with_trust(Trust::Resample);
    let ids = IdsFrom::new(|| 7);
    let server = policy.apply(incoming, &ids);
    assert_eq!(server.child(&ids).child(&ids).tracestate().to_string(), "ot=th:c,rojo=1");
    assert_eq!(server.into_owned().child(&ids).tracestate().to_string(), "ot=th:c,rojo=1");
}
