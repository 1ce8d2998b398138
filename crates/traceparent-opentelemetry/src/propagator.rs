use std::{iter::once_with, sync::LazyLock};

use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
    trace::{SpanContext, TraceContextExt},
};
use traceparent::{Incoming, TraceContext, TraceParent, trim_ows};

use crate::{
    convert, list,
    received::{Received, SpanInTrace},
};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

static FIELDS: LazyLock<[String; 2]> = LazyLock::new(|| [TRACEPARENT, TRACESTATE].map(String::from));

/// Carries the trace context in `traceparent` and `tracestate`, exactly as the specification says: in place
/// of the propagator of the same name in `opentelemetry_sdk`.
///
/// Extracting reads all fields: several `traceparent` fields are invalid, several `tracestate` fields are one
/// list. Where nothing valid came in, the context is returned as it was. A broken `tracestate` does not lose
/// a good `traceparent`.
///
/// Injecting writes what samplers and span made of it. What OpenTelemetry's types cannot hold has travelled
/// as a value in the [`Context`], so **hand on the context that was extracted**: start the span with it as the
/// parent, and make the span current with `parent.with_span(span)` or while the extracted context is attached.
/// A context put together without it still carries ids and the sampled flag.
///
/// [W3C: trace context headers](https://www.w3.org/TR/trace-context-2/#trace-context-http-headers-format)
///
/// ```
/// use std::collections::HashMap;
/// use opentelemetry::{propagation::TextMapPropagator, trace::TraceContextExt};
/// use traceparent_opentelemetry::TraceContextPropagator;
///
/// let propagator = TraceContextPropagator::new();
/// let incoming = HashMap::from([
///     ("traceparent".to_owned(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03".to_owned()),
///     ("tracestate".to_owned(), "foo@@bar=1, rojo=2".to_owned()),
/// ]);
/// let cx = propagator.extract(&incoming);
/// assert!(cx.span().span_context().is_sampled());
///
/// let mut outgoing = HashMap::new();
/// propagator.inject_context(&cx, &mut outgoing);
/// assert_eq!(outgoing, incoming);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TraceContextPropagator {
    random_ids: bool,
}

impl TraceContextPropagator {
    /// Creates a propagator for services whose own trace IDs are random, as those of OpenTelemetry's SDK and of
    /// [`traceparent::RandomIdGenerator`] are.
    pub const fn new() -> Self {
        Self { random_ids: true }
    }

    /// Sets whether traces that start here carry the random flag, which states that the right-most 7 bytes of their
    /// trace IDs are uniformly random. Other traces keep their caller's flag.
    ///
    /// Set it to `false` for an ID generator that is not random. Set it to `false`, too, if another propagator than
    /// [`FormatsPropagator`](crate::FormatsPropagator) extracts contexts beside this one: the source of those IDs is not
    /// known here.
    ///
    /// [W3C: random trace-id flag](https://www.w3.org/TR/trace-context-2/#random-trace-id-flag)
    ///
    /// ```
    /// use traceparent::{IdGenerator, IdsFrom};
    /// use traceparent_opentelemetry::TraceContextPropagator;
    ///
    /// let ids = IdsFrom::new(|| 42);
    /// let propagator = TraceContextPropagator::new().with_random_ids(ids.is_random());
    /// ```
    #[must_use]
    pub const fn with_random_ids(self, random: bool) -> Self {
        Self { random_ids: random }
    }
}

impl Default for TraceContextPropagator {
    fn default() -> Self {
        Self::new()
    }
}

impl TextMapPropagator for TraceContextPropagator {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        let span = cx.span();
        let span = SpanInTrace::new(cx, span.span_context());
        if let Some(traceparent) = convert::traceparent(span.span) {
            inject(span, traceparent, self.random_ids, injector);
        }
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        let Incoming::Valid { context, .. } =
            Incoming::from_fields(fields(extractor, TRACEPARENT), fields(extractor, TRACESTATE))
        else {
            return cx.clone();
        };
        let (caller, received) = receive(&context);
        // Where neither what came in nor what starts here is random, spans cannot get it wrong.
        let is_plain = !received.has_list() && !context.traceparent.flags().is_random() && !self.random_ids;
        if is_plain && cx.get::<Received>().is_none() {
            return cx.with_remote_span_context(caller);
        }
        cx.with_value(received).with_remote_span_context(caller)
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&*FIELDS)
    }
}

/// Returns the caller's context in OpenTelemetry's types, and what these do not hold.
pub(crate) fn receive(context: &TraceContext<'_>) -> (SpanContext, Received) {
    let TraceContext { traceparent, tracestate, .. } = context;
    let (given, exact) = list::to_otel(tracestate);
    let received = Received::new(Some(traceparent.trace_id()), traceparent.flags().is_random());
    let received = if exact { received } else { received.with_list(tracestate, &given) };
    (convert::remote(*traceparent, given), received)
}

/// Writes `traceparent` and `tracestate`.
pub(crate) fn inject(span: SpanInTrace<'_>, ids: TraceParent, random_ids: bool, injector: &mut dyn Injector) {
    let traceparent = TraceParent::new(ids.trace_id(), ids.parent_id(), span.flags(random_ids));
    injector.set(TRACEPARENT, traceparent.encode_str(&mut [0; TraceParent::LENGTH]).to_owned());
    let tracestate = span.list();
    if !tracestate.is_empty() {
        injector.set(TRACESTATE, tracestate.into_owned());
    }
}

/// All fields of a name, in their order, looked up only when they are asked for.
pub(crate) fn fields<'e>(extractor: &'e dyn Extractor, name: &'static str) -> impl Iterator<Item = &'e [u8]> {
    once_with(move || extractor.get_all(name)).flatten().flatten().map(|value| trim_ows(value.as_bytes()))
}
