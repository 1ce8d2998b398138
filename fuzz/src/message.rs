//! Inputs are text in lines, so that seeds can be read and changed bytes mostly stay in their line.

use crate::model::OwnedChange;

pub(crate) fn lines(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    input.split(|byte| *byte == b'\n')
}

/// The trace context fields of a message, and changes to make on the way.
#[derive(Default)]
pub(crate) struct Message<'a> {
    pub(crate) traceparents: Vec<&'a [u8]>,
    pub(crate) tracestates: Vec<&'a [u8]>,
    pub(crate) changes: Vec<OwnedChange>,
}

impl<'a> Message<'a> {
    /// Reads lines by their first byte: `p` is a `traceparent` field, `s` one of `tracestate`, `c` a change.
    pub(crate) fn read(input: &'a [u8]) -> Self {
        let mut message = Self::default();
        for line in lines(input) {
            match line {
                [b'p', value @ ..] => message.traceparents.push(value),
                [b's', value @ ..] => message.tracestates.push(value),
                [b'c', change @ ..] => message.changes.extend(crate::tracestate::change(change)),
                _ => {}
            }
        }
        message
    }

    /// The `tracestate` fields as one: without white space around them and without empty ones.
    pub(crate) fn joined_tracestate(&self) -> Vec<u8> {
        let fields = self.tracestates.iter().map(|field| traceparent::trim_ows(field));
        fields.filter(|field| !field.is_empty()).collect::<Vec<_>>().join(&b","[..])
    }
}
