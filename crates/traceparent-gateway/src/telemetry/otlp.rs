//! Spans on their way to a collector, by the OpenTelemetry SDK's OTLP exporter.
//!
//! The exporter is handed finished spans with the ids, flags and `tracestate` that went out; it decides nothing.
//! [OTLP exporter](https://opentelemetry.io/docs/specs/otel/protocol/exporter/)

use std::{
    collections::HashMap,
    env, io, mem,
    sync::Arc,
    time::{Duration, Instant},
};

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
use opentelemetry_sdk::{Resource, error::OTelSdkError, trace::SpanExporter as _};
use tokio::{
    runtime,
    sync::mpsc::error::TryRecvError,
    time::{sleep, timeout},
};

use crate::{
    config::{Batch, Otlp, OtlpProtocol},
    span::Span,
    telemetry::otlp::resource::{resource_of, to_span_data},
    telemetry::recorder::{Outlet, POLL, Sink, Wanted, Worker},
    tell,
};

pub(super) mod resource;

/// How large a batch may be, in bytes, about: collectors refuse messages of more than 4 MiB, and what strangers send is
/// part of it.
const BATCH_BYTES: usize = 3 << 20;

/// How long a collector may take to answer, where nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// The endpoint is not one that can be used.
    #[error("the OTLP endpoint is not a URL of the form http://host:port; for https, put a collector between")]
    Endpoint,
    /// The exporter refuses its configuration.
    #[error("the OTLP exporter cannot be made: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// The system refuses what the exporter needs.
    #[error("the OTLP exporter cannot be started: {0}")]
    System(#[from] io::Error),
}

/// Whether the environment names a collector.
pub(crate) fn in_environment() -> bool {
    variable("ENDPOINT").is_some()
}

#[derive(Clone, Debug)]
struct Resolved {
    endpoint: Option<String>,
    protocol: OtlpProtocol,
    headers: HeaderMap,
    timeout: Duration,
}

impl Resolved {
    /// Adds what the environment says, and checks the endpoint. The protocol that nobody names is gRPC where the port
    /// is 4317, otherwise protobuf over HTTP.
    fn new(said: Otlp) -> Result<Self, OtlpError> {
        let named = variable("PROTOCOL").and_then(|name| match name.to_ascii_lowercase().as_str() {
            "grpc" => Some(OtlpProtocol::Grpc),
            "http/protobuf" => Some(OtlpProtocol::HttpProtobuf),
            _ => None,
        });
        let endpoint = match &said.endpoint {
            Some(endpoint) => Some(endpoint.clone()),
            None => variable("ENDPOINT").map(|url| url.parse().map_err(|_| OtlpError::Endpoint)).transpose()?,
        };
        if endpoint.as_ref().is_some_and(|url| url.scheme() != Some(&Scheme::HTTP)) {
            return Err(OtlpError::Endpoint);
        }
        let usual = match endpoint.as_ref().and_then(Uri::port_u16) {
            Some(4317) => OtlpProtocol::Grpc,
            _ => OtlpProtocol::HttpProtobuf,
        };
        let protocol = said.protocol.or(named).unwrap_or(usual);
        let milliseconds = || variable("TIMEOUT")?.parse().ok().map(Duration::from_millis);
        let timeout = said.timeout.or_else(milliseconds).unwrap_or(TIMEOUT);
        // Of an endpoint in the environment, the exporter itself makes what the specification says.
        let endpoint = said.endpoint.map(|endpoint| match (protocol, endpoint.path()) {
            (OtlpProtocol::HttpProtobuf, "/" | "") => {
                format!("{}/v1/traces", endpoint.to_string().trim_end_matches('/'))
            }
            _ => endpoint.to_string(),
        });
        Ok(Self { endpoint, protocol, headers: said.headers.into_iter().collect(), timeout })
    }

