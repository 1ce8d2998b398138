#![doc = include_str!("../README.md")]

mod admin;
mod cli;
mod config;
mod demo;
mod error;
mod http;
mod proxy;
mod run;
mod signals;
mod span;
mod telemetry;
mod tracer;

pub use crate::{
    cli::{Cli, Command, DemoArgs, RunArgs, TrustArg},
    config::{
        Admin, Config, ConfigError, Egress, Environment, EnvironmentError, Forwarded, Limits, Listener, Otlp,
        OtlpProtocol, Route, Routes, Sampling, SpanAttributes, Tracing, Upstream, UpstreamError,
    },
    demo::demo,
    error::Error,
    run::run,
    telemetry::OtlpError,
};

/// Tells the operator something. Standard error may be closed; that is no reason to stop.
fn tell(message: impl std::fmt::Display) {
    use std::io::Write;

    let _ = writeln!(std::io::stderr(), "{message}");
}
