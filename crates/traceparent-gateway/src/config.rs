//! The configuration of the gateway, out of the command line or a file, and the environment.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use traceparent::Trust;

mod access_log;
mod batch;
mod environment;
mod error;
mod file;
mod keep;
mod limits;
mod otlp;
mod propagation;
mod references;
mod scalar;
mod target;
mod tls;
mod tracing;
mod upstream;

pub(crate) use self::{
    access_log::{AccessLog, LogFormat},
    batch::Batch,
    environment::{Environment, Exporters},
    error::ConfigError,
    keep::Keep,
    limits::SpanLimits,
    otlp::{NO_LIMIT, Otlp, OtlpEndpoint, OtlpProtocol, OtlpVariables},
    propagation::{Baggage, EgressRule, RequestTracing},
    scalar::{parse_address, parse_collector, parse_percent},
    target::percent_encoded,
    tls::{ClientTls, Identity, ServerTls},
    tracing::{Sampling, SpanAttributes, TraceFields, Tracing},
    upstream::Upstream,
};

/// A valid configuration with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// The listeners: at least one, all at different addresses.
    pub(crate) listeners: Vec<Listener>,
    /// The settings of tracing, and the destination of spans.
    pub(crate) tracing: Tracing,
    /// The listener of the admin API.
    pub(crate) admin: Option<Admin>,
    /// The access log.
    pub(crate) access_log: Option<AccessLog>,
}

/// An address for clients, and the settings of their requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    /// The IP address and port; port 0 takes a free one.
    pub(crate) address: SocketAddr,
    /// The settings of TLS; `None` for connections in the clear.
    pub(crate) tls: Option<ServerTls>,
    /// How far to trust callers' traces.
    pub(crate) trust: Trust,
    /// The treatment of the fields about a request's origin.
    pub(crate) forwarded: Forwarded,
    /// The treatment of fields with `_` in their names.
    pub(crate) underscores: Underscores,
    /// The fields that belong to a trace, besides those that are known.
    pub(crate) trace_fields: TraceFields,
    /// The tracing of requests without a route.
    pub(crate) tracing: RequestTracing,
    /// The limits of a client.
    pub(crate) limits: Limits,
    /// The routes of requests.
    pub(crate) routes: Routes,
}

impl Listener {
    /// Creates a listener with one route, and defaults for all the rest.
    pub(crate) fn new(address: SocketAddr, route: Route) -> Self {
        Self {
            address,
            tls: None,
            trust: Trust::default(),
            forwarded: Forwarded::default(),
            underscores: Underscores::default(),
            trace_fields: TraceFields::default(),
            tracing: route.tracing,
            limits: Limits::default(),
            routes: Routes::new(vec![route]),
        }
    }
}

/// The treatment of the `X-Forwarded-*` and `Forwarded` fields of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Forwarded {
    /// The fields are replaced, because clients may send anything.
    #[default]
    Replace,
    /// The fields are kept and extended, because a trusted proxy sends them.
    Append,
}

/// The treatment of request fields with `_` in their names.
///
/// A service that does not tell `_` from `-` may take such a field for one that the gateway sets. Those are always removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Underscores {
    /// The other fields are kept.
    #[default]
    Keep,
    /// All fields are removed.
    Drop,
}

/// Whether requests to an upstream use HTTP/2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Http2 {
    /// As the upstream prefers, which TLS negotiates; HTTP/1.1 without TLS.
    #[default]
    Auto,
    /// Always; with prior knowledge without TLS.
    Always,
    /// Never.
    Never,
}

/// The limits of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The largest head of a request, in bytes; at least 8192.
    pub(crate) header_bytes: u32,
    /// The largest number of header fields of a request.
    pub(crate) header_fields: u16,
    /// The time limit for the head of a request, from its first byte on.
    pub(crate) header_timeout: Duration,
    /// The time limit without a request on a connection, or without progress of a body.
    pub(crate) idle_timeout: Duration,
    /// The largest number of connections of the listener.
    pub(crate) connections: u32,
    /// The largest number of them from one address, or from one network of IPv6 with 64 bits.
    pub(crate) connections_per_address: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 32 * 1024,
            header_fields: 100,
            header_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(300),
            connections: 10_000,
            connections_per_address: 1000,
        }
    }
}

/// The routes of a listener, of which the one with the longest prefix counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Routes {
    /// Longest prefix first, no two alike.
    routes: Vec<Route>,
}

