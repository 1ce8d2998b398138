use super::{SpanId, TraceId};

/// A generator of trace-ids and span-ids.
///
/// The trait is object-safe. It is also implemented for `&G` and, with the feature `alloc`, for `Box<G>` and
/// `Arc<G>`.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use traceparent::{IdGenerator, SpanId, TraceId};
///
/// /// Numbers the spans of one trace, for the output of tests.
/// struct Numbered(AtomicU64);
///
/// impl IdGenerator for Numbered {
///     fn new_trace_id(&self) -> TraceId {
///         TraceId::from_static("4bf92f3577b34da6a3ce929d0e0e4736")
///     }
///
///     fn new_span_id(&self) -> SpanId {
///         SpanId::from_u64(self.0.fetch_add(1, Ordering::Relaxed)).unwrap_or(SpanId::from_static("ffffffffffffffff"))
///     }
/// }
///
/// let ids = Numbered(AtomicU64::new(1));
/// assert_eq!(ids.new_span_id().to_string(), "0000000000000001");
/// assert_eq!(ids.new_span_id().to_string(), "0000000000000002");
/// assert!(!ids.is_random());
/// ```
pub trait IdGenerator {
    /// Returns a new trace-id, for a trace that starts here.
    fn new_trace_id(&self) -> TraceId;

    /// Returns a new span-id.
    fn new_span_id(&self) -> SpanId;

    /// Returns `true` if the right-most 7 bytes of every new trace-id are uniformly random, which the
    /// [random flag](crate::TraceFlags::RANDOM) states to all services downstream.
    ///
    /// [W3C: random trace-id flag](https://www.w3.org/TR/trace-context-2/#random-trace-id-flag)
    fn is_random(&self) -> bool {
        false
    }
}

/// Implements the trait for pointers to generators.
macro_rules! generator_behind {
    ($($(#[$attribute:meta])* $Pointer:ty),*) => {$(
        $(#[$attribute])*
        impl<G: IdGenerator + ?Sized> IdGenerator for $Pointer {
            fn new_trace_id(&self) -> TraceId {
                (**self).new_trace_id()
            }

            fn new_span_id(&self) -> SpanId {
                (**self).new_span_id()
            }

            fn is_random(&self) -> bool {
                (**self).is_random()
            }
        }
    )*};
}

generator_behind! {
    &G,
    #[cfg(feature = "alloc")] alloc::boxed::Box<G>,
    #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))] alloc::sync::Arc<G>
}
