//! The command `traceparent`.

use std::process::ExitCode;

fn main() -> ExitCode {
    traceparent_cli::main()
}
