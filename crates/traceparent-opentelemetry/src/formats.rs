use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
    trace::{SpanContext, TraceContextExt},
};
use traceparent::Incoming;
use traceparent_formats::{Carried, Extracted, Format, LocalContext, Propagators, SamplingState};

use crate::{
    convert,
    propagator::{fields, inject, receive},
    received::{Received, SpanInTrace},
};

/// Carries the trace context in several formats, or in one of them: B3, X-Ray, Datadog, Jaeger and others.
///
/// The first format that has a context is used, in the order of the [`Propagators`]. All of their formats are written,
/// W3C Trace Context as [`TraceContextPropagator`](crate::TraceContextPropagator) writes it.
///
/// What OpenTelemetry's types cannot hold travels as a value in the [`Context`]: that the decision is deferred, the wish to
/// debug, X-Ray's other pairs, and Datadog's priority, tags and origin. What becomes of a context that is no parent:
///
/// | the caller sent | with [`SdkSampler`](crate::SdkSampler) and [`SdkIdGenerator`](crate::SdkIdGenerator) | with the SDK's own |
/// |---|---|---|
/// | IDs, and no decision | the sampler decides as about a root span | the parent counts as not sampled |
/// | a trace-id without a parent | its trace goes on with a root span while the extracted context is attached | a trace starts |
/// | a decision without a parent | is followed as a parent's | the sampler decides |
///
/// ```
/// use std::collections::HashMap;
/// use opentelemetry::propagation::TextMapPropagator;
/// use traceparent_formats::{Format, Propagators};
/// use traceparent_opentelemetry::FormatsPropagator;
///
/// const PROPAGATORS: Propagators = Propagators::new(&[Format::TraceContext, Format::B3], &[Format::B3]);
///
/// let propagator = FormatsPropagator::new(PROPAGATORS);
/// let incoming = HashMap::from([("b3".to_owned(), "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-d".to_owned())]);
/// let cx = propagator.extract(&incoming);
///
/// let mut outgoing = HashMap::new();
/// propagator.inject_context(&cx, &mut outgoing);
/// assert_eq!(outgoing["b3"], incoming["b3"]);
/// assert_eq!(outgoing["traceparent"], "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
/// ```
#[derive(Clone, Debug)]
pub struct FormatsPropagator {
    propagators: Propagators,
    random_ids: bool,
    fields: Vec<String>,
}

impl FormatsPropagator {
    /// Creates a propagator for services whose own trace IDs are random, as
    /// [`TraceContextPropagator::new`](crate::TraceContextPropagator::new) does.
    pub fn new(propagators: Propagators) -> Self {
        Self { propagators, random_ids: true, fields: propagators.field_names().map(str::to_owned).collect() }
    }

    /// Sets whether traces that start here carry the random flag; see
    /// [`TraceContextPropagator::with_random_ids`](crate::TraceContextPropagator::with_random_ids).
    #[must_use]
    pub fn with_random_ids(self, random: bool) -> Self {
        Self { random_ids: random, ..self }
    }

    /// Returns the formats that are read and written.
    pub const fn propagators(&self) -> Propagators {
        self.propagators
    }
}

impl Default for FormatsPropagator {
    /// Reads and writes W3C Trace Context alone.
    fn default() -> Self {
        Self::new(Propagators::default())
    }
}

impl From<Propagators> for FormatsPropagator {
    fn from(propagators: Propagators) -> Self {
        Self::new(propagators)
    }
}

/// Creates a propagator of one format alone, for a composite with others; see [`Propagators::only`].
impl From<Format> for FormatsPropagator {
    fn from(format: Format) -> Self {
        Self::new(Propagators::only(format))
    }
}

impl TextMapPropagator for FormatsPropagator {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        let span = cx.span();
        let span = SpanInTrace::new(cx, span.span_context());
        let Some(ids) = convert::traceparent(span.span) else {
            return;
        };
        if self.propagators.injected().any(|format| format == Format::TraceContext) {
            inject(span, ids, self.random_ids, injector);
        }
        let context = LocalContext::new(ids.trace_id(), ids.parent_id(), span.span.is_sampled());
        self.propagators.inject_local(&context.with_carried(span.carried()), |name, value| {
            if let Some(value) = value {
                injector.set(name, value.to_owned());
            }
        });
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        let extracted = self.propagators.extract(|name| fields(extractor, name));
        match extracted.incoming() {
            Incoming::Valid { context, .. } | Incoming::Deferred(context) => {
                let (caller, received) = receive(context);
                cx.with_value(beside(received, &extracted)).with_remote_span_context(caller)
            }
            Incoming::Root { trace_id, .. } => {
                // The span of the context is another trace's, if it has one.
                let cx = if cx.has_active_span() { cx.with_remote_span_context(SpanContext::NONE) } else { cx.clone() };
                cx.with_value(beside(Received::new(*trace_id, false), &extracted))
            }
            _ => cx.clone(),
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&self.fields)
    }
}

/// Keeps what came in beside `traceparent` and `tracestate`.
fn beside(received: Received, extracted: &Extracted<'_>) -> Received {
    let state = extracted.state().unwrap_or(SamplingState::Deny);
    let carried = match received.trace_id() {
        Some(id) => extracted.carried_in(id),
        None => Carried::EMPTY.with_debug(state == SamplingState::Debug),
    };
    let is_w3c = extracted.format() == Some(Format::TraceContext);
    if is_w3c && carried == Carried::EMPTY { received } else { received.with_other(state, carried) }
}
