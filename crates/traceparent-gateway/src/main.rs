//! The tracing reverse proxy.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    traceparent_gateway::main().await
}
