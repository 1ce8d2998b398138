use std::{
    error::Error,
    io::{self, Write},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    body::Bytes,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT},
    http::uri::PathAndQuery,
};
use hyper_util::{client::legacy::Client as HttpClient, rt::TokioExecutor};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tonic::{
    Code, Status,
    client::Grpc,
    codec::CompressionEncoding,
    metadata::MetadataMap,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;

use super::{codec::ExportCodec, connect::CollectorConnector, settings::Settings};
use crate::{
    config::OtlpProtocol,
    http::{Offer, TlsClient},
};

/// The size limit of a collector's answer, in bytes.
const ANSWER_BYTES: usize = 4 << 20;

/// The path of the method that takes spans.
const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

const NAME: &str = concat!("traceparent-gateway/", env!("CARGO_PKG_VERSION"));

/// The connection to a collector.
///
/// [OTLP specification](https://opentelemetry.io/docs/specs/otlp/)
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one")]
pub(super) enum Client {
    Grpc { service: Grpc<Channel>, headers: HeaderMap },
    Http { client: HttpClient<CollectorConnector, Full<Bytes>>, url: Uri, headers: HeaderMap, gzip: bool },
}

impl Client {
    /// Creates a client, which connects with the first request; without TLS, in the clear. Must be called within a Tokio
    /// runtime.
    pub(super) fn new(settings: &Settings, tls: Option<TlsClient>) -> Self {
        let Settings { endpoint, protocol, headers, gzip, .. } = settings.clone();
        match protocol {
            OtlpProtocol::Grpc => {
                let endpoint = Endpoint::from(endpoint);
                let endpoint = endpoint.clone().user_agent(NAME).unwrap_or(endpoint);
                let channel = endpoint.connect_with_connector_lazy(CollectorConnector { tls, offer: Offer::Http2 });
                let service = Grpc::new(channel);
                let service = if gzip {
                    service.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip)
                } else {
                    service
                };
                Self::Grpc { service, headers }
            }
            OtlpProtocol::HttpProtobuf => {
                let connector = CollectorConnector { tls, offer: Offer::Http1 };
                let client = HttpClient::builder(TokioExecutor::new()).build(connector);
                Self::Http { client, url: endpoint, headers, gzip }
            }
        }
    }

    /// Sends an encoded `ExportTraceServiceRequest` once.
    pub(super) async fn send(&mut self, spans: Bytes) -> Result<ExportTraceServiceResponse, SendError> {
        match self {
            Self::Grpc { service, headers } => {
                let mut request = tonic::Request::new(spans);
                *request.metadata_mut() = MetadataMap::from_headers(headers.clone());
                service.ready().await.map_err(SendError::of_http)?;
                let answer = service.unary(request, PathAndQuery::from_static(EXPORT), ExportCodec).await;
                let answer = answer.map_err(|status| SendError::of_status(&status))?;
                Ok(answer.into_inner())
            }
            Self::Http { client, url, headers, gzip } => {
                let body = match gzip {
                    true => compressed(&spans).map_err(|error| SendError::fatal(error.to_string()))?.into(),
                    false => spans,
                };
                let mut request = Request::post(url.clone()).body(Full::from(body)).map_err(SendError::of_http)?;
                *request.headers_mut() = headers.clone();
                request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
                request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(NAME));
                if *gzip {
                    request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                }
                let answer = client.request(request).await.map_err(SendError::of_http)?;
                if !answer.status().is_success() {
                    return Err(SendError::of_answer(answer.status(), answer.headers()));
                }
                let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await;
                let body = body.map_err(|error| SendError::retryable(chain(&*error)))?.to_bytes();
                // Collectors answer in other formats, too. The spans have arrived.
                Ok(ExportTraceServiceResponse::decode(body).unwrap_or_default())
            }
        }
    }
}

fn compressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// The error returned when a collector does not take spans.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct SendError {
    what: String,
    /// The time after which to try again, zero for any; `None` if the collector will not take these spans.
    pub(super) retry: Option<Duration>,
}

impl SendError {
    /// Returns the error of a collector to which there is no TLS, and to which nothing is sent in the clear.
    pub(super) fn without_tls() -> Self {
        Self::fatal("there is no TLS to the collector".to_owned())
    }

    fn fatal(what: String) -> Self {
        Self { what, retry: None }
    }

    fn retryable(what: String) -> Self {
        Self { what, retry: Some(Duration::ZERO) }
    }

    fn of_http(error: impl Error + 'static) -> Self {
        Self::retryable(chain(&error))
    }

    /// [OTLP/HTTP response](https://opentelemetry.io/docs/specs/otlp/#otlphttp-response)
    fn of_answer(status: StatusCode, headers: &HeaderMap) -> Self {
        let after = || headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs);
        let retry = match status.as_u16() {
            429 | 503 => Some(after().unwrap_or_default()),
            502 | 504 => Some(Duration::ZERO),
            _ => None,
        };
        Self { what: format!("the collector answered with status {}", status.as_u16()), retry }
    }

    /// [OTLP/gRPC response](https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-response)
    fn of_status(status: &Status) -> Self {
        let after = status.get_details_retry_info().and_then(|info| info.retry_delay);
        let retry = match status.code() {
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss => Some(after.unwrap_or_default()),
            Code::ResourceExhausted => after,
            _ => None,
        };
        let what = match status.source() {
            Some(source) => chain(source),
            None => format!("the collector answered with gRPC status {}", status.code() as i32),
        };
        Self { what, retry }
    }
}

/// Returns an error with its sources, in one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let errors = std::iter::successors(Some(error), |&error| error.source());
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
