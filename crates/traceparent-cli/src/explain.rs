//! What headers are, field by field, and which rule a refused one breaks.

use std::{borrow::Cow, fmt};

use serde::{Serialize, Serializer};
use traceparent::Trust;
use traceparent_formats::{Format, Propagators};

use crate::{
    error::Error,
    headers::{Header, Headers, RESPONSE},
    rule::Rule,
};

mod context;
mod foreign;
mod render;
mod time;
mod trace_context;

pub(crate) use self::{context::Context, render::render};

/// What is found out about the headers of a message.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Whether every header is valid.
    pub(crate) valid: bool,
    pub(crate) headers: Vec<Entry>,
    pub(crate) context: Option<Context>,
    pub(crate) notes: Vec<String>,
    /// Whether the context is of interest to readers of the text: there are several headers, or it was asked for.
    #[serde(skip)]
    shows_context: bool,
}

/// One header, or all headers of one format.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) format: &'static str,
    pub(crate) fields: Vec<Field>,
    pub(crate) valid: bool,
    pub(crate) parts: Vec<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Refusal>,
    pub(crate) notes: Vec<String>,
}

/// A header as it is in the message.
#[derive(Debug, Serialize)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    #[serde(serialize_with = "lossy")]
    pub(crate) value: Vec<u8>,
}

/// A part of a value: its name, its text, and what it means.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Part {
    #[serde(rename = "part")]
    pub(crate) name: Cow<'static, str>,
    pub(crate) text: String,
    pub(crate) meaning: String,
}

/// Why a header is refused.
#[derive(Debug, Serialize)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) part: &'static str,
    pub(crate) kind: &'static str,
    /// The offset as the library reports it: in the joined list, if there are several `tracestate` fields.
    pub(crate) offset: usize,
    /// The index of the field, and the offset of the byte in it.
    pub(crate) field: usize,
    pub(crate) byte: usize,
    #[serde(flatten)]
    pub(crate) rule: Rule,
}

fn lossy<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(bytes))
}

impl Entry {
    fn new(format: &'static str, headers: &[&Header]) -> Self {
        let fields = headers.iter().map(|header| Field { name: header.name, value: header.value.clone() }).collect();
        Self { format, fields, valid: true, parts: Vec::new(), error: None, notes: Vec::new() }
    }

    fn add(&mut self, name: impl Into<Cow<'static, str>>, text: impl fmt::Display, meaning: impl Into<String>) {
        self.parts.push(Part { name: name.into(), text: text.to_string(), meaning: meaning.into() });
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.valid = false;
        self.error = Some(refusal);
    }
}

/// Explains headers. The context is that of propagators which read the formats in this order.
pub(crate) fn explain(headers: &Headers, order: Option<Propagators>, trust: Option<Trust>) -> Result<Report, Error> {
    let mut notes: Vec<_> = headers.misspelt.iter().map(|name| misspelt(name)).collect();
    if headers.all.is_empty() {
        notes.insert(0, "no trace header in the input".to_owned());
        return Err(Error::Invalid(notes.join("; ")));
    }
    let order = order.unwrap_or(Propagators::new(&Format::ALL, &[]));
    let mut entries = Vec::new();
    let formats: Vec<_> = headers.formats().collect();
    for format in formats {
        if format == Format::TraceContext {
            entries.extend(trace_context::traceparent(headers));
            entries.extend(trace_context::tracestate(headers));
        } else {
            entries.push(foreign::foreign(format, headers));
        }
    }
    let of_request = entries.len();
    for header in headers.all.iter().filter(|header| RESPONSE.contains(&header.name)) {
        entries.push(trace_context::response(header));
    }
    if headers.others > 0 && headers.all.len() > 1 {
        let (noun, verb) = if headers.others == 1 { ("line", "is") } else { ("lines", "are") };
        notes.push(format!("{} other {noun} {verb} no trace header", headers.others));
    }
    let context = (of_request > 0).then(|| Context::new(headers, &order, trust));
    Ok(Report {
        valid: entries.iter().all(|entry| entry.valid),
        headers: entries,
        shows_context: of_request > 1 || trust.is_some(),
        context,
        notes,
    })
}

/// Explains the carriers of the response context alone. A bare value is one.
pub(crate) fn explain_response(mut headers: Headers) -> Result<Report, Error> {
    for header in &mut headers.all {
        if header.name == "traceparent" {
            header.name = "traceresponse";
        }
    }
    headers.all.retain(|header| RESPONSE.contains(&header.name));
    if headers.all.is_empty() {
        return Err(Error::Invalid("neither Server-Timing nor traceresponse in the input".to_owned()));
    }
    explain(&headers, None, None)
}

fn misspelt(name: &str) -> String {
    let right = if name.ends_with("parent") { "traceparent" } else { "tracestate" };
    format!("{name} is not read: the name is one word, {right} (W3C 4)")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
