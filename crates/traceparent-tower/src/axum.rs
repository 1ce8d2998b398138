use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use traceparent::{Policy, RandomIdGenerator, sampler::AlwaysOff};

use crate::{RequestSpan, SpanContext};

/// Extracts the context of the span that serves the request, and never rejects one.
///
/// Without [`ExtractTraceContextLayer`](crate::ExtractTraceContextLayer) it is created from the headers, once a
/// request: the caller's trace is continued, and a trace that starts here is not sampled.
///
/// ```
/// use axum::{Router, routing::get};
/// use traceparent::sampler::AlwaysOn;
/// use traceparent_tower::{ExtractTraceContextLayer, SpanContext};
///
/// async fn hello(span: SpanContext) -> String {
///     format!("this is span {}", span.span_id())
/// }
///
/// let app: Router = Router::new().route("/", get(hello)).layer(ExtractTraceContextLayer::new(AlwaysOn));
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
impl<S: Send + Sync> FromRequestParts<S> for SpanContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        if let Some(span) = parts.span_context() {
            return Ok(span.clone());
        }
        let incoming = traceparent_http::extract(&parts.headers);
        let error = incoming.error();
        let span = Self::new(Policy::new(AlwaysOff).apply(incoming, &RandomIdGenerator), error);
        parts.extensions.insert(span.clone());
        Ok(span)
    }
}
