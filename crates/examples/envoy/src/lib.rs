//! W3C Trace Context for Envoy: a filter that continues, starts and restarts the trace of each request, so that the
//! upstream receives a valid `traceparent` and `tracestate`, whatever the client has sent.
//!
//! The filter's span is a line of Envoy's access log. The request's `traceparent` has the IDs of the trace and of the
//! span, and the filter state has the rest: `traceparent.origin`, `traceparent.parent_id` and `traceparent.error`.

mod settings;

use proxy_wasm::{
    traits::{Context, HttpContext, RootContext},
    types::{Action, ContextType, LogLevel},
};
use traceparent::{Incoming, Policy, RandomIdGenerator, TraceParent, TraceState, sampler::SamplerConfig};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Plugin { policy: Policy::default() }));
}}

/// What Envoy creates once for each of its threads.
struct Plugin {
    policy: Policy<SamplerConfig>,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    fn on_configure(&mut self, _: usize) -> bool {
        match settings::parse(&self.get_plugin_configuration().unwrap_or_default()) {
            Ok(policy) => {
                self.policy = policy;
                true
            }
            Err(error) => {
                log::error!("invalid configuration: {error}");
                false
            }
        }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request { policy: self.policy }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// What the plugin creates for each request.
struct Request {
    policy: Policy<SamplerConfig>,
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        // All headers, because a look-up by name returns the first field alone: a second `traceparent` would
        // go unnoticed, and the rest of the `tracestate` would be lost.
        let headers = self.get_http_request_headers_bytes();
        let fields = |name| headers.iter().filter(move |(key, _)| key == name).map(|(_, value)| value);
        let incoming = Incoming::from_fields(fields(TraceParent::NAME), fields(TraceState::NAME));
        let error = incoming.error();
        let span = self.policy.apply(incoming, &RandomIdGenerator);

        for (name, value) in span.fields() {
            self.set_http_request_header(name, value.map(|value| value.to_string()).as_deref());
        }

        let note = |name, value: &str| self.set_property(vec![name], Some(value.as_bytes()));
        note("traceparent.origin", span.origin().as_str());
        if let Some(parent) = span.parent_id() {
            note("traceparent.parent_id", &parent.to_string());
        }
        if let Some(error) = error {
            let (kind, field, offset) = (error.kind().as_str(), error.field().as_str(), error.offset());
            note("traceparent.error", &format!("{kind} {field} {offset}"));
        }
        Action::Continue
    }
}
