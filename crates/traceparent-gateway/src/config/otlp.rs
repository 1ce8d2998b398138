use std::time::Duration;

use hyper::{
    Uri,
    header::{HeaderName, HeaderValue},
    http::uri::PathAndQuery,
};

use super::ClientTls;

/// The time limit that is none.
pub(crate) const NO_LIMIT: Duration = Duration::MAX;

/// A collector that takes OTLP. An absent value is that of the environment, or OpenTelemetry's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Otlp {
    /// Its URL, with `http://` or `https://`.
    pub(crate) endpoint: Option<Uri>,
    /// The protocol.
    pub(crate) protocol: Option<OtlpProtocol>,
    /// The headers of every export, such as a key. Values are secrets.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The time limit of one export.
    pub(crate) timeout: Option<Duration>,
    /// The settings of TLS, if the URL has `https`.
    pub(crate) tls: Option<ClientTls>,
}

/// The variables of the OTLP exporter. Each is that of traces, or else that of all signals.
///
/// [OpenTelemetry: OTLP exporter configuration](https://opentelemetry.io/docs/specs/otel/protocol/exporter/)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OtlpVariables {
    pub(crate) endpoint: Option<OtlpEndpoint>,
    pub(crate) protocol: Option<OtlpProtocol>,
    /// The headers of every export. Values are secrets.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The time limit of one export; [`NO_LIMIT`] for 0.
    pub(crate) timeout: Option<Duration>,
    /// Whether exports are compressed.
    pub(crate) gzip: bool,
    /// The settings of TLS, if the URL has `https`.
    pub(crate) tls: ClientTls,
}

/// A protocol of a collector.
///
/// [OpenTelemetry: OTLP exporter configuration](https://opentelemetry.io/docs/specs/otel/protocol/exporter/)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OtlpProtocol {
    /// gRPC, usually at port 4317.
    Grpc,
    /// Protobuf over HTTP, usually at port 4318.
    HttpProtobuf,
}

/// The URL of a collector, for spans alone or as the base of those for each signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OtlpEndpoint {
    url: Uri,
    is_base: bool,
}

impl OtlpEndpoint {
    /// Returns the endpoint for all signals, whose URL is a base.
    pub(crate) const fn of_all_signals(url: Uri) -> Self {
        Self { url, is_base: true }
    }

    /// Returns the endpoint for spans, whose URL is used unchanged.
    pub(crate) const fn of_traces(url: Uri) -> Self {
        Self { url, is_base: false }
    }

    /// Returns the endpoint of a file, whose URL is a base if it has no path.
    pub(crate) fn of_file(url: Uri) -> Self {
        let is_base = matches!(url.path(), "" | "/");
        Self { url, is_base }
    }

    /// Returns the default endpoint of a protocol.
    pub(crate) fn local(protocol: OtlpProtocol) -> Self {
        Self::of_all_signals(match protocol {
            OtlpProtocol::Grpc => Uri::from_static("http://localhost:4317"),
            OtlpProtocol::HttpProtobuf => Uri::from_static("http://localhost:4318"),
        })
    }

    /// Returns the port, or `None` if the URL has that of its scheme.
    pub(crate) fn port(&self) -> Option<u16> {
        self.url.port_u16()
    }

    /// Returns the URL that spans are sent to. gRPC has a path of its own.
    ///
    /// [OpenTelemetry: endpoint URLs for OTLP/HTTP](https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp)
    pub(crate) fn url(self, protocol: OtlpProtocol) -> Uri {
        if protocol == OtlpProtocol::Grpc || !self.is_base {
            return self.url;
        }
        let query = self.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = format!("{}/v1/traces{query}", self.url.path().trim_end_matches('/'));
        let mut parts = self.url.clone().into_parts();
        parts.path_and_query = PathAndQuery::try_from(path).ok();
        Uri::from_parts(parts).unwrap_or(self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_built() {
        use OtlpProtocol::{Grpc, HttpProtobuf};
        let of_all = |url| OtlpEndpoint::of_all_signals(Uri::from_static(url));
        let of_traces = |url| OtlpEndpoint::of_traces(Uri::from_static(url));
        let of_file = |url| OtlpEndpoint::of_file(Uri::from_static(url));
        for (endpoint, protocol, url) in [
            (of_all("http://h:4318"), HttpProtobuf, "http://h:4318/v1/traces"),
            (of_all("http://h:4318/"), HttpProtobuf, "http://h:4318/v1/traces"),
            (of_all("http://h:4318?a=b"), HttpProtobuf, "http://h:4318/v1/traces?a=b"),
            (of_all("http://h/otlp/?a=b/c"), HttpProtobuf, "http://h/otlp/v1/traces?a=b/c"),
            (of_all("http://h:4317/otlp"), Grpc, "http://h:4317/otlp"),
            (of_traces("http://h:4318"), HttpProtobuf, "http://h:4318/"),
            (of_traces("http://h/other?a=b"), HttpProtobuf, "http://h/other?a=b"),
            (of_file("http://h:4318?a=b"), HttpProtobuf, "http://h:4318/v1/traces?a=b"),
            (of_file("http://h:4318/other"), HttpProtobuf, "http://h:4318/other"),
            (OtlpEndpoint::local(HttpProtobuf), HttpProtobuf, "http://localhost:4318/v1/traces"),
            (OtlpEndpoint::local(Grpc), Grpc, "http://localhost:4317/"),
        ] {
            assert_eq!(endpoint.url(protocol), url);
        }
    }
}
