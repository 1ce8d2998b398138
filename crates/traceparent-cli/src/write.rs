//! The commands `new` and `child`: headers to use in a request.

use std::{fmt::Write as _, process::ExitCode};

use serde::Serialize;
use traceparent::{
    Incoming, Outgoing, Percent, Policy, RandomIdGenerator,
    sampler::{AlwaysOff, ProbabilitySampler, Sampler},
};
use traceparent_formats::{Carried, Extracted, Format, Propagators};

use crate::{
    cli::{ChildArgs, NewArgs},
    error::Error,
    headers::Headers,
    json,
    terminal::print,
};

/// A header to send.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Sent {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// The headers of one span.
#[derive(Serialize)]
struct Span {
    trace_id: String,
    #[serde(rename = "span_id")]
    id: String,
    sampled: bool,
    headers: Vec<Sent>,
}

/// Creates the headers of new traces.
pub(crate) fn new(args: &NewArgs, json: bool) -> Result<ExitCode, Error> {
    for _ in 0..args.count {
        let outgoing = match (args.not_sampled, args.percent) {
            (true, _) => start(AlwaysOff),
            (false, percent) => start(ProbabilitySampler::from_percent(percent.unwrap_or(Percent::HUNDRED))),
        };
        let propagators = Propagators::new(&[], &args.write.formats);
        let mut headers = headers(&outgoing, &propagators, Carried::EMPTY, &args.write.formats);
        headers.retain(|sent| sent.name != "tracestate" || args.tracestate);
        write(&outgoing, headers, args.write.header || args.tracestate, json)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn start(sampler: impl Sampler) -> Outgoing<'static> {
    Policy::new(sampler).apply(Incoming::Absent, &RandomIdGenerator)
}

/// Creates the headers of a call in the trace of received headers.
pub(crate) fn child(args: &ChildArgs, json: bool) -> Result<ExitCode, Error> {
    let headers_in = Headers::read(&args.headers.headers)?;
    let formats = &args.write.formats;
    let propagators = Propagators::new(&Format::ALL, formats);
    let extracted = propagators.extract(|name| headers_in.get(name));
    let continued = match extracted.context() {
        Some(context) if context.trace_id().is_some() => extracted.incoming().clone(),
        _ => return Err(Error::Invalid(refused(&extracted, &headers_in))),
    };
    let outgoing = Policy::new(AlwaysOff).apply(continued, &RandomIdGenerator);
    let headers = headers(&outgoing, &propagators, extracted.carried(&outgoing), formats);
    write(&outgoing, headers, args.write.header, json)?;
    Ok(ExitCode::SUCCESS)
}

/// Returns why headers are of no use: the first error, or that there is no context.
pub(crate) fn refused(extracted: &Extracted<'_>, headers: &Headers) -> String {
    match extracted.refused().next() {
        Some(error) => format!("{error}; `traceparent explain` shows the place"),
        None if headers.all.is_empty() => "no trace header in the input".to_owned(),
        None => "the headers have no trace-id".to_owned(),
    }
}

/// Returns the headers of these formats. Propagators always write W3C Trace Context, which counts if it is one of them.
fn headers(outgoing: &Outgoing<'_>, propagators: &Propagators, carried: Carried<'_>, formats: &[Format]) -> Vec<Sent> {
    let mut headers = Vec::new();
    propagators.inject(outgoing, carried, |name, value| {
        let is_asked_for = formats.iter().any(|format| format.field_names().contains(&name));
        if let Some(value) = value.filter(|_| is_asked_for) {
            headers.push(Sent { name, value: value.to_owned() });
        }
    });
    headers
}

fn write(outgoing: &Outgoing<'_>, headers: Vec<Sent>, with_names: bool, json: bool) -> Result<(), Error> {
    if headers.is_empty() {
        return Err(Error::Invalid("the format cannot hold this trace-id".to_owned()));
    }
    if !json {
        print(&lines(&headers, with_names))?;
        return Ok(());
    }
    let span = Span {
        trace_id: outgoing.traceparent().trace_id().to_string(),
        id: outgoing.span_id().to_string(),
        sampled: outgoing.decision().is_sampled(),
        headers,
    };
    print(&json::line(&span)?)?;
    Ok(())
}

/// Returns headers as lines: a single one without its name, unless that is asked for.
pub(crate) fn lines(headers: &[Sent], with_names: bool) -> String {
    headers.iter().fold(String::new(), |mut text, Sent { name, value }| {
        // Writing to a String does not fail.
        let _ = match headers {
            [_] if !with_names => writeln!(text, "{value}"),
            _ => writeln!(text, "{name}: {value}"),
        };
        text
    })
}
