use std::{any::type_name, fmt};

use opentelemetry::{
    Context,
    trace::{SpanId, TraceId},
};
use traceparent::IdGenerator;

use crate::{convert, received::Received};

/// Any of our id generators as one of OpenTelemetry's SDK.
///
/// ```
/// use opentelemetry_sdk::trace::{IdGenerator, SdkTracerProvider};
/// use traceparent::{RandomIdGenerator, XRayIds};
/// use traceparent_opentelemetry::SdkIdGenerator;
///
/// let ids = SdkIdGenerator::new(XRayIds::with_clock(RandomIdGenerator, || 0x5759_e988));
/// assert!(ids.new_trace_id().to_string().starts_with("5759e988"));
///
/// let provider = SdkTracerProvider::builder().with_id_generator(ids).build();
/// ```
///
/// A root span that starts while a context is attached which [`FormatsPropagator`](crate::FormatsPropagator) extracted
/// continues the caller's trace, if the caller sent its trace-id and no parent, as load balancers do.
///
/// The SDK does not ask whether ids are random; say so to
/// [`TraceContextPropagator::with_random_ids`](crate::TraceContextPropagator::with_random_ids).
#[derive(Clone, Copy, Default)]
pub struct SdkIdGenerator<G> {
    ids: G,
}

impl<G> SdkIdGenerator<G> {
    /// Takes ids from this generator.
    pub const fn new(ids: G) -> Self {
        Self { ids }
    }
}

impl<G: IdGenerator + Send + Sync> opentelemetry_sdk::trace::IdGenerator for SdkIdGenerator<G> {
    fn new_trace_id(&self) -> TraceId {
        let callers = Context::map_current(|cx| Received::root(cx).and_then(Received::trace_id));
        convert::to_trace_id(callers.unwrap_or_else(|| self.ids.new_trace_id()))
    }

    fn new_span_id(&self) -> SpanId {
        convert::to_span_id(self.ids.new_span_id())
    }
}

impl<G> fmt::Debug for SdkIdGenerator<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SdkIdGenerator").field(&format_args!("{}", type_name::<G>())).finish()
    }
}
