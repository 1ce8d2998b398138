//! The command line.

use std::{ffi::OsString, path::PathBuf};

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use traceparent::{Percent, Trust};
use traceparent_formats::{Format, Propagators};

/// Reads, checks, creates and converts the headers of distributed traces.
///
/// The exit code is 0 if all is valid or done, 1 if a header is invalid, and 2 for a wrong command line.
#[derive(Debug, Parser)]
#[command(name = "traceparent", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Write JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what headers are, field by field, and which rule a refused one breaks
    Explain(ExplainArgs),
    /// Find trace headers in logs, HAR files and other text, and count the valid and the invalid ones
    Check(CheckArgs),
    /// Create the headers of a new trace
    New(NewArgs),
    /// Create the headers of a call that continues a trace
    Child(ChildArgs),
    /// Write the context of one format in another
    Convert(ConvertArgs),
    /// Say whether a share of traces includes a trace, and which shares do
    Sample(SampleArgs),
    /// Say what the headers of a response mean: Server-Timing: trace;desc=... and traceresponse
    Response(HeaderArgs),
    /// Run a command in a span: it gets TRACEPARENT and TRACESTATE, and {{traceparent}} in its arguments
    Exec(ExecArgs),
    /// Write completions for a shell
    Completions(CompletionsArgs),
    /// Write the man page
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct HeaderArgs {
    /// Lines of `name: value`, or bare values; standard input without any
    #[arg(value_name = "HEADER")]
    pub(crate) headers: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) headers: HeaderArgs,

    /// The formats in the order in which a service reads them, as in OTEL_PROPAGATORS [default: all, tracecontext first]
    #[arg(long, value_name = "FORMATS", value_parser = propagators)]
    pub(crate) propagators: Option<Propagators>,

    /// Say what a service does that trusts the caller this far
    #[arg(long, value_parser = trust())]
    pub(crate) trust: Option<Trust>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Files of any text; standard input without any
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// The number of examples of each broken rule
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    pub(crate) examples: usize,

    /// The number of threads [default: one for each processor]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
}

/// How headers are written.
#[derive(Debug, Args)]
pub(crate) struct WriteArgs {
    /// The format; may be given several times
    #[arg(long = "format", value_name = "FORMAT", value_parser = format(), default_value = "tracecontext")]
    pub(crate) formats: Vec<Format>,

    /// Write `name: value`, as curl -H takes it, where a format has one field
    #[arg(long)]
    pub(crate) header: bool,
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    #[command(flatten)]
    pub(crate) write: WriteArgs,

    /// Sample this percentage of the traces, with up to six decimals
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with = "not_sampled")]
    pub(crate) percent: Option<Percent>,

    /// Also write tracestate, which tells the percentage to readers that count traces
    #[arg(long, requires = "percent")]
    pub(crate) tracestate: bool,

    /// Do not sample the trace
    #[arg(long)]
    pub(crate) not_sampled: bool,

    /// The number of traces
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) count: u64,
}

#[derive(Debug, Args)]
pub(crate) struct ChildArgs {
    #[command(flatten)]
    pub(crate) headers: HeaderArgs,

    #[command(flatten)]
    pub(crate) write: WriteArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    #[command(flatten)]
    pub(crate) headers: HeaderArgs,

    /// The format to read [default: the first one that is there]
    #[arg(long, value_name = "FORMAT", value_parser = format())]
    pub(crate) from: Option<Format>,

    /// The format to write
    #[arg(long, value_name = "FORMAT", value_parser = format())]
    pub(crate) to: Format,

    /// Write `name: value` also where the format has one field
    #[arg(long)]
    pub(crate) header: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SampleArgs {
    /// Trace-ids, or headers that have one; standard input without any
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,

    /// The percentage of traces to keep, with up to six decimals; may be given several times
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) percent: Vec<Percent>,
}

#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,

    /// The collector to send the span to, such as http://127.0.0.1:4318
    #[cfg(feature = "otlp")]
    #[arg(long, value_name = "URL")]
    pub(crate) otlp: Option<crate::exec::Endpoint>,

    /// The name of the span [default: the command's]
    #[cfg(feature = "otlp")]
    #[arg(long, value_name = "NAME", requires = "otlp")]
    pub(crate) name: Option<String>,

    /// The percentage of traces that start here to sample
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "100")]
    pub(crate) percent: Percent,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

/// The shells that completions are written for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    #[value(name = "powershell")]
    Power,
    Zsh,
}

impl From<Shell> for clap_complete::Shell {
    fn from(shell: Shell) -> Self {
        match shell {
            Shell::Bash => Self::Bash,
            Shell::Elvish => Self::Elvish,
            Shell::Fish => Self::Fish,
            Shell::Power => Self::PowerShell,
            Shell::Zsh => Self::Zsh,
        }
    }
}

/// Returns the parser of [`Trust`], which lists its values in the help.
fn trust() -> impl TypedValueParser<Value = Trust> {
    let values = [
        (Trust::Continue, "Continue the trace and follow the caller's decision"),
        (Trust::Resample, "Continue the trace, and decide about sampling here"),
        (Trust::Restart, "Start a new trace that links to the caller's"),
        (Trust::Ignore, "Start a new trace and forget the caller's"),
    ];
    PossibleValuesParser::new(values.map(|(trust, help)| PossibleValue::new(trust.as_str()).help(help)))
        .try_map(|name| name.parse::<Trust>())
}

/// Returns the parser of [`Format`]: the names in `OTEL_PROPAGATORS`, and the names of the fields of formats that have one.
fn format() -> impl TypedValueParser<Value = Format> {
    let values = Format::ALL.map(|format| {
        let fields = format.field_names();
        let others = fields.iter().filter(|name| **name != format.as_str() && **name != "tracestate");
        PossibleValue::new(format.as_str()).aliases(others.take(1).copied()).help(fields.join(", "))
    });
    PossibleValuesParser::new(values).map(|name| {
        Format::ALL
            .into_iter()
            .find(|format| format.as_str() == name || format.field_names().contains(&name.as_str()))
            .unwrap_or(Format::TraceContext)
    })
}

fn percent(text: &str) -> Result<Percent, String> {
    text.parse::<Percent>().map_err(|error| error.to_string())
}

fn propagators(text: &str) -> Result<Propagators, String> {
    text.parse::<Propagators>().map_err(|error| error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn formats_have_the_names_of_their_fields_too() {
        let parse = |name: &str| Cli::try_parse_from(["traceparent", "convert", "--to", name]);
        for (name, format) in
            [("b3", Format::B3), ("traceparent", Format::TraceContext), ("uber-trace-id", Format::Jaeger)]
        {
            let Command::Convert(args) = parse(name).unwrap().command else { panic!("another command") };
            assert_eq!(args.to, format);
        }
        assert!(parse("tracestate").is_err());
    }
}
