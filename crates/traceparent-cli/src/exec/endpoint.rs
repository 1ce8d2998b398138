//! A collector, and a request to it.

use std::{env, ffi::OsString, fs, io, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use percent_encoding::percent_decode_str;
use ureq::{
    Agent,
    http::{HeaderName, HeaderValue, Uri},
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
};

/// The time that a collector has to answer, after which the command ends without it.
const PATIENCE: Duration = Duration::from_secs(3);

/// The path of spans below the URL of a collector.
const PATH: &str = "/v1/traces";

/// The address of a collector that takes spans by OTLP over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint(Uri);

/// The error returned when a URL is not that of a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidEndpoint {
    #[error("the URL has to begin with http:// or https://")]
    Scheme,
    #[error("the URL has no valid host and port")]
    Authority,
    #[error("the URL has a query, a fragment or a byte that is none of a path")]
    Path,
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(url: &str) -> Result<Self, InvalidEndpoint> {
        let (scheme, rest) = url
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
            .ok_or(InvalidEndpoint::Scheme)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        // Names and passwords have no place in it.
        let origin: Uri = format!("{scheme}://{authority}/").parse().map_err(|_| InvalidEndpoint::Authority)?;
        let written = origin.authority().filter(|written| !written.host().is_empty() && !authority.contains('@'));
        let has_port = |authority: &str| authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        if written.is_none_or(|written| has_port(authority) && written.port_u16().is_none_or(|port| port == 0)) {
            return Err(InvalidEndpoint::Authority);
        }
        let base = path.trim_end_matches('/');
        let path = if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") };
        if path.contains(['?', '#']) {
            return Err(InvalidEndpoint::Path);
        }
        format!("{scheme}://{authority}{path}").parse().map(Self).map_err(|_| InvalidEndpoint::Path)
    }
}

impl Endpoint {
    /// Sends a body, and waits a short time for the answer.
    ///
    /// Headers and an authority's certificate come from the environment, by the names of OpenTelemetry.
    pub(super) fn post(&self, body: Vec<u8>) -> io::Result<()> {
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(roots(variable("CERTIFICATE").map(PathBuf::from))?)
            .build();
        let agent: Agent = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(PATIENCE))
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .into();
        let request = agent.post(&self.0).header("Content-Type", "application/x-protobuf");
        let headers = variable("HEADERS").map_or_else(Vec::new, |list| headers(&list.to_string_lossy()));
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let status = request.send(body).map_err(refused)?.status();
        if status.is_success() {
            return Ok(());
        }
        Err(io::Error::other(format!("the collector answers with status {}", status.as_u16())))
    }
}

/// Returns a variable of OTLP's exporters: that of traces, or that of all signals.
fn variable(name: &str) -> Option<OsString> {
    let value = |signal| env::var_os(format!("OTEL_EXPORTER_OTLP_{signal}{name}"));
    value("TRACES_").into_iter().chain(value("")).find(|value| !value.is_empty())
}

/// Returns the authorities of a file, or else those of the system.
fn roots(file: Option<PathBuf>) -> io::Result<RootCerts> {
    let Some(file) = file else { return Ok(RootCerts::PlatformVerifier) };
    let unreadable = |what: String| io::Error::other(format!("the certificate of the environment: {what}"));
    let pem = fs::read(file).map_err(|error| unreadable(error.to_string()))?;
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| {
            item.ok().and_then(|item| if let PemItem::Certificate(one) = item { Some(one) } else { None })
        })
        .collect();
    if certificates.is_empty() {
        return Err(unreadable("the file has none".to_owned()));
    }
    Ok(certificates.into())
}

/// Returns the headers of a list such as `api-key=a%20b,tenant=c`. What is no header is left out.
fn headers(list: &str) -> Vec<(HeaderName, HeaderValue)> {
    let header = |member: &str| {
        let (name, value) = member.split_once('=')?;
        let value: Vec<u8> = percent_decode_str(value.trim()).collect();
        let mut value = HeaderValue::from_bytes(&value).ok()?;
        value.set_sensitive(true);
        Some((name.trim().parse().ok()?, value))
    };
    list.split(',').filter_map(header).collect()
}

/// Returns why a collector could not be asked.
fn refused(error: ureq::Error) -> io::Error {
    match error {
        ureq::Error::Io(error) => error,
        ureq::Error::Timeout(_) => io::Error::new(io::ErrorKind::TimedOut, "the collector does not answer"),
        ureq::Error::HostNotFound => io::Error::new(io::ErrorKind::NotFound, "the host has no address"),
        ureq::Error::Protocol(_) => io::Error::other("the collector does not speak HTTP"),
        error => io::Error::other(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_scheme_a_host_a_port_and_a_path() {
        for (url, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://collector.example:4318/", "http://collector.example:4318/v1/traces"),
            ("https://collector/otlp/", "https://collector/otlp/v1/traces"),
            ("http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces"),
            ("https://[::1]", "https://[::1]/v1/traces"),
        ] {
            assert_eq!(url.parse::<Endpoint>().unwrap().0, expected, "{url}");
        }
        for (url, error) in [
            ("grpc://collector:4317", InvalidEndpoint::Scheme),
            ("collector:4318", InvalidEndpoint::Scheme),
            ("http://", InvalidEndpoint::Authority),
            ("http://:4318", InvalidEndpoint::Authority),
            ("http://h:65536", InvalidEndpoint::Authority),
            ("http://h:", InvalidEndpoint::Authority),
            ("http://h:0", InvalidEndpoint::Authority),
            ("http://::1", InvalidEndpoint::Authority),
            ("http://user@h", InvalidEndpoint::Authority),
            ("http://h\r\nX: y", InvalidEndpoint::Authority),
            ("http://h/a?b", InvalidEndpoint::Path),
            ("http://h?b", InvalidEndpoint::Path),
            ("http://h/a#b", InvalidEndpoint::Path),
            ("http://h/a b", InvalidEndpoint::Path),
        ] {
            assert_eq!(url.parse::<Endpoint>(), Err(error), "{url}");
        }
    }

    #[test]
    fn headers_are_a_list_whose_values_are_decoded() {
        let list = headers(" api-key = a%20b==,x,=y,no name=z,bad=%0a, tenant=c");
        let list: Vec<_> = list.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(list, [("api-key", &b"a b=="[..]), ("tenant", b"c")]);
    }
}
