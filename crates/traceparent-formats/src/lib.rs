#![doc = include_str!("links.md")]
#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(any(doc, doctest))]
#[doc = include_str!("links.md")]
#[doc = include_str!("../docs/guide.md")]
pub mod guide {
    #[allow(clippy::wildcard_imports, unused_imports, reason = "for the links")]
    use crate::*;
}

mod error;
mod format;
mod scan;
mod state;
mod text;
mod words;

mod carried;
mod context;
mod ids;

pub mod b3;
pub mod b3_multi;
pub mod cloud_trace;
pub mod datadog;
pub mod grpc_trace_bin;
pub mod jaeger;
pub mod ot_tracer;
pub mod xray;

mod fields;

mod propagators;

#[cfg(feature = "alloc")]
pub use crate::carried::OwnedCarried;
pub use crate::{
    carried::{Carried, Pairs},
    context::{LocalContext, RemoteContext},
    error::{FormatError, Part},
    format::{Format, KNOWN_FIELDS, UnknownFormat, is_trace_field},
    propagators::{Extracted, Propagators, PropagatorsError},
    state::SamplingState,
    text::Encoded,
};
