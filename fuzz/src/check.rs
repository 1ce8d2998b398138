use traceparent::{TraceParent, trim_ows};

use crate::explain::assert_printable;

/// The first byte is the length of blocks: whatever it is, the report is the same. A line with a `traceparent` has the
/// verdict of the library.
///
/// # Panics
///
/// Where that is not so.
pub fn check(input: &[u8]) {
    let Some((block, text)) = input.split_first() else { return };
    let whole = traceparent_cli::fuzz::check(text, 1 << 20);
    assert_eq!(traceparent_cli::fuzz::check(text, usize::from(*block)), whole);
    assert_printable(&whole.0);
    assert_printable(&whole.1);

    let value: Vec<u8> = text.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r' | b'\\')).collect();
    let (report, _) = traceparent_cli::fuzz::check(&[b"traceparent: ", &value[..], b"\n"].concat(), 1 << 20);
    let value = trim_ows(&value);
    let verdict = match TraceParent::parse(value) {
        // Longer values are counted without a verdict.
        _ if text.len() > 16 << 10 => return,
        _ if [&b""[..], b"-", b"null", b"None"].contains(&value) => "1 empty",
        Ok(_) => "1 valid",
        Err(_) => "1 invalid",
    };
    assert_eq!(report.lines().nth(2), Some(format!("traceparent  {verdict}").as_str()), "{report}");
}
