//! What came in with a request and OpenTelemetry's own types lose on the way.

use std::borrow::Cow;

use opentelemetry::{
    Context,
    trace::{self as otel, SpanContext},
};
use traceparent::{TraceFlags, TraceState};

use crate::list;

/// The part of an incoming context that travels as a value in the [`Context`], beside the span context.
///
/// It belongs to its trace: spans of another have nothing to do with it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    trace_id: otel::TraceId,
    /// The random flag, which OpenTelemetry's SDK clears in spans that it drops.
    random: bool,
    /// The list, where OpenTelemetry's type was given less than came in.
    list: Option<Box<Whole>>,
}

/// A list that OpenTelemetry's type does not hold unchanged.
#[derive(Clone, Debug)]
struct Whole {
    list: TraceState<'static>,
    given: otel::TraceState,
}

impl Received {
    pub(crate) fn new(caller: &SpanContext, random: bool) -> Self {
        Self { trace_id: caller.trace_id(), random, list: None }
    }

    /// Keeps the list that came in; the span context holds what was given to OpenTelemetry's type.
    pub(crate) fn with_list(self, list: TraceState<'_>, caller: &SpanContext) -> Self {
        let given = caller.trace_state().clone();
        Self { list: Some(Box::new(Whole { list: list.into_owned(), given })), ..self }
    }
}

/// A span's context together with what came in for its trace.
#[derive(Clone, Copy)]
pub(crate) struct Carried<'c> {
    pub(crate) span: &'c SpanContext,
    received: Option<&'c Received>,
}

impl<'c> Carried<'c> {
    pub(crate) fn new(cx: &'c Context, span: &'c SpanContext) -> Self {
        Self { span, received: cx.get::<Received>().filter(|received| received.trace_id == span.trace_id()) }
    }

    /// The flags, the caller's random flag among them. For traces of which nothing came in, it is as in the
    /// span context, or set where `random` says so of traces that start here.
    pub(crate) fn flags(self, random: bool) -> TraceFlags {
        let flags = TraceFlags::from_bits(self.span.trace_flags().to_u8());
        flags.with_random(match self.received {
            Some(received) => received.random,
            None => flags.is_random() || random && self.may_start_here(),
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
}
