//! Thresholds, randomness, percentages and the value of the `ot` member.

use proptest::prelude::*;
use traceparent::{OtValue, Percent, Randomness, Threshold};

const LIMIT: u64 = 1 << 56;

/// `2^56 - round(n * 2^56 / d)` by long division, one bit at a time.
fn naive_from_ratio(numerator: u64, denominator: u64) -> Option<u64> {
    let (mut rest, denominator) = (u128::from(numerator), u128::from(denominator));
    let mut kept = u64::from(rest >= denominator);
    rest -= u128::from(kept) * denominator;
    for _ in 0..56 {
        rest *= 2;
        let bit = rest >= denominator;
        rest -= u128::from(bit) * denominator;
        kept = kept * 2 + u64::from(bit);
    }
    kept += u64::from(rest * 2 >= denominator);
    (kept > 0).then(|| LIMIT - kept)
}

/// Rounds the 14 digits as text.
fn naive_rounded(bits: u64, digits: usize) -> u64 {
    let text = format!("{bits:014x}");
    let kept = text.len() - text.trim_start_matches('f').len() + digits.max(1);
    if kept >= 14 {
        return bits;
    }
    let up = text.as_bytes()[kept] >= b'8';
    let number = u64::from_str_radix(&text[..kept], 16).unwrap() + u64::from(up);
    u64::from_str_radix(&format!("{number:0kept$x}{}", "0".repeat(14 - kept)), 16).unwrap()
}

fn ratio() -> impl Strategy<Value = (u64, u64)> {
    let up_to = |limit: u64| (1..=limit).prop_flat_map(|d| (0..=d, Just(d)));
    prop_oneof![up_to(100), up_to(100_000_000), up_to(u64::MAX)]
}

fn bits() -> impl Strategy<Value = u64> {
    (0..LIMIT, 0..15_u32).prop_map(|(bits, fs)| (bits | !(u64::MAX >> (4 * fs)) >> 8) & (LIMIT - 1))
}

// OTel 2, 11
#[test]
fn probabilities_have_the_specifications_thresholds() {
    for (n, d, th) in [
        (1, 1, "0"),
        (1, 2, "8"),
        (1, 4, "c"),
        (1, 5, "cccd"),
        (1, 8, "e"),
        (1, 10, "e666"),
        (1, 16, "f"),
        (1, 100, "fd70a"),
        (1, 1000, "ffbe77"),
        (3, 4, "4"),
        (2, 3, "5555"),
        (1, 3, "aaab"),
    ] {
        let threshold = Threshold::from_ratio(n, d).unwrap();
        assert_eq!(threshold.to_string(), th, "{n}/{d}");
        assert_eq!(Threshold::from_probability(n as f64 / d as f64), Some(threshold), "{n}/{d}");
        assert_eq!(Threshold::parse(th.as_bytes()), Ok(threshold));
    }
}

// OTel 1, 2
#[test]
fn what_is_no_probability_has_no_threshold() {
    for (n, d) in [(0, 1), (0, 0), (1, 0), (2, 1), (u64::MAX, 1), (1, u64::MAX)] {
        assert_eq!(Threshold::from_ratio(n, d), None, "{n}/{d}");
    }
    for p in [0.0, -0.0, -1.0, 1.000_000_1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE] {
        assert_eq!(Threshold::from_probability(p), None, "{p}");
    }
    assert_eq!(Threshold::from_ratio(1, LIMIT).unwrap().to_bits(), LIMIT - 1);
    assert_eq!(Threshold::from_probability(2f64.powi(-57)), None);
    assert_eq!(Threshold::from_ratio_exact(1, (1 << 56) + 1), None);
    assert_eq!(Threshold::from_ratio_exact(1, 1 << 56).unwrap().to_bits(), LIMIT - 1);
    assert_eq!(Threshold::from_probability(2f64.powi(-56)).unwrap().to_bits(), LIMIT - 1);
    assert_eq!(Threshold::from_probability(1.5 * 2f64.powi(-56)).unwrap().to_bits(), LIMIT - 2);
    assert_eq!(Randomness::parse(b"0123456789abcd").unwrap().to_bits(), 0x01_2345_6789_abcd);
    assert_eq!((Threshold::from_bits(LIMIT), Randomness::from_bits(LIMIT)), (None, None));
}

// OTel 8, 9
#[test]
fn thresholds_are_one_to_fourteen_digits_zeroes_added_on_the_right() {
    for (text, bits) in
        [("0", 0), ("8", LIMIT / 2), ("80", LIMIT / 2), ("00000000000001", 1), ("ffffffffffffff", LIMIT - 1)]
    {
        assert_eq!(text.parse::<Threshold>().unwrap().to_bits(), bits);
    }
    for text in ["", "F", "0x8", "8 ", " 8", "8.", "000000000000000", "g", "\u{663}"] {
        assert!(text.parse::<Threshold>().is_err(), "{text}");
    }
    for text in ["", "8", "ffffffffffffF0", "000000000000000", "0000000000000", "0000000000000g"] {
        assert!(text.parse::<Randomness>().is_err(), "{text}");
    }
}

