use std::{io, net::SocketAddr};

use crate::{config::ConfigError, telemetry::OtlpError};

/// Why the program ends with a failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The configuration file is of no use.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {}", listen_advice(source))]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// Ctrl-C and SIGTERM cannot be caught.
    #[error("cannot catch the signals that stop the gateway: {0}")]
    Signals(io::Error),
    /// Spans cannot be exported as asked.
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    /// The scene of the demo did not play to its end.
    #[error("the demo did not play to its end: {0}")]
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
            "the port is in use; stop what listens there, or give another one to --listen".into()
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address; try 127.0.0.1".into(),
        io::ErrorKind::PermissionDenied => "not allowed; give --listen a port from 1024 on".into(),
        _ => error.to_string(),
    }
}
