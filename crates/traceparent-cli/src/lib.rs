#![doc = include_str!("../README.md")]

use std::process::ExitCode;

use clap::Parser as _;

mod check;
mod cli;
mod convert;
mod error;
mod exec;
mod explain;
#[doc(hidden)]
pub mod fuzz;
mod headers;
mod json;
mod manual;
mod rule;
mod sample;
mod terminal;
mod write;

use crate::{
    cli::{Cli, Command},
    error::Error,
    headers::Headers,
    terminal::{Style, print, tell},
};

/// Runs the command line of the process, and returns its exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            tell(&error.to_string());
            ExitCode::from(error.code())
        }
    }
}

fn run(Cli { json, command }: Cli) -> Result<ExitCode, Error> {
    match command {
        Command::Explain(args) => {
            let headers = Headers::read(&args.headers.headers)?;
            show(&explain::explain(&headers, args.propagators, args.trust)?, json)
        }
        Command::Response(args) => {
            let headers = Headers::read(&args.headers)?;
            show(&explain::explain_response(headers)?, json)
        }
        Command::Check(args) => check::check(&args, json),
        Command::New(args) => write::new(&args, json),
        Command::Child(args) => write::child(&args, json),
        Command::Convert(args) => convert::convert(&args, json),
        Command::Sample(args) => sample::sample(&args, json),
        Command::Exec(args) => exec::exec(&args, json),
        Command::Completions(args) => manual::completions(args.shell, json),
        Command::Man => manual::man(json),
    }
}

fn show(report: &explain::Report, json: bool) -> Result<ExitCode, Error> {
    let text = if json { json::pretty(report)? } else { explain::render(report, Style::of_stdout()) };
    print(&text)?;
    Ok(ExitCode::from(u8::from(!report.valid)))
}
