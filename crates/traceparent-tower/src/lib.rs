#![doc = include_str!("links.md")]
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

#[macro_use]
mod macros;

mod attributes;
mod egress;
mod in_trace;
mod server_timing;
mod span;
mod trailers;

#[cfg(feature = "tokio")]
mod current;

mod extract;
mod inject;
#[cfg(feature = "tracing")]
mod instrument;

#[cfg(feature = "tracing-subscriber")]
mod log;

#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "reqwest")]
mod reqwest;

pub use traceparent_formats::{Format, Propagators};
pub use traceparent_http::{Egress, MemberKeys};
#[doc(hidden)]
#[cfg(feature = "tracing")]
pub use tracing as __tracing;

#[cfg(feature = "tokio")]
pub use crate::current::{spawn, spawn_blocking};
#[cfg(feature = "tracing")]
pub use crate::instrument::{InstrumentRequest, InstrumentRequestLayer};
#[cfg(feature = "tracing-subscriber")]
pub use crate::log::{LogFields, TraceContextFormat};
pub use crate::{
    egress::{EgressPolicy, EgressRules},
    extract::{ExtractTraceContext, ExtractTraceContextLayer, ResponseFuture},
    in_trace::{InTrace, InTraceExt},
    inject::{InjectTraceContext, InjectTraceContextLayer},
    span::{RequestSpan, SpanContext},
    trailers::StripTrailers,
};
