#![doc = include_str!("../README.md")]

use std::process::ExitCode;

use clap::Parser;

use crate::{
    cli::{Cli, Command},
    config::Environment,
    operator::tell,
};

mod admin;
mod cli;
mod config;
mod demo;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod http;
mod operator;
mod proxy;
mod run;
mod signals;
mod span;
mod telemetry;
mod tracer;

/// Runs the program by its command line, and returns its exit code.
pub async fn main() -> ExitCode {
    let command = Cli::parse().command;
    let environment = Environment::of_process();
    for error in environment.errors() {
        tell(format_args!("warning: {error}"));
    }
    let result = match command {
        Command::Run(args) => run::run(args, environment).await,
        Command::Demo(args) => demo::demo(args, environment).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(format_args!("error: {error}"));
            error.code()
        }
    }
}
