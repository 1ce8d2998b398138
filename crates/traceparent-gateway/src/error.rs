use std::{io, net::SocketAddr};

use crate::{config::ConfigError, telemetry::OtlpError};

/// The error returned when the program fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The configuration file is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {}", listen_advice(source))]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Ctrl-C and SIGTERM cannot be caught.
    #[error("cannot catch the signals that stop the gateway: {0}")]
    Signals(io::Error),
    /// The exporter of spans is misconfigured.
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    /// The scene of the demo failed.
    #[error("the demo failed: {0}")]
    Scene(Box<dyn std::error::Error + Send + Sync>),
    /// The trace of the demo is not the expected one.
    #[error("the demo's trace is not the expected tree: {0}")]
    Tree(Box<dyn std::error::Error + Send + Sync>),
    /// The demo's trace did not arrive at the collector.
    #[error("the demo's trace did not arrive at the collector")]
    NotExported,
    /// The demo's trace cannot be printed.
    #[error("cannot print the trace: {0}")]
    Print(io::Error),
}

impl Error {
    /// Returns the error of an address that cannot be listened on.
    pub(crate) fn listen(address: SocketAddr) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Listen { address, source }
    }
}

fn listen_advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the port is in use; stop the other program, or choose another port with --listen".into()
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address; try 127.0.0.1".into(),
        io::ErrorKind::PermissionDenied => "not allowed; choose a port from 1024 on with --listen".into(),
        _ => error.to_string(),
    }
}
