use traceparent::{TraceFlags, TraceParent, Version};

use crate::naive;

/// The parser answers as the naive one does, and what parses comes back as version 00.
pub fn traceparent(input: &[u8]) {
    let expected = naive::traceparent(input);
    let parsed = match TraceParent::parse(input) {
        Ok(parsed) => parsed,
        Err(error) => {
            assert_eq!(expected, None, "{error}");
            assert!(error.offset() <= input.len());
            return;
        }
    };
    let flags = parsed.flags();
    let number = parsed.version().to_u8();
    assert_eq!(
        Some((number, parsed.trace_id().to_u128(), parsed.parent_id().to_u64())),
        expected.map(|(v, t, p, _)| (v, t, p))
    );
    assert_eq!(Some(flags), expected.map(|(.., flags)| TraceFlags::from_bits(flags)));

    let encoded = parsed.encode();
    assert_eq!(encoded[..3], *b"00-");
    assert_eq!(encoded[3..53], input[3..53]);
    let again = TraceParent::parse(&encoded).unwrap();
    assert_eq!(again, TraceParent::new(parsed.trace_id(), parsed.parent_id(), flags));
    assert_eq!((again.encode(), again.version()), (encoded, Version::V00));
    assert_eq!(parsed.to_string().as_bytes(), encoded);
    assert_eq!(parsed.encode_str(&mut [0; TraceParent::LENGTH]).as_bytes(), encoded);
    if let Ok(text) = std::str::from_utf8(input) {
        assert_eq!(text.parse(), Ok(parsed));
    }
}
