//! A receiver of OTLP, which takes the place of a collector.

use std::{
    env,
    error::Error,
    process::{Command, Stdio},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    trace::v1::{Span, span::SpanKind},
};
use tokio::{net::TcpListener, sync::mpsc, task::spawn_blocking};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

struct Receiver(mpsc::UnboundedSender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.send(request.into_inner()).map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Runs the service, and looks at the spans that it has exported and at the headers of its call.
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let (sender, mut received) = mpsc::unbounded_channel();
    let server = Server::builder().add_service(TraceServiceServer::new(Receiver(sender)));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let mut service = Command::new(env::current_exe()?);
    service
        .env("OTEL_PROPAGATORS", "tracecontext,b3,baggage")
        .env("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
        .env("OTEL_TRACES_SAMPLER_ARG", "0.5")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("OTEL_SERVICE_NAME", "orders")
        .stdout(Stdio::piped());
    let output = spawn_blocking(move || service.spawn()?.wait_with_output()).await??;
    assert!(output.status.success(), "{}", output.status);
    let headers = String::from_utf8(output.stdout)?;
    print!("{headers}");

    let mut spans = Vec::new();
    while let Ok(export) = received.try_recv() {
        for resource in export.resource_spans {
            assert!(format!("{:?}", resource.resource).contains("orders"), "the name of the service is missing");
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    spans.sort_by_key(|span| span.kind);
    for span in &spans {
        println!("{} {} below {} in {}", span.name, hex(&span.span_id), hex(&span.parent_span_id), hex(&span.trace_id));
    }
    // The service exports its two spans and none about its exporter.
    let [server, client] = &spans[..] else { return Err("other than two spans".into()) };
    check(server, SpanKind::Server, "GET /orders", "00f067aa0ba902b7");
    check(client, SpanKind::Client, "GET /stock", &hex(&server.span_id));
    // The call names the span that was exported, in both formats, and carries the baggage.
    let id = hex(&client.span_id);
    for header in [
        format!("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-{id}-01"),
        format!("b3: 4bf92f3577b34da6a3ce929d0e0e4736-{id}-1"),
        "baggage: user=42".to_owned(),
    ] {
        assert!(headers.lines().any(|line| line == header), "no {header}");
    }
    Ok(())
}

fn check(span: &Span, kind: SpanKind, name: &str, parent: &str) {
    assert_eq!((span.kind(), span.name.as_str()), (kind, name));
    assert_eq!(hex(&span.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex(&span.parent_span_id), parent);
}

fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
