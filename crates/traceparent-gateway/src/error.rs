use std::{borrow::Cow, io, net::SocketAddr, process::ExitCode};

use crate::{config::ConfigError, http::TlsError};

/// The error returned when the program fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The configuration file is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is nothing to forward requests to.
    #[error(
        "no service to forward requests to; give its URL: traceparent-gateway run --upstream http://127.0.0.1:8080"
    )]
    NoUpstream,
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {}", listen_advice(source, setting))]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// The flag or the key of the address.
        setting: Cow<'static, str>,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A certificate or a key cannot be used.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] TlsError),
    /// The access log cannot be opened.
    #[error("cannot open the access log of access_log.path: {0}")]
    AccessLog(io::Error),
    /// Ctrl-C and SIGTERM cannot be caught.
    #[error("cannot catch the signals that stop the gateway: {0}")]
    Signals(io::Error),
    /// A certificate or a key for the collector cannot be used.
    #[error("cannot set up TLS to the collector: {0}")]
    CollectorTls(TlsError),
    /// The thread that exports spans cannot be started.
    #[error("cannot start the OTLP exporter: {0}")]
    Exporter(io::Error),
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
    /// Returns the error of an address that cannot be listened on. The setting is the flag or the key of the address.
    pub(crate) fn listen(address: SocketAddr, setting: impl Into<Cow<'static, str>>) -> impl FnOnce(io::Error) -> Self {
        let setting = setting.into();
        move |source| Self::Listen { address, setting, source }
    }

    /// Returns the exit code of the program: 2 if the command line is wrong, and 1 otherwise.
    pub(crate) fn code(&self) -> ExitCode {
        if matches!(self, Self::NoUpstream) { ExitCode::from(2) } else { ExitCode::FAILURE }
    }
}

fn listen_advice(error: &io::Error, setting: &str) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("the port is in use; stop the other program, or choose another port with {setting}")
        }
        io::ErrorKind::AddrNotAvailable => format!("this machine has no such address; try 127.0.0.1 with {setting}"),
        io::ErrorKind::PermissionDenied => format!("not allowed; choose a port from 1024 on with {setting}"),
        _ => error.to_string(),
    }
}
