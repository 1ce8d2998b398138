//! Entry points for fuzz targets. They are no part of the API.
#![allow(missing_docs, reason = "hidden")]

use crate::{check, explain, headers::Headers, json, terminal::Style};

/// Explains a text, as plain text and as JSON. Returns `None` if it has no header.
#[must_use]
pub fn explain(text: &[u8]) -> Option<(String, String)> {
    let report = explain::explain(&Headers::parse(text), None, None).ok()?;
    let json = json::pretty(&report).unwrap_or_default();
    Some((explain::render(&report, Style::PLAIN), json))
}

/// Checks a text in blocks of a length. Returns the report as text and as JSON.
#[must_use]
pub fn check(text: &[u8], block: usize) -> (String, String) {
    check::check_bytes(text, block)
}
