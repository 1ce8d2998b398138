use traceparent::{Incoming, Outgoing, TraceId, TraceState};

use crate::{carried::Carried, context::RemoteContext, error::FormatError, format::Format, state::SamplingState};

/// The result of [`Propagators::extract`](crate::Propagators::extract): a context, and the errors of invalid ones.
#[derive(Clone, Debug)]
pub struct Extracted<'a> {
    incoming: Incoming<'a>,
    winner: Option<(Format, RemoteContext<'a>)>,
    carried: Carried<'a>,
    refused: [Option<FormatError>; Format::ALL.len()],
    conflict: Option<Format>,
}

impl<'a> Extracted<'a> {
    pub(super) const ABSENT: Self = Self {
        incoming: Incoming::Absent,
        winner: None,
        carried: Carried::EMPTY,
        refused: [None; Format::ALL.len()],
        conflict: None,
    };

    /// Adds the result of the next format.
    pub(super) fn add(&mut self, format: Format, read: Result<Option<RemoteContext<'a>>, FormatError>) {
        match (read, &self.winner) {
            (Ok(None), _) => {}
            (Err(error), _) => {
                if let Some(refused) = self.refused.get_mut(format as usize) {
                    *refused = Some(error);
                }
            }
            (Ok(Some(context)), None) => {
                self.carried = context.carried();
                self.winner = Some((format, context));
            }
            (Ok(Some(context)), Some((_, winner))) => match (context.trace_id(), winner.trace_id()) {
                (Some(other), Some(id)) if other == id => self.carried = self.carried.merge(context.carried()),
                (Some(_), Some(_)) => self.conflict = self.conflict.or(Some(format)),
                _ => {}
            },
        }
    }

    /// Chooses the context of the request.
    pub(super) fn finish(self, w3c: Incoming<'a>) -> Self {
        let incoming = match self.winner {
            Some((Format::TraceContext, _)) => w3c,
            Some((_, winner)) => {
                let tracestate = match w3c {
                    Incoming::Valid { context, .. } if winner.trace_id() == Some(context.traceparent.trace_id()) => {
                        context.tracestate
                    }
                    _ => TraceState::EMPTY,
                };
                winner.into_incoming(tracestate)
            }
            None if w3c != Incoming::Absent => w3c,
            None if self.refused.iter().any(Option::is_some) => Incoming::Refused,
            None => Incoming::Absent,
        };
        Self { incoming, ..self }
    }

    /// Returns the context for [`Policy::apply`](traceparent::Policy::apply).
    ///
    /// Its `tracestate` is that of a valid `traceparent` with the same trace-id, and empty without one.
    pub const fn incoming(&self) -> &Incoming<'a> {
        &self.incoming
    }

    /// Returns the context for [`Policy::apply`](traceparent::Policy::apply), without a copy.
    pub fn into_incoming(self) -> Incoming<'a> {
        self.incoming
    }

    /// Returns the format of the context that is used.
    pub fn format(&self) -> Option<Format> {
        self.winner.map(|(format, _)| format)
    }

    /// Returns the context that is used.
    pub fn context(&self) -> Option<RemoteContext<'a>> {
        self.winner.map(|(_, context)| context)
    }

    /// Returns the caller's sampling state.
    pub fn state(&self) -> Option<SamplingState> {
        self.context().map(|context| context.state())
    }

    /// Returns an iterator over the errors of the formats that were refused.
    pub fn refused(&self) -> impl Iterator<Item = FormatError> + use<> {
        self.refused.into_iter().flatten()
    }

    /// Returns the first format that has a valid context of another trace.
    pub const fn conflict(&self) -> Option<Format> {
        self.conflict
    }

    /// Returns the data that travels beside the IDs of an outgoing context.
    ///
    /// This is all of the caller's data if the outgoing context continues the caller's trace with the caller's decision,
    /// and nothing if it is in another trace. The data of X-Ray and Datadog is that of any format with the same trace-id.
    pub fn carried(&self, outgoing: &Outgoing<'_>) -> Carried<'a> {
        let carried = self.carried_in(outgoing.traceparent().trace_id());
        if outgoing.follows_caller() { carried } else { carried.without_decision() }
    }

    /// Returns the data that travels beside the IDs in this trace, with the caller's decision among it.
    ///
    /// A span with a decision of its own goes out with [`Carried::without_decision`].
    pub fn carried_in(&self, trace_id: TraceId) -> Carried<'a> {
        match self.context().map(|context| context.trace_id()) {
            Some(Some(id)) if id == trace_id => self.carried,
            Some(None) => Carried::EMPTY.with_debug(self.carried.is_debug()),
            _ => Carried::EMPTY,
        }
    }
}
