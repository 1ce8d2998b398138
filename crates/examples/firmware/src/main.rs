//! A node on a serial line that continues traces: Cortex-M0, without an allocator, for a micro:bit of version 1.
//!
//! A message is the lines `traceparent: VALUE` and `tracestate: VALUE`, as many as there are, and an empty line. The
//! node answers with the same lines for the context to send on: valid, with a span ID of its own.
#![no_std]
#![no_main]

use core::cell::RefCell;

use cortex_m_rt::entry;
use embedded_io::Read;
use nrf51_hal::{
    Rng, Uart,
    gpio::{Level, p0::Parts},
    pac::Peripherals,
    uart::{Baudrate, Parity, Pins},
};
use panic_halt as _;
use traceparent::IdsFrom;
use traceparent_firmware::{Message, POLICY};

#[entry]
fn main() -> ! {
    if let Some(chip) = Peripherals::take() {
        let pins = Parts::new(chip.GPIO);
        let pins = Pins {
            txd: pins.p0_24.into_push_pull_output(Level::High).degrade(),
            rxd: pins.p0_25.into_floating_input().degrade(),
            cts: None,
            rts: None,
        };
        let line = Uart::new(chip.UART0, pins, Parity::EXCLUDED, Baudrate::BAUD115200);
        // Each set-up sends a zero byte and then waits for its end. QEMU forgets a byte that is sent before the first.
        let (line, pins) = line.free();
        let mut line = Uart::new(line, pins, Parity::EXCLUDED, Baudrate::BAUD115200);
        let mut random = Rng::new(chip.RNG);
        let ids = IdsFrom::random(RefCell::new(move || random.random_u64()));

        let mut message = Message::new();
        loop {
            let mut byte = [0];
            // Neither can fail on this chip.
            let Ok(_) = line.read(&mut byte);
            if message.push(byte[0]) {
                let _ = message.forward(&POLICY, &ids, &mut line);
                message.clear();
            }
        }
    }
    loop {}
}
