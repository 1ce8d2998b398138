use std::{net::SocketAddr, path::PathBuf};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use hyper::Uri;
use traceparent::{Percent, Trust};

use crate::config::{
    Admin, Config, Environment, Listener, Otlp, RequestTracing, Route, Tracing, Upstream, parse_address,
    parse_collector, parse_percent,
};

/// The variables of the environment, for the help.
const VARIABLES: &str = "\
Environment (flags and the file count more):
  OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES
          The name of this service in spans, and further attributes of it
  OTEL_SDK_DISABLED
          true records no span; contexts are still passed on
  OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG
          Which of the traces that start here are sampled, such as traceidratio and 0.125
  OTEL_TRACES_EXPORTER
          Where spans go: otlp, console (JSON lines), otlp,console or none
  OTEL_EXPORTER_OTLP_[TRACES_]ENDPOINT, OTEL_EXPORTER_OTLP_[TRACES_]PROTOCOL
          A collector, such as http://127.0.0.1:4317, and grpc or http/protobuf
  OTEL_EXPORTER_OTLP_[TRACES_]HEADERS, OTEL_EXPORTER_OTLP_[TRACES_]TIMEOUT, OTEL_EXPORTER_OTLP_[TRACES_]COMPRESSION
          Its headers, its time limit in milliseconds, and gzip
  OTEL_EXPORTER_OTLP_[TRACES_]CERTIFICATE, OTEL_EXPORTER_OTLP_[TRACES_]CLIENT_CERTIFICATE
  OTEL_EXPORTER_OTLP_[TRACES_]CLIENT_KEY, OTEL_EXPORTER_OTLP_[TRACES_]INSECURE
          For https, the files of its authorities, and of the certificate and key of this side; and whether a URL without
          a scheme is one of http
  OTEL_BSP_MAX_QUEUE_SIZE, OTEL_BSP_MAX_EXPORT_BATCH_SIZE, OTEL_BSP_SCHEDULE_DELAY, OTEL_BSP_EXPORT_TIMEOUT
          How many spans wait, and for how long, in milliseconds
  OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT, OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT, OTEL_SPAN_LINK_COUNT_LIMIT,
  OTEL_ATTRIBUTE_COUNT_LIMIT, OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT
          The limits of exported spans
  OTEL_PROPAGATORS
          The formats of contexts, such as tracecontext,b3
  OTEL_SDK_DISABLED
          No spans, and contexts pass unchanged, if true
  OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS
          The methods that spans name, instead of those of HTTP
  COLUMNS
          The width of what demo draws, without a terminal";

/// A tracing reverse proxy for HTTP/1.1 and HTTP/2.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true, after_help = VARIABLES)]
pub(crate) struct Cli {
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands of the program.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Forwards requests to an upstream and writes one JSON line for each to standard output
    Run(RunArgs),
    /// Plays a customer-support scene over real HTTP on loopback ports and draws its trace
    Demo(DemoArgs),
}

/// The arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = VARIABLES)]
pub(crate) struct RunArgs {
    /// A YAML file with all settings: listeners, routes, sampling, export of spans
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["upstream", "listen", "random_sampling", "trust", "otlp", "admin"]
    )]
    pub(crate) config: Option<PathBuf>,

    /// Check the file and exit
    #[arg(long, requires = "config")]
    pub(crate) check: bool,

    /// The address and port to listen on; port 0 takes a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:10000", value_parser = parse_address)]
    pub(crate) listen: SocketAddr,

    /// The URL to forward requests to; its path is put in front of theirs
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<Upstream>,

    /// The percentage of new traces to sample, with up to six decimals [default: 100]
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    pub(crate) random_sampling: Option<Percent>,

    /// How far to trust callers' traces
    #[arg(long, value_parser = trust(), default_value_t)]
    pub(crate) trust: Trust,

    /// A collector to export spans to, such as http://127.0.0.1:4317: gRPC at port 4317, otherwise HTTP
    #[arg(long, value_name = "URL", value_parser = parse_collector)]
    pub(crate) otlp: Option<Uri>,

    /// The address and port of the admin API: health, metrics and recent traces; port 0 takes a free port
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub(crate) admin: Option<SocketAddr>,
}

impl RunArgs {
    /// Returns a configuration with one listener and one route, or `None` without an upstream. The environment's values
    /// count where a flag is absent.
    pub(crate) fn config(&self, environment: &Environment) -> Option<Config> {
        let propagators = environment.propagators.unwrap_or_default();
        let tracing = RequestTracing { propagators, ..RequestTracing::default() };
        let route = Route { tracing, ..Route::to(self.upstream.clone()?) };
        let listener = Listener::new(self.listen, route);
        let listener = Listener { trust: self.trust, ..listener };
        let otlp = self.otlp.clone().map(|endpoint| Otlp { endpoint: Some(endpoint), ..Otlp::default() });
        let tracing = Tracing { otlp, ..Tracing::of_percentage(self.random_sampling, environment) };
        Some(Config {
            listeners: vec![listener],
            tracing,
            admin: self.admin.map(|address| Admin { address, hosts: Vec::new() }),
            access_log: None,
        })
    }
}

/// The arguments of `demo`.
#[derive(Clone, Debug, Args)]
#[command(after_help = VARIABLES)]
pub(crate) struct DemoArgs {
    /// A collector to export the trace to, such as http://127.0.0.1:4317: gRPC at port 4317, otherwise HTTP
    #[arg(long, value_name = "URL", value_parser = parse_collector)]
    pub(crate) otlp: Option<Uri>,

    /// Show the trace in a browser, until Ctrl-C
    #[arg(long)]
    pub(crate) serve: bool,

    /// The address and port of the page; port 0 takes a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:10001", requires = "serve", value_parser = parse_address)]
    pub(crate) admin: SocketAddr,
}

/// Returns the parser of [`Trust`], which lists its values in the help.
fn trust() -> impl TypedValueParser<Value = Trust> {
    let values = [
        (Trust::Continue, "Continue the caller's trace and follow its sampled flag"),
        (Trust::Resample, "Continue the caller's trace, and decide about sampling here"),
        (Trust::Restart, "Start a new trace that links to the caller's"),
        (Trust::Ignore, "Start a new trace and forget the caller's"),
    ];
    PossibleValuesParser::new(values.map(|(trust, help)| PossibleValue::new(trust.as_str()).help(help)))
        .try_map(|name| name.parse::<Trust>())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_names_every_variable_that_is_read() {
        let asked = RefCell::new(Vec::new());
        let _ = Environment::read(|name| {
            asked.borrow_mut().push(name.to_owned());
            // The argument of a sampler is read if there is one.
            (name == "OTEL_TRACES_SAMPLER").then(|| "traceidratio".to_owned())
        });
        assert!(asked.borrow().len() > 10);
        for name in asked.into_inner() {
            let name = name.replace("OTLP_TRACES_", "OTLP_").replace("OTLP_", "OTLP_[TRACES_]");
            let listed = VARIABLES.split([' ', ',', '\n']).any(|word| word == name);
            assert!(listed, "{name} is missing in the help");
        }
    }
}
