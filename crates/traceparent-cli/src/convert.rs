//! The command `convert`: the context of one format in another.

use std::process::ExitCode;

use serde::Serialize;
use traceparent::{Incoming, TraceContext};
use traceparent_formats::{Format, LocalContext, RemoteContext, SamplingState};

use crate::{
    cli::ConvertArgs,
    error::Error,
    headers::Headers,
    json,
    terminal::{print, tell},
    write::{Sent, lines},
};

#[derive(Serialize)]
struct Converted {
    from: &'static str,
    to: &'static str,
    headers: Vec<Sent>,
    notes: Vec<&'static str>,
}

/// Writes the context of one format in another, with the same IDs.
pub(crate) fn convert(args: &ConvertArgs, json: bool) -> Result<ExitCode, Error> {
    let headers = Headers::read(&args.headers.headers)?;
    let from = match args.from {
        Some(format) => format,
        None => headers.formats().next().ok_or_else(|| Error::Invalid("no trace header in the input".to_owned()))?,
    };
    let (sent, notes) = converted(&headers, from, args.to)?;
    if json {
        print(&json::pretty(&Converted { from: from.as_str(), to: args.to.as_str(), headers: sent, notes })?)?;
    } else {
        for note in &notes {
            tell(&format!("note: {note}"));
        }
        print(&lines(&sent, args.header))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn converted(headers: &Headers, from: Format, to: Format) -> Result<(Vec<Sent>, Vec<&'static str>), Error> {
    let context = match from.read(|name| headers.get(name)) {
        Ok(Some(context)) => context,
        Ok(None) => return Err(Error::Invalid(format!("no context in the format {from}"))),
        Err(error) => return Err(Error::Invalid(format!("{error}; `traceparent explain` shows the place"))),
    };
    let mut notes = Vec::new();
    if from == Format::TraceContext && to == from {
        return Ok((trace_context(headers), notes));
    }
    let (Some(trace_id), Some(span_id)) = (context.trace_id(), context.span_id()) else {
        return Err(Error::Invalid(
            "the context has no span-id, and other formats have no form without one".to_owned(),
        ));
    };
    let local = LocalContext::new(trace_id, span_id, context.state().is_sampled() == Some(true));
    let mut sent = Vec::new();
    to.write(&local.with_carried(context.carried()), |name, value| {
        sent.extend(value.map(|value| Sent { name, value: value.to_owned() }));
    });
    if sent.is_empty() {
        return Err(Error::Invalid(format!("{to} cannot hold a trace-id whose lower half is zero")));
    }
    lost(&context, from, to, headers, &mut notes);
    Ok((sent, notes))
}

/// Returns both headers as they are sent on: in version 00, without reserved flags.
fn trace_context(headers: &Headers) -> Vec<Sent> {
    let incoming = Incoming::from_fields(headers.get("traceparent"), headers.get("tracestate"));
    let Some(TraceContext { traceparent, tracestate }) = incoming.context() else { return Vec::new() };
    let mut sent = vec![Sent { name: "traceparent", value: traceparent.to_string() }];
    if !tracestate.is_empty() {
        sent.push(Sent { name: "tracestate", value: tracestate.to_string() });
    }
    sent
}

/// Adds what the other format does not hold.
fn lost(context: &RemoteContext<'_>, from: Format, to: Format, headers: &Headers, notes: &mut Vec<&'static str>) {
    if context.state() == SamplingState::Defer {
        notes.push("the decision is left to the receiver, which is written as not sampled");
    }
    let holds_debug = matches!(to, Format::B3 | Format::B3Multi | Format::Jaeger | Format::Datadog);
    if context.state() == SamplingState::Debug && !holds_debug {
        notes.push("debug is written as sampled");
    }
    if to == Format::OtTracer && context.trace_id().is_some_and(|id| id.to_u128() >> 64 != 0) {
        notes.push("the format holds the lower half of the trace-id alone");
    }
    if from == Format::TraceContext && headers.get("tracestate").next().is_some() {
        notes.push("the format has no tracestate");
    }
}
