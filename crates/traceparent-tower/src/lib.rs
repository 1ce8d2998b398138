#![doc = include_str!("links.md")]
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod span;

#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "tokio")]
mod current;
#[cfg(feature = "tracing")]
mod instrument;

mod attributes;
mod egress;
mod extract;
mod inject;

pub use traceparent_http::{Egress, MemberKeys};

#[cfg(feature = "tracing")]
pub use crate::instrument::{InstrumentRequest, InstrumentRequestLayer};
pub use crate::{
    egress::EgressPolicy,
    extract::{ExtractTraceContext, ExtractTraceContextLayer, ResponseFuture},
    inject::{InjectTraceContext, InjectTraceContextLayer},
    span::{RequestSpan, SpanContext},
};
