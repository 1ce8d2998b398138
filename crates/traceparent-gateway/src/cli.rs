use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use hyper::Uri;
use traceparent::{Percent, Trust};

use crate::config::{Admin, Config, Environment, Listener, Route, Tracing, Upstream, parse_address, parse_percent};

/// A tracing reverse proxy for HTTP/1.1 and HTTP/2.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Forwards requests to an upstream and writes one JSON line for each to standard output
    Run(RunArgs),
    /// Plays a customer-support scene over real HTTP on loopback ports and draws its trace
    Demo(DemoArgs),
}

/// How to run the proxy.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A YAML file that says everything: listeners, routes, sampling, where spans go
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "upstream",
        conflicts_with_all = ["upstream", "listen", "random_sampling", "trust", "admin"]
    )]
    pub(crate) config: Option<PathBuf>,

    /// Only says whether the file is right, and ends
    #[arg(long, requires = "config")]
    pub(crate) check: bool,

    /// The address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:10000", value_parser = parse_address)]
    pub(crate) listen: SocketAddr,

    /// Where requests go; a path in front of theirs may be part of it
    #[arg(long, value_name = "URL", required_unless_present = "config")]
    pub(crate) upstream: Option<Upstream>,

    /// The percentage of traces to sample among those decided here, up to six decimals [default: 100]
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    pub(crate) random_sampling: Option<Percent>,

    /// How far callers' traces are trusted
    #[arg(long, value_enum, default_value_t)]
    pub(crate) trust: TrustArg,

    /// The address and port of health, metrics and the last traces, for operators; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub(crate) admin: Option<SocketAddr>,
}

impl RunArgs {
    /// Returns a configuration with one listener and one route, or `None` without an upstream. The environment's values
    /// count where a flag is absent.
    pub(crate) fn config(&self, environment: &Environment) -> Option<Config> {
        let listener = Listener::new(self.listen, Route::to(self.upstream.clone()?));
        let listener = Listener { trust: self.trust.into(), ..listener };
        let tracing = Tracing::of_percentage(self.random_sampling, environment);
        Some(Config { listeners: vec![listener], tracing, admin: self.admin.map(|address| Admin { address }) })
    }
}

/// How to play the scene.
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// A collector to export the trace to, such as http://127.0.0.1:4317: gRPC at port 4317, otherwise HTTP
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) otlp: Option<Uri>,

    /// Show the trace in a browser, until Ctrl-C
    #[arg(long)]
    pub(crate) serve: bool,

    /// The address and port to show it at; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:10001", requires = "serve", value_parser = parse_address)]
    pub(crate) admin: SocketAddr,
}

/// [`Trust`] by its names on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrustArg {
    /// Continue the caller's trace and follow its sampled flag
    #[default]
    Continue,
    /// Continue the caller's trace, and decide about sampling here
    Resample,
    /// Start a new trace that links to the caller's
    Restart,
    /// Start a new trace and forget the caller's
    Ignore,
}

impl From<TrustArg> for Trust {
    fn from(trust: TrustArg) -> Self {
        match trust {
            TrustArg::Continue => Self::Continue,
            TrustArg::Resample => Self::Resample,
            TrustArg::Restart => Self::Restart,
            TrustArg::Ignore => Self::Ignore,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