    fn exporter(&self, resource: &Resource) -> Result<SpanExporter, ExporterBuildError> {
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

/// Starts a thread that exports sampled spans in batches, each under the resource of its service. To be called on
/// Tokio's threads.
pub(crate) fn start(said: Otlp, resource: Resource, batch: Batch) -> Result<(Sink, Worker), OtlpError> {
    let settings = Resolved::new(said)?;
    // What is wrong with the settings is to be known now.
    settings.exporter(&resource)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let exporters = Exporters { settings, resource, by_service: HashMap::new(), failing: false };
    let (sink, outlet) = Sink::new(Wanted::Sampled, batch.queue);
    let worker = Worker::start("otlp", outlet, move |outlet| runtime.block_on(export_all(outlet, exporters, batch)));
    Ok((sink, worker))
}

/// Gathers spans to batches and exports them, until there are no more.
async fn export_all(outlet: Outlet, mut exporters: Exporters, batch: Batch) {
    let Outlet { mut spans, counts } = outlet;
    let mut gathered = Vec::with_capacity(batch.size);
    while let Some(first) = spans.recv().await {
        let mut bytes = first.size();
        gathered.push(first);
        let due = Instant::now() + batch.delay;
        while gathered.len() < batch.size && bytes < BATCH_BYTES {
            match spans.try_recv() {
                Ok(span) => {
                    bytes += span.size();
                    gathered.push(span);
                }
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => match due.saturating_duration_since(Instant::now()) {
                    Duration::ZERO => break,
                    left => sleep(left.min(POLL)).await,
                },
            }
        }
        let exported = exporters.export(&mut gathered, batch.timeout).await;
        counts.arrived(exported.0);
        counts.lost(exported.1);
    }
}

/// One exporter for each service: an exporter has one resource.
#[derive(Debug)]
struct Exporters {
    settings: Resolved,
    resource: Resource,
    by_service: HashMap<Arc<str>, SpanExporter>,
    failing: bool,
}

impl Exporters {
    /// Exports these spans; returns how many arrived and how many did not.
    async fn export(&mut self, spans: &mut Vec<Arc<Span>>, limit: Duration) -> (u64, u64) {
        let (mut exported, mut lost) = (0, 0);
        while let Some(service) = spans.first().map(|span| Arc::clone(&span.service)) {
            let (ours, others) = mem::take(spans).into_iter().partition::<Vec<_>, _>(|span| span.service == service);
            *spans = others;
            let count = ours.len() as u64;
            let result = self.export_one(service, ours, limit).await;
            match &result {
                Ok(()) => exported += count,
                Err(_) => lost += count,
            }
            self.tell_changes(result.err());
        }
        (exported, lost)
    }

    async fn export_one(&mut self, service: Arc<str>, spans: Vec<Arc<Span>>, limit: Duration) -> Result<(), Failed> {
        if !self.by_service.contains_key(&service) {
            let resource = resource_of(&service, &self.resource);
            self.by_service.insert(Arc::clone(&service), self.settings.exporter(&resource)?);
        }
        let Some(exporter) = self.by_service.get(&service) else { return Ok(()) };
        let spans = spans.into_iter().map(|span| to_span_data(Arc::unwrap_or_clone(span))).collect();
        timeout(limit, exporter.export(spans)).await.map_err(|_| Failed::Late)?.map_err(Failed::Refused)
    }

    /// Tells the operator when exporting stops working, and when it works again.
    fn tell_changes(&mut self, failed: Option<Failed>) {
        match (failed, self.failing) {
            (Some(error), false) => tell(format_args!("spans cannot be exported and are dropped: {error}")),
            (None, true) => tell("spans are exported again"),
            (Some(_), true) | (None, false) => return,
        }
        self.failing = !self.failing;
    }
}

/// Why a batch was not exported.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the collector did not answer in time")]
    Late,
    #[error("{0}")]
    Refused(OTelSdkError),
    #[error("{0}")]
    Exporter(#[from] ExporterBuildError),
}

/// An HTTP client whose headers overrule those of the environment.
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

/// Returns what the environment says about exporting traces, or else about exporting.
fn variable(name: &str) -> Option<String> {
    let read = |name: String| env::var(name).ok().filter(|value| !value.is_empty());
    read(format!("OTEL_EXPORTER_OTLP_TRACES_{name}")).or_else(|| read(format!("OTEL_EXPORTER_OTLP_{name}")))
}
