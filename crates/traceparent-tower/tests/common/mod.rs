#![allow(dead_code, clippy::unwrap_used)]

pub(crate) mod lines;

use std::convert::Infallible;

use http::{HeaderMap, Request, Response};
use tower::Service;
use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::AlwaysOn};
use traceparent_tower::{RequestSpan, SpanContext};

pub(crate) const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
pub(crate) const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A request with these header fields.
pub(crate) fn request(fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().uri("http://service.internal/orders?id=1");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// A span that starts a trace.
pub(crate) fn started() -> SpanContext {
    Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator).into()
}

/// A span that continues [`SAMPLED`], with this list.
pub(crate) fn continued(tracestate: &str) -> SpanContext {
    let incoming = Incoming::from_fields([SAMPLED.as_bytes()], [tracestate.as_bytes()]);
    Policy::new(AlwaysOn).apply(incoming, &RandomIdGenerator).into()
}

/// What a service saw of a request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) headers: HeaderMap,
    pub(crate) extension: Option<SpanContext>,
    pub(crate) current: Option<SpanContext>,
}

/// A service that answers with what it saw.
pub(crate) fn echo()
-> impl Service<Request<()>, Response = Response<Seen>, Error = Infallible, Future: Send> + Clone + Send + Sync {
    tower::service_fn(async |request: Request<()>| {
        let extension = request.span_context().cloned();
        #[cfg(feature = "tokio")]
        let current = SpanContext::current();
        #[cfg(not(feature = "tokio"))]
        let current = None;
        Ok(Response::new(Seen { headers: request.headers().clone(), extension, current }))
    })
}
