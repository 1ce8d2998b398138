use std::time::{Duration, SystemTime};

use traceparent::{Origin, SpanId, TraceContext, TraceFlags, TraceId, TraceParent, TraceState, sampler::SpanKind};

use crate::{
    config::SpanLimits,
    span::{Attributes, Span},
};

/// Creates a sampled span without attributes.
#[allow(clippy::unwrap_used)]
pub(crate) fn span(trace: u64, id: u64) -> Span {
    let trace_id = TraceId::from_bytes(u128::from(trace).to_be_bytes()).unwrap();
    let traceparent = TraceParent::new(trace_id, SpanId::from_u64(id).unwrap(), TraceFlags::SAMPLED);
    Span {
        service: "s".into(),
        kind: SpanKind::Server,
        name: "GET".into(),
        start: SystemTime::UNIX_EPOCH,
        duration: Duration::ZERO,
        context: TraceContext::new(traceparent, TraceState::EMPTY),
        parent_id: None,
        origin: Origin::Started,
        link: None,
        refused: None,
        rpc: None,
        status: Some(200),
        failure: None,
        kept: false,
        attributes: Attributes::new(SpanLimits::default()),
        dropped_links: 0,
    }
}
