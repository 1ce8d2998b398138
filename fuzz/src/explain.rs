use traceparent::{TraceParent, trim_ows};

/// Any text is explained in printable ASCII, and a `traceparent` is refused by the rule by which the library refuses it.
///
/// # Panics
///
/// Where that is not so.
pub fn explain(input: &[u8]) {
    if let Some((text, json)) = traceparent_cli::fuzz::explain(input) {
        assert_printable(&text);
        assert_printable(&json);
        // The name of a list-member or of a pair may begin so, too.
        let is_name = json.contains("\"part\": \"invalid");
        let is_refused = json.contains("\n      \"valid\": false,");
        assert!(is_name || text.contains("\n  invalid  ") == is_refused, "{text}");
    }
    let value: Vec<u8> = input.iter().copied().filter(|byte| *byte != b'\n').collect();
    let line = [b"traceparent: ", &value[..]].concat();
    let (text, _) = traceparent_cli::fuzz::explain(&line).expect("a header is there");
    match TraceParent::parse(trim_ows(value.strip_suffix(b"\r").unwrap_or(&value))) {
        Ok(traceparent) => assert!(text.contains(&format!("  {}  ", traceparent.trace_id())), "{text}"),
        Err(error) => assert!(text.contains(&format!("\n  invalid  {error}\n")), "{text}"),
    }
}

/// Asserts that a terminal shows every byte and obeys none.
pub(crate) fn assert_printable(text: &str) {
    assert!(text.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~')), "{text:?}");
}
