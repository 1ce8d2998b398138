use std::sync::Arc;

use crate::span::protobuf::push_bytes;

/// The field of the spans in `ScopeSpans`.
const SPANS: u64 = 2;

/// Encoded spans, by service.
#[derive(Debug, Default)]
pub(super) struct Run(Vec<ServiceSpans>);

/// The spans of a service, as fields of `ScopeSpans`.
#[derive(Debug)]
pub(super) struct ServiceSpans {
    pub(super) name: Arc<str>,
    pub(super) spans: Vec<u8>,
}

impl Run {
    pub(super) fn push(&mut self, service: &Arc<str>, span: &[u8]) {
        let known = self.0.iter().position(|known| known.name == *service);
        let place = known.unwrap_or_else(|| {
            self.0.push(ServiceSpans { name: Arc::clone(service), spans: Vec::new() });
            self.0.len() - 1
        });
        push_bytes(&mut self.0[place].spans, SPANS, span);
    }

    /// Returns all services that have had spans, in the order of their first ones.
    pub(super) fn services(&self) -> &[ServiceSpans] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|service| service.spans.is_empty())
    }

    /// Removes all spans, and keeps their memory.
    pub(super) fn clear(&mut self) {
        for service in &mut self.0 {
            service.spans.clear();
        }
    }

    /// Gives back the memory of each service beyond this number of bytes.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        for service in &mut self.0 {
            service.spans.shrink_to(bytes);
        }
    }
}
