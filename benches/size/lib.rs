//! What a program on a microcontroller has of the core when it parses `traceparent` and writes it again. `.ci/run
//! code_size` builds this for Cortex-M0 and counts its bytes.
#![no_std]
#![forbid(unsafe_code)]

use traceparent::TraceParent;

fn forward(value: &[u8]) -> Option<[u8; TraceParent::LENGTH]> {
    TraceParent::parse(value).ok().map(|traceparent| traceparent.encode())
}

/// Kept by the linker, and with it all that it needs.
#[used]
static FORWARD: fn(&[u8]) -> Option<[u8; TraceParent::LENGTH]> = forward;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
