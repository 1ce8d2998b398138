//! The real binary over real sockets: requests are raw bytes, and the upstream tells what it received.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

mod access_log;
mod admin;
mod closing;
#[cfg(feature = "tls")]
mod collectors_tls;
mod config;
mod connections;
mod context;
mod demo;
mod deploy;
mod early_answers;
mod faults;
mod formats;
mod forwarding;
mod grpc;
mod grpc_refusals;
#[cfg(feature = "tls")]
mod handshakes;
mod heads;
mod hostile;
mod http2;
mod http2_floods;
mod http2_goaway;
mod http2_server;
#[cfg(target_os = "linux")]
mod idle;
mod interim;
mod keep;
mod lifecycle;
mod limits;
#[cfg(feature = "tls")]
mod listeners_tls;
mod otlp;
mod otlp_failures;
mod otlp_settings;
mod references;
mod refusals;
mod resources;
mod restarts;
mod sampling;
mod span_limits;
mod streaming;
#[cfg(feature = "tls")]
mod truncation;
mod untraced;
mod upgrade;
mod upstream_floods;
mod upstreams;
mod upstreams_http2;
#[cfg(feature = "tls")]
mod upstreams_tls;
mod usage;
