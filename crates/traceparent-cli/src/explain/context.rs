//! What a service makes of all headers together.

use serde::Serialize;
use traceparent::{Incoming, Origin, Outgoing, Policy, RandomIdGenerator, Trust, sampler::AlwaysOn};
use traceparent_formats::{Extracted, Format, Propagators};

use crate::headers::Headers;

/// The context of a message, chosen from all formats.
#[derive(Debug, Serialize)]
pub(crate) struct Context {
    /// The format whose context counts.
    pub(crate) used: Option<&'static str>,
    pub(crate) trace_id: Option<String>,
    pub(crate) span_id: Option<String>,
    pub(crate) state: Option<&'static str>,
    /// The first format with a context of another trace.
    pub(crate) conflict: Option<&'static str>,
    pub(crate) refused: Vec<&'static str>,
    /// What services do that trust the caller so far.
    pub(crate) trust: Vec<Outcome>,
    pub(crate) notes: Vec<String>,
}

/// What a service does with the context.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) trust: &'static str,
    pub(crate) outcome: String,
}

impl Context {
    pub(crate) fn new(headers: &Headers, order: &Propagators, trust: Option<Trust>) -> Self {
        let extracted = order.extract(|name| headers.get(name));
        let context = extracted.context();
        let trusts = [Trust::Continue, Trust::Resample, Trust::Restart, Trust::Ignore];
        let trusts = trusts.into_iter().filter(|each| trust.is_none_or(|trust| trust == *each));
        Self {
            used: extracted.format().map(Format::as_str),
            trace_id: context.and_then(|context| context.trace_id()).map(|id| id.to_string()),
            span_id: context.and_then(|context| context.span_id()).map(|id| id.to_string()),
            state: extracted.state().map(traceparent_formats::SamplingState::as_str),
            conflict: extracted.conflict().map(Format::as_str),
            refused: extracted.refused().map(|error| error.format().as_str()).collect(),
            trust: trusts
                .map(|trust| Outcome { trust: trust.as_str(), outcome: outcome(trust, extracted.incoming()) })
                .collect(),
            notes: notes(headers, &extracted),
        }
    }
}

/// Returns what a policy of this trust makes of a context, in words.
fn outcome(trust: Trust, incoming: &Incoming<'_>) -> String {
    let outgoing = Policy::new(AlwaysOn).with_trust(trust).apply(incoming.clone(), &RandomIdGenerator);
    let trace = match outgoing.origin() {
        Origin::Continued if outgoing.parent_id().is_none() => "the trace goes on with a root span",
        Origin::Continued => "the trace goes on",
        _ if outgoing.link().is_some() => "a new trace, linked to the caller's span",
        _ => "a new trace",
    };
    let list = if outgoing.tracestate().is_empty() { "" } else { " with its tracestate" };
    format!("{trace}{list}, {}", decision(&outgoing))
}

fn decision(outgoing: &Outgoing<'_>) -> &'static str {
    match (outgoing.follows_caller(), outgoing.decision().is_sampled()) {
        (true, true) => "sampled, as the caller decided",
        (true, false) => "not sampled, as the caller decided",
        (false, _) => "and the sampler decides",
    }
}

fn notes(headers: &Headers, extracted: &Extracted<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    let has_list = headers.get("tracestate").next().is_some();
    for format in headers.formats() {
        notes.extend(contradiction(headers, extracted, format));
    }
    let Some(context) = extracted.incoming().context() else { return notes };
    if has_list && extracted.format() != Some(Format::TraceContext) && context.tracestate.is_empty() {
        notes.push("tracestate does not count: it belongs to another trace (F 10)".to_owned());
    }
    if let Some(ot) = context.tracestate.ot() {
        let randomness = ot.randomness().unwrap_or(context.traceparent.trace_id().randomness());
        let contradicts = ot.threshold().is_some_and(|threshold| !threshold.keeps(randomness));
        if contradicts && context.traceparent.flags().is_sampled() {
            notes.push("th rejects this trace, which is sampled: th is erased (OTel 13)".to_owned());
        }
    }
    notes
}

/// Returns what a format says otherwise than the one that counts, of the same trace.
fn contradiction(headers: &Headers, extracted: &Extracted<'_>, format: Format) -> Option<String> {
    let (used, context) = (extracted.format()?, extracted.context()?);
    let other = format.read(|name| headers.get(name)).ok()??;
    if format == used || other.trace_id().is_none() || other.trace_id() != context.trace_id() {
        return None;
    }
    let decides_otherwise = other.state().is_sampled().is_some_and(|it| context.state().is_sampled() != Some(it));
    let what = match (other.span_id() == context.span_id(), decides_otherwise) {
        (true, false) => return None,
        (true, true) => "another decision",
        (false, false) => "another span",
        (false, true) => "another span and another decision",
    };
    Some(format!("{format} has {what} in the same trace, and {used} counts"))
}