// OTel 1
#[test]
fn the_threshold_itself_is_kept_and_the_number_below_is_not() {
    let threshold = Threshold::from_bits(5).unwrap();
    let kept = [4, 5, 6].map(|bits| threshold.keeps(Randomness::from_bits(bits).unwrap()));
    assert_eq!(kept, [false, true, true]);
    assert!(Threshold::ALWAYS.keeps(Randomness::from_low_bits(0)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    // OTel 2
    #[test]
    fn ratios_are_what_long_division_says((n, d) in ratio()) {
        let exact = Threshold::from_ratio_exact(n, d);
        prop_assert_eq!(exact.map(Threshold::to_bits), naive_from_ratio(n, d));
        prop_assert_eq!(Threshold::from_ratio(n, d), exact.map(|th| th.rounded(Threshold::DEFAULT_PRECISION)));
    }

    // OTel 11
    #[test]
    fn rounding_is_what_the_digits_say(bits in bits(), digits in 0..20_u32) {
        let rounded = Threshold::from_bits(bits).unwrap().rounded(digits);
        prop_assert_eq!(rounded.to_bits(), naive_rounded(bits, digits as usize));
        prop_assert_eq!(rounded.rounded(digits), rounded);
    }

    // OTel 8, 9
    #[test]
    fn thresholds_and_randomness_round_trip(bits in bits()) {
        let threshold = Threshold::from_bits(bits).unwrap();
        let text = threshold.to_string();
        prop_assert_eq!(text.parse(), Ok(threshold));
        prop_assert!(text == "0" || !text.ends_with('0'));
        let randomness = Randomness::from_bits(bits).unwrap();
        prop_assert_eq!(randomness.to_string().parse(), Ok(randomness));
        prop_assert_eq!(randomness.to_string(), format!("{bits:014x}"));
    }

    #[test]
    fn a_larger_share_has_no_larger_threshold((n, d) in ratio(), (m, e) in ratio(), r in 0..LIMIT) {
        let smaller = u128::from(n) * u128::from(e) <= u128::from(m) * u128::from(d);
        let (p, q) = if smaller { ((n, d), (m, e)) } else { ((m, e), (n, d)) };
        let (Some(p), Some(q)) = (Threshold::from_ratio(p.0, p.1), Threshold::from_ratio(q.0, q.1)) else {
            return Ok(());
        };
        prop_assert!(p >= q);
        // What is kept at a share is kept at every larger one.
        let randomness = Randomness::from_low_bits(r);
        prop_assert!(!p.keeps(randomness) || q.keeps(randomness));
    }

    #[test]
    fn binary_fractions_have_the_same_threshold_as_their_ratio(n in 1..=1_u64 << 53, k in 53..=56_i32) {
        let probability = n as f64 / 2f64.powi(k);
        prop_assert_eq!(Threshold::from_probability(probability), Threshold::from_ratio(n, 1 << k));
    }

    #[test]
    fn probability_and_adjusted_count_belong_together(bits in bits()) {
        let threshold = Threshold::from_bits(bits).unwrap();
        let (probability, count) = (threshold.probability(), threshold.adjusted_count());
        prop_assert!(probability > 0.0 && probability <= 1.0 && count >= 1.0);
        prop_assert!((probability * count - 1.0).abs() < 1e-12);
    }

    #[test]
    fn percentages_round_trip_and_have_the_threshold_of_their_ratio(millionths in 0..=100_000_000_u64) {
        let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
        let percent: Percent = text.parse().unwrap();
        let shortest = text.trim_end_matches('0').trim_end_matches('.');
        prop_assert_eq!(percent.to_string(), shortest);
        prop_assert_eq!(shortest.parse(), Ok(percent));
        prop_assert_eq!(percent.threshold(), Threshold::from_ratio(millionths, 100_000_000));
        prop_assert_eq!(Threshold::from_percent(percent), percent.threshold());
    }

    #[test]
    fn any_ot_value_is_read_and_what_is_written_reads_the_same(text in "(th|rv|x|Y|a1)?:?[0-9a-fA-F;:.]{0,20}(;rv:[0-9a-f]{13,15})?(;th:[0-9a-f]{0,3})?") {
        let ot = OtValue::read(&text);
        let written = ot.to_string();
        prop_assert_eq!(ot.len(), written.len());
        prop_assert_eq!(ot.is_empty(), written.is_empty());
        let again = OtValue::read(&written);
        prop_assert_eq!(again.error(), None);
        prop_assert_eq!((again.threshold(), again.randomness()), (ot.threshold(), ot.randomness()));
        prop_assert_eq!(again.to_string(), written);
    }
}

// OTel 2
#[test]
fn one_threshold_has_its_own_adjusted_count() {
    for (n, d, count) in [(1, 1, 1.0), (1, 2, 2.0), (1, 4, 4.0), (1, 1 << 20, 1_048_576.0)] {
        assert_eq!(Threshold::from_ratio(n, d).unwrap().adjusted_count(), count);
        assert_eq!(Threshold::from_ratio(n, d).unwrap().probability(), 1.0 / count);
    }
}

#[test]
fn percentages_are_digits_and_at_most_six_decimals_up_to_100() {
    for (text, shown) in
        [("0", "0"), ("0.0", "0"), ("007", "7"), ("12.50", "12.5"), ("0.000001", "0.000001"), ("100.000000", "100")]
    {
        assert_eq!(text.parse::<Percent>().unwrap().to_string(), shown);
    }
    for text in [
        "",
        ".",
        ".5",
        "5.",
        "-1",
        "+1",
        "1e2",
        "1,5",
        " 1",
        "1 ",
        "1%",
        "100.000001",
        "101",
        "0.0000001",
        "NaN",
        "1.2.3",
        "99999999999999999999999999",
    ] {
        assert!(text.parse::<Percent>().is_err(), "{text}");
    }
    assert_eq!("100".parse(), Ok(Percent::HUNDRED));
    assert_eq!((Percent::new(100), Percent::new(101)), (Some(Percent::HUNDRED), None));
    assert_eq!((Percent::ZERO.threshold(), Percent::HUNDRED.threshold()), (None, Some(Threshold::ALWAYS)));
}

// OTel 5, 6, 10
#[test]
fn the_ot_value_is_read_by_the_rules() {
    for (text, th, rv, written, malformed) in [
        ("", None, None, "", false),
        ("th:c", Some("c"), None, "th:c", false),
        ("th:c0", Some("c"), None, "th:c", false),
        ("th:0", Some("0"), None, "th:0", false),
        ("rv:00000000000001", None, Some("00000000000001"), "rv:00000000000001", false),
        ("x:1;rv:00000000000001;y:;th:c", Some("c"), Some("00000000000001"), "th:c;rv:00000000000001;x:1;y:", false),
        ("x:A-z_0.9", None, None, "x:A-z_0.9", false),
        ("th:C;rv:00000000000001", None, Some("00000000000001"), "rv:00000000000001", true),
        ("th:c;rv:1", Some("c"), None, "th:c", true),
        ("th:C;rv:1;x:1", None, None, "x:1", true),
        ("th:c;th:c", None, None, "", true),
        ("x:1;X:1;1x:1;x1:1", None, None, "x:1;x1:1", true),
        ("x:1;;y:2", None, None, "x:1;y:2", true),
        ("x:a b", None, None, "", true),
        ("x", None, None, "", true),
        (":1", None, None, "", true),
        ("thx:c", None, None, "thx:c", false),
    ] {
        let ot = OtValue::read(text);
        assert_eq!(ot.threshold().map(|th| th.to_string()).as_deref(), th, "{text}");
        assert_eq!(ot.randomness().map(|rv| rv.to_string()).as_deref(), rv, "{text}");
        assert_eq!((ot.to_string().as_str(), ot.error().is_some()), (written, malformed), "{text}");
    }
}

#[test]
fn of_unknown_sub_keys_the_left_most_of_a_name_answers() {
    assert_eq!(OtValue::read("x:1;y:2;x:3").get("x"), Some("1"));
    assert_eq!(OtValue::read("x:1").get("y"), None);
    assert_eq!(OtValue::read("th:c").get("th"), None);
}

// OTel 5
#[test]
fn of_a_value_of_more_than_256_characters_nothing_is_kept() {
    let text = |length: usize| format!("th:8;x:{}", "v".repeat(length - 7));
    assert_eq!(OtValue::read(&text(256)).threshold(), Threshold::from_ratio(1, 2));
    let long = text(257);
    let ot = OtValue::read(&long);
    assert!(ot.is_empty() && ot.threshold().is_none());
    assert_eq!(ot.error().unwrap().to_string(), "ot member is too long: it has to end before offset 256");
}

// OTel 5, 7
#[test]
fn a_set_that_overflows_256_characters_is_refused() {
    let text = format!("x:{}", "v".repeat(256 - 2 - 5));
    let ot = OtValue::read(&text);
    assert_eq!(ot.with_threshold(Threshold::ALWAYS).unwrap().len(), 256);
    assert!(ot.with_threshold(Threshold::from_ratio(1, 10).unwrap()).is_err());
    assert!(ot.with_randomness(Randomness::from_low_bits(1)).is_err());
    assert_eq!(ot.to_string(), text);
}

// OTel 4
#[test]
fn randomness_is_never_overwritten() {
    let ot = OtValue::read("rv:00000000000001;x:1");
    assert!(ot.with_randomness(Randomness::from_low_bits(1)).is_err());
    let inserted = OtValue::read("x:1").with_randomness(Randomness::from_low_bits(0xab)).unwrap();
    assert_eq!(inserted.to_string(), "rv:000000000000ab;x:1");
    assert_eq!(ot.without_threshold().to_string(), "rv:00000000000001;x:1");
}
