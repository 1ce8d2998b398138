//! Ids, flags and contexts between the two families of types.

use opentelemetry::{
    Context,
    trace::{self as otel, SpanContext, TraceContextExt},
};
use traceparent::{SpanId, TraceContext, TraceFlags, TraceId, TraceParent, TraceState};

use crate::list;

/// Converts a caller's context to OpenTelemetry's type; [`is_remote`](SpanContext::is_remote) is true of the result.
///
/// Ids and both flags are carried. Of `tracestate`, members whose keys OpenTelemetry's
/// [`TraceState`](otel::TraceState) refuses are left out: `foo@@bar` and those with 14 or more characters
/// behind an `@`; so are duplicates, white space and empty members. [`TraceContextPropagator`] carries
/// those too.
///
/// [`TraceContextPropagator`]: crate::TraceContextPropagator
///
/// ```
/// use traceparent::{TraceContext, TraceParent, TraceState};
/// use traceparent_opentelemetry::to_span_context;
///
/// let traceparent = TraceParent::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03");
/// let context = TraceContext::new(traceparent, TraceState::from_static("rojo=1,foo@@bar=2"));
/// let span_context = to_span_context(&context);
/// assert_eq!(span_context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_eq!(span_context.trace_flags().to_u8(), 3);
/// assert_eq!(span_context.trace_state().header(), "rojo=1");
/// ```
pub fn to_span_context(context: &TraceContext<'_>) -> SpanContext {
    remote(context.traceparent, list::to_otel(&context.tracestate).0)
}

/// Converts a span's context from OpenTelemetry's type, or returns `None` if either ID is zero.
///
/// Ids and both flags are carried, other bits of the flag byte and
/// [`is_remote`](SpanContext::is_remote) are not. Of `tracestate`, members that the specification does not
/// allow on the wire are left out: those with an empty key or value, with a byte beyond printable ASCII, and
/// all but the first of a key.
///
/// ```
/// use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
/// use traceparent_opentelemetry::from_span_context;
///
/// let list = TraceState::from_key_value([("rojo", "1"), ("congo", "")]).unwrap();
/// let span_context = SpanContext::new(TraceId::from(1), SpanId::from(2), TraceFlags::SAMPLED, true, list);
/// let context = from_span_context(&span_context).unwrap();
/// assert_eq!(context.traceparent.to_string(), "00-00000000000000000000000000000001-0000000000000002-01");
/// assert_eq!(context.tracestate.to_string(), "rojo=1");
///
/// assert!(from_span_context(&SpanContext::NONE).is_none());
/// ```
pub fn from_span_context(span: &SpanContext) -> Option<TraceContext<'static>> {
    let traceparent = traceparent(span)?;
    let text = list::to_text(span.trace_state());
    let tracestate = TraceState::parse(text.as_bytes()).map_or(TraceState::EMPTY, TraceState::into_owned);
    Some(TraceContext::new(traceparent, tracestate))
}

/// Returns the IDs and flags of the current span of OpenTelemetry, or `None` outside of a span.
///
/// With `tracing-opentelemetry`, the current span is that of the log span that has been entered. The event format of
/// `traceparent-tower` writes the IDs into each log line.
///
/// ```
/// use opentelemetry::{Context, trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId}};
///
/// assert!(traceparent_opentelemetry::current().is_none());
/// let span = SpanContext::new(TraceId::from(1), SpanId::from(2), TraceFlags::SAMPLED, false, Default::default());
/// let _guard = Context::new().with_remote_span_context(span).attach();
/// let current = traceparent_opentelemetry::current().unwrap();
/// assert_eq!(current.to_string(), "00-00000000000000000000000000000001-0000000000000002-01");
/// ```
pub fn current() -> Option<TraceParent> {
    Context::map_current(|context| traceparent(context.span().span_context()))
}

/// The ids and flags of a span's context.
pub(crate) fn traceparent(span: &SpanContext) -> Option<TraceParent> {
    let flags = TraceFlags::from_bits(span.trace_flags().to_u8());
    Some(TraceParent::new(trace_id(span.trace_id())?, span_id(span.span_id())?, flags))
}

/// The context of a caller's span, with this list.
pub(crate) fn remote(caller: TraceParent, list: otel::TraceState) -> SpanContext {
    let flags = otel::TraceFlags::new(caller.flags().bits());
    SpanContext::new(to_trace_id(caller.trace_id()), to_span_id(caller.parent_id()), flags, true, list)
}

pub(crate) fn trace_id(id: otel::TraceId) -> Option<TraceId> {
    TraceId::from_bytes(id.to_bytes())
}

pub(crate) fn span_id(id: otel::SpanId) -> Option<SpanId> {
    SpanId::from_bytes(id.to_bytes())
}

pub(crate) fn to_trace_id(id: TraceId) -> otel::TraceId {
    id.to_u128().into()
}

pub(crate) fn to_span_id(id: SpanId) -> otel::SpanId {
    id.to_u64().into()
}
