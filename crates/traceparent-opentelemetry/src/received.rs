//! What came in with a request and OpenTelemetry's own types lose on the way.

use std::borrow::Cow;

use opentelemetry::{
    Context,
    trace::{self as otel, SpanContext, TraceContextExt},
};
use traceparent::{TraceFlags, TraceId, TraceState};
use traceparent_formats::{Carried, OwnedCarried, SamplingState};

use crate::{convert, list};

/// The part of an incoming context that travels as a value in the [`Context`], beside the span context.
///
/// It belongs to its trace: spans of another have nothing to do with it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The caller's trace, or `None` if it sent a sampling state alone. Then it belongs to the trace that starts here.
    trace_id: Option<TraceId>,
    /// The random flag, which OpenTelemetry's SDK clears in spans that it drops.
    random: bool,
    /// The list, where OpenTelemetry's type was given less than came in.
    list: Option<Box<Whole>>,
    /// What the caller sent beside `traceparent` and `tracestate`.
    other: Option<Box<Other>>,
}

/// A list that OpenTelemetry's type does not hold unchanged.
#[derive(Clone, Debug)]
struct Whole {
    list: TraceState<'static>,
    given: otel::TraceState,
}

/// A sampling state that is not a flag, and what travels beside the IDs.
#[derive(Clone, Debug)]
struct Other {
    state: SamplingState,
    carried: OwnedCarried,
}

impl Received {
    pub(crate) fn new(trace_id: Option<TraceId>, random: bool) -> Self {
        Self { trace_id, random, list: None, other: None }
    }

    /// Keeps the list that came in; the span context holds what was given to OpenTelemetry's type.
    pub(crate) fn with_list(self, list: &TraceState<'_>, given: &otel::TraceState) -> Self {
        Self { list: Some(Box::new(Whole { list: list.clone().into_owned(), given: given.clone() })), ..self }
    }

    /// Keeps what came in beside `traceparent` and `tracestate`.
    pub(crate) fn with_other(self, state: SamplingState, carried: Carried<'_>) -> Self {
        Self { other: Some(Box::new(Other { state, carried: carried.into_owned() })), ..self }
    }

    /// Returns what a root span in this context continues: a trace-id or a decision that came without a parent.
    pub(crate) fn root(cx: &Context) -> Option<&Self> {
        cx.get::<Self>().filter(|_| !cx.span().span_context().is_valid())
    }

    pub(crate) fn trace_id(&self) -> Option<TraceId> {
        self.trace_id
    }

    /// Whether OpenTelemetry's type was given less than the whole list.
    pub(crate) fn has_list(&self) -> bool {
        self.list.is_some()
    }

    /// Returns the caller's decision, or `None` if it left that to this service.
    pub(crate) fn decision(&self) -> Option<bool> {
        self.other.as_ref().and_then(|other| other.state.is_sampled())
    }
}

/// A span's context together with what came in for its trace.
#[derive(Clone, Copy)]
pub(crate) struct SpanInTrace<'c> {
    pub(crate) span: &'c SpanContext,
    received: Option<&'c Received>,
}

impl<'c> SpanInTrace<'c> {
    pub(crate) fn new(cx: &'c Context, span: &'c SpanContext) -> Self {
        let received = cx.get::<Received>().filter(|received| match received.trace_id {
            Some(id) => Some(id) == convert::trace_id(span.trace_id()),
            None => !span.is_remote(),
        });
        Self { span, received }
    }

    /// The flags, the caller's random flag among them. For traces of which nothing came in, it is as in the
    /// span context, or set where `random` says so of traces that start here.
    pub(crate) fn flags(self, random: bool) -> TraceFlags {
        let flags = TraceFlags::from_bits(self.span.trace_flags().to_u8());
        flags.with_random(match self.received {
            Some(received) if received.trace_id.is_some() => received.random,
            _ => flags.is_random() || random && self.may_start_here(),
        })
    }

    /// Whether nothing tells that the trace came from elsewhere. The list of a root span holds what our
    /// samplers write, the `ot` member, and nothing else.
    fn may_start_here(self) -> bool {
        !self.span.is_remote() && self.span.trace_state().into_iter().all(|(key, _)| key == traceparent::OtValue::KEY)
    }

    /// The list, with what samplers changed in the part that they saw.
    pub(crate) fn list(self) -> Cow<'c, str> {
        let now = self.span.trace_state();
        match self.received.and_then(|received| received.list.as_ref()) {
            Some(whole) if whole.given == *now => Cow::Borrowed(whole.list.as_str()),
            Some(whole) => Cow::Owned(list::merge(&whole.list, &whole.given, now)),
            None if *now == otel::TraceState::NONE => Cow::Borrowed(""),
            None => Cow::Owned(list::to_text(now)),
        }
    }

    /// Whether the span is a caller's that left the decision to this service.
    pub(crate) fn is_deferred(self) -> bool {
        let other = self.received.and_then(|received| received.other.as_ref());
        self.span.is_remote() && other.is_some_and(|other| other.state == SamplingState::Defer)
    }

    /// What goes out beside the IDs, without the caller's decision where this span's is another.
    pub(crate) fn carried(self) -> Carried<'c> {
        let Some(other) = self.received.and_then(|received| received.other.as_ref()) else { return Carried::EMPTY };
        let carried = other.carried.borrow();
        let follows = other.state.is_sampled() == Some(self.span.is_sampled());
        if follows { carried } else { carried.without_decision() }
    }
}
