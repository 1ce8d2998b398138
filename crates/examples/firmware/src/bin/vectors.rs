//! Sends the vectors of the core through the node's message handling, on the chip or in an emulator of it, and writes
//! the outcome to the debugger.
#![no_std]
#![no_main]

use core::{cell::Cell, fmt};

use cortex_m_rt::entry;
use cortex_m_semihosting::{debug, hprintln};
// The critical section of the debugger's output, and the chip's interrupt vectors.
use panic_halt as _;
use traceparent::IdsFrom;
use traceparent_firmware::{Message, POLICY};
use {cortex_m as _, nrf51_hal as _};

// Values, and whether they are valid.
include!(concat!(env!("OUT_DIR"), "/vectors.rs"));

const RECEIVED: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const SENT: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000001-01";
const STARTED: &[u8] = b"00-00000000000000010000000000000002-0000000000000003-00";

#[entry]
fn main() -> ! {
    let mut wrong = 0;
    let mut message = Message::new();
    for &(is_valid, value) in TRACEPARENTS {
        let answer = answer(&mut message, &[&[b"traceparent: ", value]]);
        let mut sent = [0; 55];
        sent.copy_from_slice(SENT);
        if is_valid {
            // The reserved bits are zero.
            let flags = char::from(value[54]).to_digit(16).unwrap_or_default() & 3;
            sent[3..35].copy_from_slice(&value[3..35]);
            sent[54] = b"0123"[flags as usize];
        } else {
            sent.copy_from_slice(STARTED);
        }
        wrong += check(value, answer.is(&[&[b"traceparent: ", &sent]]));
    }
    for &(is_valid, value) in TRACESTATES {
        let received: &[&[u8]] = &[b"traceparent: ", RECEIVED];
        let sent: &[&[u8]] = &[b"traceparent: ", SENT];
        let list: &[&[u8]] = &[b"tracestate: ", value];
        let answer = answer(&mut message, &[received, list]);
        // A list without members is not sent.
        let is_right = if is_valid && value.contains(&b'=') { answer.is(&[sent, list]) } else { answer.is(&[sent]) };
        wrong += check(value, is_right);
    }
    hprintln!("{} vectors, {} wrong answers", TRACEPARENTS.len() + TRACESTATES.len(), wrong);
    debug::exit(if wrong == 0 { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
    loop {}
}

/// Returns the answer to a message of these lines. Its IDs count from 1.
fn answer(message: &mut Message, lines: &[&[&[u8]]]) -> Text {
    message.clear();
    for byte in lines.iter().flat_map(|line| line.iter().copied().chain([&b"\n"[..]])).flatten().chain(b"\n") {
        message.push(*byte);
    }
    let last = Cell::new(0);
    let ids = IdsFrom::new(|| {
        last.set(last.get() + 1);
        last.get()
    });
    let mut answer = Text { bytes: [0; 2048], length: 0 };
    // An answer that does not fit is shorter than what is expected.
    let _ = message.forward(&POLICY, &ids, &mut answer);
    answer
}

fn check(value: &[u8], is_right: bool) -> usize {
    if !is_right {
        hprintln!("wrong: {}", value.escape_ascii());
    }
    usize::from(!is_right)
}

/// A text of limited length.
struct Text {
    bytes: [u8; 2048],
    length: usize,
}

impl Text {
    /// Whether the text is these lines and an empty one.
    fn is(&self, lines: &[&[&[u8]]]) -> bool {
        let expected = lines.iter().flat_map(|line| line.iter().copied().chain([&b"\n"[..]])).flatten().chain(b"\n");
        self.bytes[..self.length].iter().eq(expected)
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
