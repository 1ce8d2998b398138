//! What parses is written as version 00 and parses to the same again; what does not names a byte of the input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use traceparent::TraceParent;

fuzz_target!(|value: &[u8]| match TraceParent::parse(value) {
    Ok(parsed) => {
        let encoded = parsed.encode();
        assert_eq!(encoded[3..53], value[3..53]);
        let again = TraceParent::parse(&encoded).unwrap();
        assert_eq!((again.trace_id(), again.parent_id(), again.flags()), (parsed.trace_id(), parsed.parent_id(), parsed.flags()));
        assert_eq!(again.encode(), encoded);
    }
    Err(error) => assert!(error.offset() <= value.len()),
});
