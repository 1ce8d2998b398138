use core::fmt;

use traceparent::{IdGenerator, Incoming, Policy, TraceParent, TraceState, sampler::Sampler, trim_ows};

/// The longest message. Those that are longer count as messages without a context.
const LENGTH: usize = 2048;

/// The longest list. Those that are longer are dropped, as the specification allows from 512 characters on.
const LIST: usize = 1024;

/// A message that arrives byte by byte.
pub struct Message {
    bytes: [u8; LENGTH],
    length: usize,
    line: usize,
}

impl Message {
    /// Creates an empty message.
    pub const fn new() -> Self {
        Self { bytes: [0; LENGTH], length: 0, line: 0 }
    }

    /// Empties the message.
    pub fn clear(&mut self) {
        (self.length, self.line) = (0, 0);
    }

    /// Adds a byte, and returns whether the message ends with it.
    pub fn push(&mut self, byte: u8) -> bool {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
        }
        self.length = self.length.saturating_add(1);
        if byte != b'\n' {
            return false;
        }
        let line = self.length - self.line;
        self.line = self.length;
        line == 1
    }

    /// Writes the context to send on.
    pub fn forward(
        &self,
        policy: &Policy<impl Sampler>,
        ids: &impl IdGenerator,
        output: &mut impl fmt::Write,
    ) -> fmt::Result {
        let mut list = [0; LIST];
        let incoming =
            Incoming::from_fields_in(self.values(TraceParent::NAME), self.values(TraceState::NAME), &mut list);
        let span = policy.apply(incoming, ids);

        let mut buffer = [0; TraceParent::LENGTH + LIST];
        match span.fields_in(&mut buffer) {
            Ok(fields) => {
                for (name, value) in fields.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                    writeln!(output, "{name}: {value}")?;
                }
            }
            // What the sampler adds to a list does not fit. The context goes on without the list.
            Err(_) => writeln!(output, "{}: {}", TraceParent::NAME, span.traceparent())?,
        }
        writeln!(output)
    }

    /// Returns an iterator over the values of all lines of this name.
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        bytes.split(|byte| *byte == b'\n').filter_map(move |line| {
            let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
            Some(trim_ows(value.strip_suffix(b"\r").unwrap_or(value)))
        })
    }
}
