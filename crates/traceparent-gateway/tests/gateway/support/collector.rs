use std::{
    io::Read,
    net::{SocketAddr, TcpListener},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    trace::v1::Span,
};
use prost::Message;
use tonic::{
    Request, Response, Status, codec::CompressionEncoding, metadata::MetadataMap, transport::server::TcpIncoming,
};

use super::{Head, Upstream};

/// A collector that takes OTLP, and tells what came.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    received: Receiver<(Head, ExportTraceServiceRequest)>,
}

/// A span as it was exported, with what it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Exported {
    pub(crate) resource: Vec<KeyValue>,
    pub(crate) scope: InstrumentationScope,
    pub(crate) span: Span,
}

impl Collector {
    /// Starts one that takes gRPC.
    pub(crate) fn grpc() -> Self {
        Self::grpc_on(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }

    pub(crate) fn grpc_on(listener: TcpListener) -> Self {
        Self::grpc_answering(listener, ExportTraceServiceResponse::default())
    }

    /// Starts one for this protocol that rejects this number of spans of each export.
    pub(crate) fn rejecting(protocol: &str, spans: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let error_message = "too\nlong".to_owned();
        let partial_success = Some(ExportTracePartialSuccess { rejected_spans: spans, error_message });
        let answer = ExportTraceServiceResponse { partial_success };
        if protocol == "grpc" {
            Self::grpc_answering(listener, answer)
        } else {
            Self::http_answering(listener, &answer)
        }
    }

    fn grpc_answering(listener: TcpListener, answer: ExportTraceServiceResponse) -> Self {
        let address = listener.local_addr().expect("an address");
        let (sender, received) = channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                listener.set_nonblocking(true).expect("a listener");
                let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener).expect("a listener"));
                let service = TraceServiceServer::new(Service { sender, answer });
                let service = service.accept_compressed(CompressionEncoding::Gzip);
                let server = tonic::transport::Server::builder().add_service(service);
                server.serve_with_incoming(incoming).await.expect("a server");
            });
        });
        Self { address, received }
    }

    /// Starts one that takes protobuf over HTTP.
    pub(crate) fn http() -> Self {
        Self::http_on(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }

    pub(crate) fn http_on(listener: TcpListener) -> Self {
        Self::http_answering(listener, &ExportTraceServiceResponse::default())
    }

    fn http_answering(listener: TcpListener, answer: &ExportTraceServiceResponse) -> Self {
        let answer = answer.encode_to_vec();
        let (sender, received) = channel();
        let upstream = Upstream::start_on(listener, move |exchange| {
            let mut body = exchange.receive();
            if exchange.head.all("content-encoding") == ["gzip"] {
                let mut plain = Vec::new();
                GzDecoder::new(&body[..]).read_to_end(&mut plain).expect("gzip");
                body = plain;
            }
            let request = ExportTraceServiceRequest::decode(&body[..]).expect("a request to export");
            let head = exchange.head.clone();
            // The test may have seen enough.
            let _ = sender.send((head, request));
            let length = answer.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: {length}\r\n\r\n");
            exchange.write(head);
            exchange.write(&answer);
        });
        Self { address: upstream.address, received }
    }

    /// The next request to export: its fields, and the spans in it.
    pub(crate) fn received(&self) -> (Head, Vec<Exported>) {
        let (head, request) = self.received.recv_timeout(Duration::from_secs(60)).expect("a request to export");
        (head, spans(request))
    }

    /// All spans that have come, once none can come any more.
    pub(crate) fn all(&self) -> Vec<Exported> {
        self.received.try_iter().flat_map(|(_, request)| spans(request)).collect()
    }
}

fn spans(request: ExportTraceServiceRequest) -> Vec<Exported> {
    let mut spans = Vec::new();
    for resource_spans in request.resource_spans {
        let resource = resource_spans.resource.expect("a resource").attributes;
        for scope_spans in resource_spans.scope_spans {
            let scope = scope_spans.scope.expect("a scope");
            let exported = |span| Exported { resource: resource.clone(), scope: scope.clone(), span };
            spans.extend(scope_spans.spans.into_iter().map(exported));
        }
    }
    spans
}

impl Exported {
    pub(crate) fn trace_id(&self) -> String {
        hex(&self.span.trace_id)
    }

    pub(crate) fn span_id(&self) -> String {
        hex(&self.span.span_id)
    }

    pub(crate) fn parent_id(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    /// The value of an attribute, as text.
    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        text(&self.span.attributes, key)
    }

    /// The value of an attribute of the resource, as text.
    pub(crate) fn resource(&self, key: &str) -> Option<String> {
        text(&self.resource, key)
    }

    /// The code of the status: 0 unset, 1 ok, 2 error.
    pub(crate) fn status(&self) -> (i32, &str) {
        self.span.status.as_ref().map_or((0, ""), |status| (status.code, status.message.as_str()))
    }
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found: Vec<_> = attributes.iter().filter(|attribute| attribute.key == key).collect();
    assert!(found.len() < 2, "{key} is there twice");
    match &found.first()?.value {
        Some(AnyValue { value: Some(any_value::Value::StringValue(text)) }) => Some(text.clone()),
        Some(AnyValue { value: Some(any_value::Value::IntValue(number)) }) => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}

/// An id as it is written elsewhere; nothing for none.
pub(crate) fn hex(id: &[u8]) -> String {
    match id.len() {
        0 => String::new(),
        8 => format!("{:016x}", u64::from_be_bytes(id.try_into().expect("8 bytes"))),
        _ => format!("{:032x}", u128::from_be_bytes(id.try_into().expect("16 bytes"))),
    }
}

struct Service {
    sender: Sender<(Head, ExportTraceServiceRequest)>,
    answer: ExportTraceServiceResponse,
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let _ = self.sender.send((head(metadata), message));
        Ok(Response::new(self.answer.clone()))
    }
}

fn head(metadata: MetadataMap) -> Head {
    let headers = metadata.into_headers();
    let fields = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()));
    Head { first_line: String::new(), fields: fields.collect() }
}
