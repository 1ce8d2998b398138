#![doc = include_str!("../README.md")]

mod cli;
mod error;
mod upstream;

mod config;

mod failure;
mod headers;
mod semconv;
mod span;

mod metrics;
mod recorder;
mod tracer;

mod batch;
mod lines;
mod otel;
mod otlp;
mod store;
mod telemetry;

mod admin;
mod page;
mod trace;

mod alarm;
mod body;
mod proxy;

mod client;
mod server;
mod signals;

mod demo;
mod run;

pub use crate::{
    cli::{Cli, Command, DemoArgs, RunArgs, TrustArg},
    config::{
        Admin, Config, ConfigError, Egress, Environment, EnvironmentError, Forwarded, Limits, Listener, Otlp,
        OtlpProtocol, Route, Routes, Sampling, SpanAttributes, Tracing,
    },
    demo::demo,
    error::Error,
    otlp::OtlpError,
    run::run,
    upstream::{Upstream, UpstreamError},
};

/// Tells the operator something. Standard error may be closed; that is no reason to stop.
fn tell(message: impl std::fmt::Display) {
    use std::io::Write;

    let _ = writeln!(std::io::stderr(), "{message}");
}
