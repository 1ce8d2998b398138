use std::{mem, time::Duration};

use hyper::{
    HeaderMap, Request, Response, Uri,
    body::Bytes,
    header::{HeaderName, HeaderValue},
    http::uri::Scheme,
};
use opentelemetry_http::{HttpClient, HttpError, hyper::HyperClient};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::{Resource, trace::SpanExporter as _};

use super::OtlpError;
use crate::config::{Otlp, OtlpProtocol, OtlpVariables};

/// The default time limit for a collector's answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The settings of an exporter, with every default filled in.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    endpoint: Option<String>,
    protocol: OtlpProtocol,
    headers: HeaderMap,
    timeout: Duration,
}

impl Settings {
    /// Fills in the environment's values, and checks the endpoint. The default of the protocol is gRPC where the port is
    /// 4317, otherwise protobuf over HTTP.
    pub(super) fn new(collector: Otlp, variables: &OtlpVariables) -> Result<Self, OtlpError> {
        let endpoint = match (&collector.endpoint, &variables.endpoint) {
            (Some(endpoint), _) => Some(endpoint.clone()),
            (None, Some(url)) => Some(url.parse().map_err(|_| OtlpError::Endpoint)?),
            (None, None) => None,
        };
        if endpoint.as_ref().is_some_and(|url| url.scheme() != Some(&Scheme::HTTP)) {
            return Err(OtlpError::Endpoint);
        }
        let usual = match endpoint.as_ref().and_then(Uri::port_u16) {
            Some(4317) => OtlpProtocol::Grpc,
            _ => OtlpProtocol::HttpProtobuf,
        };
        let protocol = collector.protocol.or(variables.protocol).unwrap_or(usual);
        let timeout = collector.timeout.or(variables.timeout).unwrap_or(TIMEOUT);
        // The exporter itself turns an endpoint of the environment into a URL.
        let endpoint = collector.endpoint.map(|endpoint| match (protocol, endpoint.path()) {
            (OtlpProtocol::HttpProtobuf, "/" | "") => {
                format!("{}/v1/traces", endpoint.to_string().trim_end_matches('/'))
            }
            _ => endpoint.to_string(),
        });
        Ok(Self { endpoint, protocol, headers: collector.headers.into_iter().collect(), timeout })
    }

    /// Creates an exporter for spans of one resource.
    pub(super) fn exporter(&self, resource: &Resource) -> Result<SpanExporter, ExporterBuildError> {
        let mut exporter = if self.protocol == OtlpProtocol::Grpc {
            let headers = self.headers.clone();
            let mut builder = SpanExporter::builder().with_tonic().with_timeout(self.timeout).with_interceptor(
                move |mut request: tonic::Request<()>| {
                    let mut all = mem::take(request.metadata_mut()).into_headers();
                    replace(&mut all, &headers);
                    *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(all);
                    Ok(request)
                },
            );
            if let Some(endpoint) = &self.endpoint {
                builder = builder.with_endpoint(endpoint);
            }
            builder.build()?
        } else {
            let client = Client {
                inner: HyperClient::with_default_connector(self.timeout, None),
                headers: self.headers.clone(),
            };
            let mut builder = SpanExporter::builder()
                .with_http()
                .with_protocol(Protocol::HttpBinary)
                .with_timeout(self.timeout)
                .with_http_client(client);
            if let Some(endpoint) = &self.endpoint {
                builder = builder.with_endpoint(endpoint);
            }
            builder.build()?
        };
        exporter.set_resource(resource);
        Ok(exporter)
    }
}

/// An HTTP client whose headers replace those of the environment.
#[derive(Debug)]
struct Client {
    inner: HyperClient,
    headers: HeaderMap,
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        replace(request.headers_mut(), &self.headers);
        self.inner.send_bytes(request).await
    }
}

fn replace(headers: &mut HeaderMap, by: &HeaderMap) {
    let by: Vec<(&HeaderName, &HeaderValue)> = by.iter().collect();
    for (name, value) in by {
        headers.insert(name, value.clone());
    }
}
