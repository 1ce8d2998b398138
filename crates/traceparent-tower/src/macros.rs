/// Implements the access to the inner service of a middleware.
macro_rules! impl_inner {
    ($Service:ident<Inner $(, $Parameter:ident)*>) => {
        impl<Inner $(, $Parameter)*> $Service<Inner $(, $Parameter)*> {
            /// Returns a reference to the inner service.
            pub const fn get_ref(&self) -> &Inner {
                &self.inner
            }

            /// Returns a mutable reference to the inner service.
            pub const fn get_mut(&mut self) -> &mut Inner {
                &mut self.inner
            }

            /// Returns the inner service.
            pub fn into_inner(self) -> Inner {
                self.inner
            }
        }
    };
}

/// Creates a log span for a request, with this level and this name.
///
/// It declares the fields that [`InstrumentRequestLayer`](crate::InstrumentRequestLayer) records, and is meant for
/// [`make_span_with`](crate::InstrumentRequestLayer::make_span_with).
///
/// ```
/// use tracing::Level;
/// use traceparent_tower::{InstrumentRequestLayer, request_span};
///
/// let layer = InstrumentRequestLayer::new().make_span_with(|| request_span!(Level::DEBUG, "handle"));
/// ```
#[cfg(feature = "tracing")]
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
#[macro_export]
macro_rules! request_span {
    ($level:expr, $name:expr) => {
        $crate::__tracing::span!(
            $level,
            $name,
            trace_id = $crate::__tracing::field::Empty,
            span_id = $crate::__tracing::field::Empty,
            parent_id = $crate::__tracing::field::Empty,
            sampled = $crate::__tracing::field::Empty,
            traceparent.refused = $crate::__tracing::field::Empty,
            http.request.method = $crate::__tracing::field::Empty,
            http.route = $crate::__tracing::field::Empty,
            http.response.status_code = $crate::__tracing::field::Empty,
        )
    };
}
