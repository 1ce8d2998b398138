use traceparent::{ErrorKind, OtValue, Percent, Randomness, Threshold, TraceState};

use crate::naive;

/// The `ot` member is read as the naive reader does, what is written can be read again, and setting sub-keys
/// changes no other.
pub fn ot(input: &[u8]) {
    numbers(input);
    let Ok(text) = std::str::from_utf8(input) else { return };
    let expected = naive::ot(text);
    let ot = OtValue::read(text);
    assert_eq!(said(&ot), (expected.threshold, expected.randomness));
    assert_eq!(ot.error().is_none(), expected.clean);
    assert_eq!(
        ot.is_empty(),
        expected.threshold.is_none() && expected.randomness.is_none() && expected.others.is_empty()
    );
    assert!(ot.error().is_none_or(|error| error.offset() <= text.len()));
    for (key, _) in &expected.others {
        let first = expected.others.iter().find(|(other, _)| other == key);
        assert_eq!(ot.get(key), first.map(|(_, value)| value.as_str()));
    }

    let written = ot.to_string();
    assert_eq!(written.len(), ot.len());
    let again = naive::ot(&written);
    assert!(again.clean || written.is_empty());
    assert_eq!(
        (again.threshold, again.randomness, again.others),
        (expected.threshold, expected.randomness, expected.others)
    );
    if expected.clean {
        assert!(written.len() <= text.len());
    }

    let threshold =
        Threshold::from_bits(input.iter().fold(7, |sum, byte| (sum * 31 + u64::from(*byte)) % (1 << 56))).unwrap();
    let length = |th: &str| {
        ot.without_threshold().len() + usize::from(!ot.without_threshold().is_empty()) + "th:".len() + th.len()
    };
    match ot.with_threshold(threshold) {
        Ok(with) => {
            assert_eq!(with.threshold(), Some(threshold));
            assert_eq!(with.without_threshold().to_string(), ot.without_threshold().to_string());
            assert_eq!(naive::ot(&with.to_string()).threshold, Some(threshold.to_bits()));
            assert!(with.len() <= OtValue::MAX_LENGTH);
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::TooLong);
            assert!(length(&threshold.to_string()) > OtValue::MAX_LENGTH);
        }
    }
    let randomness = Randomness::from_low_bits(threshold.to_bits().rotate_left(17));
    match ot.with_randomness(randomness) {
        Ok(with) => assert_eq!(naive::ot(&with.to_string()).randomness, Some(randomness.to_bits())),
        Err(error) if ot.randomness().is_some() => assert_eq!(error.kind(), ErrorKind::Repeated),
        Err(error) => assert_eq!(error.kind(), ErrorKind::TooLong),
    }

    // The same within a list.
    let list = format!("a=1,ot={text}");
    if let Ok(state) = TraceState::parse(list.as_bytes()) {
        let text = text.trim_end_matches([' ', '\t']);
        let alone = !text.contains(',');
        assert!(!alone || state.ot().map(|ot| said(&ot)) == Some(said(&OtValue::read(text))));
    }
}

fn said(ot: &OtValue<'_>) -> (Option<u64>, Option<u64>) {
    (ot.threshold().map(Threshold::to_bits), ot.randomness().map(Randomness::to_bits))
}

/// Thresholds, randomness values and percentages on their own.
fn numbers(input: &[u8]) {
    let hex = |length: usize| {
        let valid = input.len() == length && input.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| u64::from_str_radix(std::str::from_utf8(input).unwrap(), 16).unwrap())
    };
    let threshold = (1..=14).find_map(|length| hex(length).map(|bits| bits << (4 * (14 - length))));
    assert_eq!(Threshold::parse(input).ok().map(Threshold::to_bits), threshold);
    assert_eq!(Randomness::parse(input).ok().map(Randomness::to_bits), hex(14));
    if let Ok(threshold) = Threshold::parse(input) {
        assert_eq!(threshold.to_string().parse(), Ok(threshold));
        assert_eq!(threshold.rounded(14), threshold);
        let rounded = threshold.rounded(Threshold::DEFAULT_PRECISION);
        assert_eq!(rounded.rounded(Threshold::DEFAULT_PRECISION), rounded);
    }

    let text = std::str::from_utf8(input).unwrap_or_default();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let millionths = (digits(whole) && digits(fraction) && fraction.len() <= 6)
        .then(|| format!("{whole}{fraction:0<6}").trim_start_matches('0').to_owned())
        .filter(|number| number.len() <= 9)
        .map(|number| number.parse::<u32>().unwrap_or_default())
        .filter(|number| *number <= 100_000_000);
    let percent = Percent::parse(input).ok();
    assert_eq!(percent.is_some(), millionths.is_some());
    if let (Some(percent), Some(millionths)) = (percent, millionths) {
        assert_eq!(percent.to_string().parse(), Ok(percent));
        assert_eq!(percent.to_string().parse::<f64>().unwrap(), f64::from(millionths) / 1e6);
        assert_eq!(percent.threshold(), Threshold::from_ratio(millionths.into(), 100_000_000));
    }
}
