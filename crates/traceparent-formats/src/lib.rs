#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod format;

pub use crate::format::{Format, KNOWN_FIELDS, UnknownFormat};
