use traceparent::{Incoming, SpanId, TraceContext, TraceFlags, TraceId, TraceParent, TraceState};

use crate::{carried::Carried, error::FormatError, state::SamplingState};

/// The context that a caller sent in one of the formats: IDs, a sampling state, and what travels beside them.
///
/// It has both IDs, or a trace-id alone, or no ID but a sampling state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteContext<'a> {
    trace_id: Option<TraceId>,
    span_id: Option<SpanId>,
    is_short: bool,
    state: SamplingState,
    pub(crate) carried: Carried<'a>,
    pub(crate) tags_error: Option<FormatError>,
}

impl<'a> RemoteContext<'a> {
    /// Creates a context of a sampling state without IDs.
    pub(crate) const fn of_state(state: SamplingState) -> Self {
        Self {
            trace_id: None,
            span_id: None,
            is_short: false,
            state,
            carried: Carried::EMPTY.with_debug(matches!(state, SamplingState::Debug)),
            tags_error: None,
        }
    }

    /// Creates a context of a trace-id and, unless the caller has no span, its ID.
    pub(crate) const fn of_ids(trace_id: TraceId, span_id: Option<SpanId>, state: SamplingState) -> Self {
        Self { trace_id: Some(trace_id), span_id, ..Self::of_state(state) }
    }

    pub(crate) const fn with_short(self, is_short: bool) -> Self {
        Self { is_short, ..self }
    }

    pub(crate) const fn with_carried(self, carried: Carried<'a>) -> Self {
        Self { carried, ..self }
    }

    pub(crate) const fn with_tags_error(self, tags_error: Option<FormatError>) -> Self {
        Self { tags_error, ..self }
    }

    /// Returns the same context for a format that carries nothing borrowed.
    pub(crate) const fn without_borrow(self) -> RemoteContext<'static> {
        RemoteContext {
            trace_id: self.trace_id,
            span_id: self.span_id,
            is_short: self.is_short,
            state: self.state,
            carried: Carried::EMPTY,
            tags_error: None,
        }
    }

    /// Returns the trace-id, or `None` if the caller sent a sampling state alone.
    pub const fn trace_id(&self) -> Option<TraceId> {
        self.trace_id
    }

    /// Returns the ID of the caller's span, our parent.
    pub const fn span_id(&self) -> Option<SpanId> {
        self.span_id
    }

    /// Whether the trace-id was sent with 64 bits.
    pub const fn is_short(&self) -> bool {
        self.is_short
    }

    /// Returns the sampling state.
    pub const fn state(&self) -> SamplingState {
        self.state
    }

    /// Returns what travels beside the IDs.
    pub const fn carried(&self) -> Carried<'a> {
        self.carried
    }

    /// Returns why Datadog's tags were not used, in which case the upper half of the trace-id is zero.
    pub const fn tags_error(&self) -> Option<FormatError> {
        self.tags_error
    }

    /// Returns the context as the core's processing model takes it, with this `tracestate`.
    pub fn into_incoming(self, tracestate: TraceState<'a>) -> Incoming<'a> {
        let sampled = self.state.is_sampled();
        match (self.trace_id, self.span_id) {
            (Some(trace_id), Some(span_id)) => {
                let flags = TraceFlags::NONE.with_sampled(sampled == Some(true));
                let context = TraceContext::new(TraceParent::new(trace_id, span_id, flags), tracestate);
                if sampled.is_some() { Incoming::from(context) } else { Incoming::Deferred(context) }
            }
            (Some(trace_id), None) => Incoming::Root { trace_id: Some(trace_id), sampled },
            (None, _) => Incoming::Root { trace_id: None, sampled },
        }
    }
}

impl<'a> From<RemoteContext<'a>> for Incoming<'a> {
    fn from(context: RemoteContext<'a>) -> Self {
        context.into_incoming(TraceState::EMPTY)
    }
}

/// The context that goes out: the trace, our span, the decision, and what travels beside them.
///
/// ```
/// use traceparent::{SpanId, TraceId};
/// use traceparent_formats::{LocalContext, jaeger};
///
/// let trace_id = TraceId::from_static("4bf92f3577b34da6a3ce929d0e0e4736");
/// let context = LocalContext::new(trace_id, SpanId::from_static("00f067aa0ba902b7"), true);
/// assert_eq!(jaeger::encode(&context).as_str(), "4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalContext<'a> {
    trace_id: TraceId,
    span_id: SpanId,
    is_sampled: bool,
    carried: Carried<'a>,
}

impl<'a> LocalContext<'a> {
    /// Creates a context that carries nothing beside the IDs and the decision.
    pub const fn new(trace_id: TraceId, span_id: SpanId, is_sampled: bool) -> Self {
        Self { trace_id, span_id, is_sampled, carried: Carried::EMPTY }
    }

    /// Sets what travels beside the IDs: [`RemoteContext::carried`] of a context whose trace goes on.
    #[must_use]
    pub const fn with_carried(self, carried: Carried<'a>) -> Self {
        Self { carried, ..self }
    }

    /// Returns the trace-id.
    pub const fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Returns the ID of our span.
    pub const fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Whether the trace is sampled.
    pub const fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    /// Whether the trace is sampled and the caller asked for debugging.
    pub const fn is_debug(&self) -> bool {
        self.is_sampled && self.carried.is_debug()
    }

    /// Returns what travels beside the IDs.
    pub const fn carried(&self) -> Carried<'a> {
        self.carried
    }
}
