//! The command line of the gateway.

use std::{
    io::{Write, stderr},
    process::ExitCode,
};

use clap::Parser;
use traceparent_gateway::{Cli, Command, demo, run};

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run(args).await,
        Command::Demo(args) => demo(args).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
