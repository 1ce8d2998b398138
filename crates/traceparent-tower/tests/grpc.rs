//! The layers around a client and a server of `tonic`: metadata carries the context, streams included.
#![cfg(feature = "tokio")]
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
};

use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt};
use tonic::{
    Request, Response, Status,
    metadata::MetadataValue,
    transport::{Channel, Server, server::TcpIncoming},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower::Layer;
use traceparent::{SpanId, TraceId, sampler::AlwaysOff};
use traceparent_formats::{LocalContext, grpc_trace_bin};
use traceparent_tower::{
    ExtractTraceContextLayer, Format, InjectTraceContext, InjectTraceContextLayer, Propagators, RequestSpan,
    SpanContext,
};

use crate::common::continued;

/// The binary metadata of OpenCensus, before the text of W3C Trace Context.
const PROPAGATORS: Propagators =
    Propagators::new(&[Format::GrpcTraceBin, Format::TraceContext], &[Format::GrpcTraceBin]);

type Client = HealthClient<InjectTraceContext<Channel>>;

/// What a server knows of a call: trace, own span, parent and list.
type Seen = (TraceId, SpanId, Option<SpanId>, String);

/// A service that hands every call on to the next server, if there is one.
#[derive(Clone, Default)]
struct Relay {
    next: Option<Client>,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// The binary metadata of each call.
    binary: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Relay {
    fn record<T>(&self, request: &Request<T>) {
        let span = request.extensions().span_context().unwrap();
        assert_eq!(SpanContext::current().unwrap().span_id(), span.span_id());
        let binary = request.metadata().get_bin("grpc-trace-bin").map(|value| value.to_bytes().unwrap().to_vec());
        self.binary.lock().unwrap().extend(binary);
        let list = span.tracestate().to_string();
        self.seen.lock().unwrap().push((span.traceparent().trace_id(), span.span_id(), span.parent_id(), list));
    }
}

fn status(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for Relay {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        self.record(&request);
        match self.next.clone() {
            Some(mut next) => next.check(HealthCheckRequest::default()).await,
            None => Ok(Response::new(status(ServingStatus::Serving))),
        }
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        self.record(&request);
        if let Some(mut next) = self.next.clone() {
            return Ok(Response::new(Box::pin(next.watch(HealthCheckRequest::default()).await?.into_inner())));
        }
        let id = request.extensions().span_context().unwrap().span_id();
        let states = tokio_stream::iter([ServingStatus::Serving, ServingStatus::NotServing]);
        // Each item is created after this method has returned.
        let stream: Self::WatchStream = Box::pin(states.map(move |state| {
            let current = SpanContext::current().map(|span| span.span_id());
            if current == Some(id) { Ok(status(state)) } else { Err(Status::internal("lost the context")) }
        }));
        Ok(Response::new(stream))
    }
}

async fn serve(relay: Relay) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let layer = ExtractTraceContextLayer::new(AlwaysOff).propagators(PROPAGATORS);
    let server = Server::builder().layer(layer).add_service(HealthServer::new(relay));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    address
}

fn client(address: SocketAddr) -> Client {
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    HealthClient::new(InjectTraceContextLayer::new().propagators(PROPAGATORS).layer(channel))
}

/// Two servers, one behind the other: what they see is one trace.
fn assert_chain(caller: &SpanContext, front: &[Seen], back: &[Seen]) {
    let ([front], [back]) = (front, back) else { panic!("{front:?} {back:?}") };
    let trace_id = caller.traceparent().trace_id();
    assert_eq!((front.0, back.0), (trace_id, trace_id));
    // Each call is a span between the spans of its two ends.
    assert!(![None, Some(caller.span_id())].contains(&front.2), "{front:?}");
    assert!(![None, Some(front.1), front.2].contains(&back.2), "{back:?}");
    assert_eq!((front.3.as_str(), back.3.as_str()), ("a=1,b=2", "a=1,b=2"));
}

#[tokio::test]
async fn calls_and_streams_are_one_trace_over_two_servers() {
    let back = Relay::default();
    let next = client(serve(back.clone()).await);
    let front = Relay { next: Some(next), ..Relay::default() };
    let mut client = client(serve(front.clone()).await);
    let caller = continued("a=1,b=2");
    let seen = |relay: &Relay| std::mem::take(&mut *relay.seen.lock().unwrap());

    let answer = caller.clone().scope(client.check(HealthCheckRequest::default())).await.unwrap();
    assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
    assert_chain(&caller, &seen(&front), &seen(&back));

    let stream = caller.clone().scope(client.watch(HealthCheckRequest::default())).await.unwrap();
    let states: Vec<_> = stream.into_inner().map(|state| state.unwrap().status()).collect().await;
    assert_eq!(states, [ServingStatus::Serving, ServingStatus::NotServing]);
    assert_chain(&caller, &seen(&front), &seen(&back));

    // A context may be given with the call as well, in its extensions.
    let mut request = Request::new(HealthCheckRequest::default());
    request.extensions_mut().insert(caller.clone());
    client.check(request).await.unwrap();
    assert_chain(&caller, &seen(&front), &seen(&back));
}

#[tokio::test]
async fn binary_metadata_carries_the_context_both_ways() {
    // F 42-44
    let relay = Relay::default();
    let address = serve(relay.clone()).await;
    let seen = || relay.seen.lock().unwrap().pop().unwrap();

    // What the layer writes, `tonic` reads as the bytes of the format.
    let caller = continued("");
    caller.clone().scope(client(address).check(HealthCheckRequest::default())).await.unwrap();
    let (trace_id, _, parent_id, _) = seen();
    let written = relay.binary.lock().unwrap().pop().unwrap();
    let context = LocalContext::new(trace_id, parent_id.unwrap(), true);
    assert_eq!((trace_id, written), (caller.traceparent().trace_id(), grpc_trace_bin::encode_bytes(&context).to_vec()));

    // What `tonic` writes, the layer reads.
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    let other = LocalContext::new(TraceId::from_static("0af7651916cd43dd8448eb211c80319c"), caller.span_id(), true);
    let mut request = Request::new(HealthCheckRequest::default());
    let value = MetadataValue::from_bytes(&grpc_trace_bin::encode_bytes(&other));
    request.metadata_mut().insert_bin("grpc-trace-bin", value);
    HealthClient::new(channel).check(request).await.unwrap();
    let (trace_id, _, parent_id, _) = seen();
    assert_eq!((trace_id, parent_id), (other.trace_id(), Some(other.span_id())));
}
