use std::sync::Arc;

use crate::span::protobuf::{field_length, push_bytes};

/// The field of the spans in `ScopeSpans`.
const SPANS: u64 = 2;

/// Encoded spans, by service.
#[derive(Debug, Default)]
pub(super) struct Run {
    services: Vec<ServiceSpans>,
    size: RunSize,
}

/// The number of spans, and their size in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RunSize {
    pub(super) spans: usize,
    pub(super) bytes: usize,
}

/// The spans of a service, as fields of `ScopeSpans`.
#[derive(Debug)]
pub(super) struct ServiceSpans {
    pub(super) name: Arc<str>,
    pub(super) spans: Vec<u8>,
}

impl Run {
    pub(super) fn push(&mut self, service: &Arc<str>, span: &[u8]) {
        let known = self.services.iter().position(|known| known.name == *service);
        let place = known.unwrap_or_else(|| {
            self.services.push(ServiceSpans { name: Arc::clone(service), spans: Vec::new() });
            self.services.len() - 1
        });
        push_bytes(&mut self.services[place].spans, SPANS, span);
        self.size.spans += 1;
        self.size.bytes += field_length(span.len());
    }

    /// Returns all services that have had spans, in the order of their first ones.
    pub(super) fn services(&self) -> &[ServiceSpans] {
        &self.services
    }

    pub(super) fn size(&self) -> RunSize {
        self.size
    }

    pub(super) fn is_empty(&self) -> bool {
        self.size.spans == 0
    }

    /// Gives back the memory that the spans do not take.
    pub(super) fn shrink_to_fit(&mut self) {
        for service in &mut self.services {
            service.spans.shrink_to_fit();
        }
    }

    /// Removes all spans. Each service keeps its memory up to this number of bytes.
    pub(super) fn clear(&mut self, kept: usize) {
        self.size = RunSize::default();
        for service in &mut self.services {
            service.spans.clear();
            service.spans.shrink_to(kept);
        }
    }
}
