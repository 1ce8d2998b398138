//! The command `exec`: a span around another command.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Write as _},
    path::Path,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

#[cfg(feature = "otlp")]
use std::time::SystemTime;

use serde::Serialize;
use traceparent::{Incoming, Outgoing, Policy, RandomIdGenerator, sampler::ProbabilitySampler, trim_ows};

use crate::{
    cli::ExecArgs,
    error::Error,
    json,
    terminal::{tell, visible_os},
};

mod child;
#[cfg(feature = "otlp")]
mod endpoint;
#[cfg(feature = "otlp")]
mod protobuf;
#[cfg(unix)]
mod signals;
#[cfg(feature = "otlp")]
mod span;

use self::child::Ending;
#[cfg(feature = "otlp")]
pub(crate) use self::endpoint::Endpoint;

/// A command that has ended.
#[derive(Debug)]
struct Ended<'a> {
    outgoing: &'a Outgoing<'a>,
    program: &'a str,
    #[cfg(feature = "otlp")]
    start: SystemTime,
    duration: Duration,
    ending: Ending,
}

/// What is told about a command that has ended.
#[derive(Serialize)]
struct Told<'a> {
    trace_id: String,
    span_id: String,
    sampled: bool,
    program: &'a str,
    exit_code: Option<i32>,
    signal: Option<i32>,
    seconds: f64,
}

/// Runs a command in a span.
pub(crate) fn exec(args: &ExecArgs, json: bool) -> Result<ExitCode, Error> {
    let (program, arguments) = args.command.split_first().ok_or(Error::Usage("no command"))?;
    let traceparent = variable("TRACEPARENT");
    let tracestate = variable("TRACESTATE");
    let incoming = Incoming::from_values(traceparent.as_deref(), tracestate.as_deref());
    if let Some(error) = incoming.error() {
        tell(&format!("of the environment: {error}"));
    }
    let outgoing = Policy::new(ProbabilitySampler::from_percent(args.percent)).apply(incoming, &RandomIdGenerator);
    let command = command(program, arguments, &outgoing);
    if !json && !has_collector(args) {
        return Ok(replace(command, program));
    }
    #[cfg(feature = "otlp")]
    let start = SystemTime::now();
    let clock = Instant::now();
    let ending = child::run(command);
    let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
    let ended = Ended {
        outgoing: &outgoing,
        program: &name,
        #[cfg(feature = "otlp")]
        start,
        duration: clock.elapsed(),
        ending,
    };
    report(&ended, args, json)?;
    if let Ending::NotStarted(kind) = ended.ending {
        not_started(program, &kind.into());
    }
    Ok(ended.ending.end())
}

/// Returns the value of a variable of the environment. An empty one is absent.
fn variable(name: &str) -> Option<Vec<u8>> {
    let value = std::env::var_os(name)?;
    let value = trim_ows(value.as_encoded_bytes());
    (!value.is_empty()).then(|| value.to_vec())
}

/// Creates a command with the context in its environment, and in its arguments where they ask for it.
fn command(program: &OsStr, arguments: &[OsString], outgoing: &Outgoing<'_>) -> Command {
    let fields = outgoing.fields().map(|(name, value)| (name, value.map(|value| value.as_str().to_owned())));
    let mut command = Command::new(program);
    command.args(arguments.iter().map(|argument| fill(argument, &fields)));
    for (name, value) in fields {
        let variable = name.to_ascii_uppercase();
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
    }
    command
}

/// Returns an argument with the values of `{{traceparent}}` and `{{tracestate}}`.
fn fill(argument: &OsStr, fields: &[(&str, Option<String>)]) -> OsString {
    let Some(text) = argument.to_str().filter(|text| text.contains("{{trace")) else { return argument.to_owned() };
    let filled = fields.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{{{name}}}}}"), value.as_deref().unwrap_or_default())
    });
    filled.into()
}

#[cfg(feature = "otlp")]
fn has_collector(args: &ExecArgs) -> bool {
    args.otlp.is_some()
}

#[cfg(not(feature = "otlp"))]
fn has_collector(_: &ExecArgs) -> bool {
    false
}

/// Becomes the command, so that its signals and its exit code are its own.
#[cfg(unix)]
fn replace(mut command: Command, program: &OsStr) -> ExitCode {
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    not_started(program, &error);
    Ending::NotStarted(error.kind()).end()
}

#[cfg(not(unix))]
fn replace(command: Command, program: &OsStr) -> ExitCode {
    let ending = child::run(command);
    if let Ending::NotStarted(kind) = ending {
        not_started(program, &kind.into());
    }
    ending.end()
}

fn not_started(program: &OsStr, error: &io::Error) {
    tell(&format!("{}: {error}", visible_os(program)));
}

/// Writes about the command to standard error, because standard output is the command's, and sends its span.
fn report(ended: &Ended<'_>, args: &ExecArgs, json: bool) -> Result<(), Error> {
    if json {
        let told = Told {
            trace_id: ended.outgoing.traceparent().trace_id().to_string(),
            span_id: ended.outgoing.span_id().to_string(),
            sampled: ended.outgoing.decision().is_sampled(),
            program: ended.program,
            exit_code: ended.ending.code(),
            signal: ended.ending.signal(),
            seconds: ended.duration.as_secs_f64(),
        };
        io::stderr().lock().write_all(json::line(&told)?.as_bytes())?;
    }
    #[cfg(feature = "otlp")]
    if let Some(endpoint) = args.otlp.as_ref().filter(|_| ended.outgoing.decision().is_sampled()) {
        let service = std::env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty());
        let request = span::request(ended, args.name.as_deref(), service.as_deref());
        if let Err(error) = endpoint.post(request) {
            tell(&format!("the span is lost: {error}"));
        }
    }
    #[cfg(not(feature = "otlp"))]
    let _ = args;
    Ok(())
}