impl Routes {
    pub(crate) fn new(mut routes: Vec<Route>) -> Self {
        routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
        Self { routes }
    }

    /// Returns the route for a path, and its place among all.
    pub(crate) fn find(&self, path: &str) -> Option<(usize, &Route)> {
        self.routes.iter().enumerate().find(|(_, route)| route.matches(path))
    }

    /// Returns an iterator over the routes, longest prefix first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }
}

/// The upstream of the requests whose paths start alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The prefix of the paths: `/` for all, `/shop` for `/shop` and all paths below it.
    pub(crate) prefix: String,
    /// The service that answers them.
    pub(crate) upstream: Upstream,
    /// The settings of TLS, if the upstream's URL has `https`.
    pub(crate) tls: ClientTls,
    /// Whether to use HTTP/2 instead of HTTP/1.1.
    pub(crate) http2: Http2,
    /// The time limit for connecting.
    pub(crate) connect_timeout: Duration,
    /// The time limit from the end of the request to the head of the answer, connecting included; `None` for no limit.
    pub(crate) timeout: Option<Duration>,
    /// The time limit for pauses of the answer's body; `None` for no limit.
    pub(crate) idle_timeout: Option<Duration>,
    /// The time limit for a connection to the upstream without a request.
    pub(crate) pool_idle_timeout: Duration,
    /// The number of times that an idempotent request is sent again if a connection used before ended without a byte of
    /// an answer.
    pub(crate) retries: u8,
    /// The time without a received byte, while requests wait over HTTP/2, after which a PING is sent.
    pub(crate) ping_interval: Duration,
    /// The time limit for a received byte after a PING.
    pub(crate) ping_timeout: Duration,
    /// The size limit for the head of an answer, in bytes.
    pub(crate) header_bytes: u32,
    /// The limit for the number of fields in the head of an answer.
    pub(crate) header_fields: u16,
    /// The part of the trace context that the upstream receives.
    pub(crate) egress: EgressRule,
    /// The treatment of `baggage`, where the whole context is received.
    pub(crate) baggage: Baggage,
    /// The tracing of the route's requests.
    pub(crate) tracing: RequestTracing,
}

impl Route {
    /// The default time limit for connecting.
    pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

    /// Creates the route of all requests to one upstream.
    pub(crate) fn to(upstream: Upstream) -> Self {
        Self {
            prefix: "/".into(),
            upstream,
            tls: ClientTls::default(),
            http2: Http2::default(),
            connect_timeout: Self::CONNECT_TIMEOUT,
            timeout: None,
            idle_timeout: None,
            pool_idle_timeout: Duration::from_secs(60),
            retries: 1,
            ping_interval: Duration::from_secs(10),
            ping_timeout: Duration::from_secs(5),
            header_bytes: 64 * 1024,
            header_fields: 256,
            egress: EgressRule::default(),
            baggage: Baggage::default(),
            tracing: RequestTracing::default(),
        }
    }

    /// Compares whole segments, byte by byte: nothing is decoded.
    fn matches(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.prefix.as_str());
        rest.is_some_and(|rest| self.prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
            // `*`, the target of OPTIONS that means the whole server.
            || self.prefix == "/"
    }
}

/// The listener of the admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admin {
    /// The IP address and port; port 0 takes a free one.
    pub(crate) address: SocketAddr,
    /// The allowed host names in lower case, besides IP addresses and `localhost`.
    pub(crate) hosts: Vec<String>,
}

impl Config {
    /// Loads a file. The environment's values count where a key is absent.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, or has an unknown key, or a value of another type or out of range. The
    /// error names the place.
    pub(crate) fn load(path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::read(path, &source))?;
        Self::parse(path, &text, environment)
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    ///
    /// Returns an error as [`load`](Self::load) does.
    pub(crate) fn parse(path: &Path, text: &str, environment: &Environment) -> Result<Self, ConfigError> {
        file::parse(path, text)?.resolve(path, environment)
    }

    /// Returns the files of certificates and keys of listeners and upstreams.
    pub(crate) fn tls_files(&self) -> Vec<PathBuf> {
        let listeners = self.listeners.iter().filter_map(|listener| listener.tls.as_ref());
        let routes = self.listeners.iter().flat_map(|listener| listener.routes.iter());
        let files = listeners.flat_map(ServerTls::files).chain(routes.flat_map(|route| route.tls.files()));
        files.cloned().collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
