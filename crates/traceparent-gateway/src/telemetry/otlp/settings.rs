use std::time::Duration;

use hyper::{HeaderMap, Uri, http::uri::Scheme};

use crate::config::{ClientTls, Otlp, OtlpEndpoint, OtlpProtocol, OtlpVariables};

/// The default time limit for the export of a batch.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The settings of an exporter, with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// The URL that spans are sent to.
    pub(super) endpoint: Uri,
    pub(super) protocol: OtlpProtocol,
    pub(super) headers: HeaderMap,
    /// The time limit for the export of a batch, with all attempts.
    pub(super) timeout: Duration,
    pub(super) gzip: bool,
    /// The settings of TLS; `None` for a URL without it.
    pub(super) tls: Option<ClientTls>,
}

impl Settings {
    /// Fills in the environment's values and the defaults. The default of the protocol is gRPC where the port is 4317,
    /// otherwise protobuf over HTTP.
    ///
    /// [OpenTelemetry: OTLP exporter configuration](https://opentelemetry.io/docs/specs/otel/protocol/exporter/)
    pub(super) fn new(collector: Otlp, variables: &OtlpVariables) -> Self {
        let endpoint = collector.endpoint.map(OtlpEndpoint::of_file).or_else(|| variables.endpoint.clone());
        let usual = match endpoint.as_ref().and_then(OtlpEndpoint::port) {
            Some(4317) => OtlpProtocol::Grpc,
            _ => OtlpProtocol::HttpProtobuf,
        };
        let protocol = collector.protocol.or(variables.protocol).unwrap_or(usual);
        let endpoint = endpoint.unwrap_or_else(|| OtlpEndpoint::local(protocol));
        let mut headers = HeaderMap::new();
        for (name, value) in variables.headers.iter().cloned().chain(collector.headers) {
            headers.insert(name, value);
        }
        let endpoint = endpoint.url(protocol);
        let tls = collector.tls.unwrap_or_else(|| variables.tls.clone());
        Self {
            tls: (endpoint.scheme() == Some(&Scheme::HTTPS)).then_some(tls),
            endpoint,
            protocol,
            headers,
            timeout: collector.timeout.or(variables.timeout).unwrap_or(TIMEOUT),
            gzip: variables.gzip,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn the_file_overrules_the_environment() {
        let header = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let variables = OtlpVariables {
            endpoint: Some(OtlpEndpoint::of_all_signals(Uri::from_static("http://all:4317/base"))),
            headers: vec![header("x-key", "environment"), header("x-more", "kept")],
            timeout: Some(Duration::from_secs(1)),
            ..OtlpVariables::default()
        };
        let settings = Settings::new(Otlp::default(), &variables);
        assert_eq!(
            (settings.endpoint, settings.protocol),
            ("http://all:4317/base".parse().unwrap(), OtlpProtocol::Grpc)
        );
        assert_eq!(settings.timeout, Duration::from_secs(1));

        let file = Otlp {
            endpoint: Some(Uri::from_static("http://file:4318")),
            headers: vec![header("x-key", "file")],
            timeout: Some(Duration::from_secs(2)),
            ..Otlp::default()
        };
        let settings = Settings::new(file, &variables);
        assert_eq!(settings.endpoint, "http://file:4318/v1/traces");
        assert_eq!((settings.protocol, settings.timeout), (OtlpProtocol::HttpProtobuf, Duration::from_secs(2)));
        let headers: Vec<_> = settings.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(headers, [("x-key", &b"file"[..]), ("x-more", b"kept")]);
    }

    #[test]
    fn defaults_are_those_of_opentelemetry() {
        let settings = Settings::new(Otlp::default(), &OtlpVariables::default());
        assert_eq!(settings.endpoint, "http://localhost:4318/v1/traces");
        assert_eq!((settings.timeout, settings.gzip), (TIMEOUT, false));
        let grpc = Otlp { protocol: Some(OtlpProtocol::Grpc), ..Otlp::default() };
        assert_eq!(Settings::new(grpc, &OtlpVariables::default()).endpoint, "http://localhost:4317/");
    }
}
