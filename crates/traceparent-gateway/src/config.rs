//! What the gateway is to do, out of the command line or a file, and the environment.

use std::{net::SocketAddr, path::Path, time::Duration};

use traceparent::Trust;
use traceparent_http::Egress;

mod batch;
mod environment;
mod error;
mod file;
mod scalar;
mod tracing;
mod upstream;

pub(crate) use self::{
    batch::Batch,
    environment::{Environment, Exporters, OtlpVariables},
    error::ConfigError,
    scalar::{parse_address, parse_percent},
    tracing::{Otlp, OtlpProtocol, Sampling, SpanAttributes, Tracing},
    upstream::Upstream,
};

/// Everything the gateway is told: valid, and with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Where clients connect; at least one, all at different addresses.
    pub(crate) listeners: Vec<Listener>,
    /// What is traced, and where spans go.
    pub(crate) tracing: Tracing,
    /// The listener for operators, where there is one.
    pub(crate) admin: Option<Admin>,
}

/// A place where clients connect, and what happens to their requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    /// The IP address and port; port 0 takes a free one.
    pub(crate) address: SocketAddr,
    /// How far callers' traces are trusted.
    pub(crate) trust: Trust,
    /// What happens to the fields in which proxies tell where a request came from.
    pub(crate) forwarded: Forwarded,
    /// What a client may take up.
    pub(crate) limits: Limits,
    /// Where requests go.
    pub(crate) routes: Routes,
}

impl Listener {
    /// Makes a listener with one route, and defaults for all the rest.
    pub(crate) fn new(address: SocketAddr, route: Route) -> Self {
        Self {
            address,
            trust: Trust::default(),
            forwarded: Forwarded::default(),
            limits: Limits::default(),
            routes: Routes::new(vec![route]),
        }
    }
}

/// What happens to `X-Forwarded-*` and `Forwarded` fields that come with a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Forwarded {
    /// They are a client's invention and give way to what is known here.
    #[default]
    Replace,
    /// They come from a proxy that is trusted, and are added to.
    Append,
}

/// What a client may take up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The longest head of a request, in bytes from 8192 on.
    pub(crate) header_bytes: u32,
    /// The most header fields of a request.
    pub(crate) header_fields: u16,
    /// How long the head of a request may take from its first byte on.
    pub(crate) header_timeout: Duration,
    /// How long nothing may happen: no request on a connection, no progress of a body.
    pub(crate) idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 32 * 1024,
            header_fields: 100,
            header_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(300),
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

    /// Finds the route for a path.
    pub(crate) fn find(&self, path: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.matches(path))
    }

    /// Iterates over the routes, the one with the longest prefix first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }
}

/// Where the requests whose path starts alike go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// What their path starts with: `/` for all, `/shop` for `/shop` and what is below it.
    pub(crate) prefix: String,
    /// The service that answers them.
    pub(crate) upstream: Upstream,
    /// Whether the upstream is spoken to in HTTP/2, without asking it first, rather than in HTTP/1.1.
    pub(crate) http2: bool,
    /// How long connecting may take.
    pub(crate) connect_timeout: Duration,
    /// How long the head of the answer may take, connecting included; `None` for as long as it likes.
    pub(crate) timeout: Option<Duration>,
    /// How long the answer's body may pause; `None` for as long as it likes.
    pub(crate) idle_timeout: Option<Duration>,
    /// Whether the upstream learns of the trace.
    pub(crate) egress: Egress<'static>,
}

impl Route {
    /// How long connecting may take unless a route says otherwise.
    pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

    /// Makes the route of everything to one upstream.
    pub(crate) fn to(upstream: Upstream) -> Self {
        Self {
            prefix: "/".into(),
            upstream,
            http2: false,
            connect_timeout: Self::CONNECT_TIMEOUT,
            timeout: None,
            idle_timeout: None,
            egress: Egress::default(),
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

/// The listener for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admin {
    /// The IP address and port; port 0 takes a free one.
    pub(crate) address: SocketAddr,
}

impl Config {
    /// Reads a file; what it leaves open, the environment says.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds an unknown key, a value of another type or out of its range:
    /// the error says where.
    pub(crate) fn load(path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::read(path, &source))?;
        file::parse(path, &text)?.resolve(path, environment)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
