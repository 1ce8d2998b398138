//! A client and a server of tonic, with a call of each kind: one message, a stream of answers, a stream of requests, and both. Each
//! message is handled in the trace of its call, on either side.
//!
//! `cargo run -p traceparent-tower --example tonic`
//!
//! The service is written by hand so that the example needs no compiler for it. It is this one:
//!
//! ```proto
//! service Echo {
//!   rpc Say(google.protobuf.StringValue) returns (google.protobuf.StringValue);
//!   rpc Repeat(google.protobuf.StringValue) returns (stream google.protobuf.StringValue);
//!   rpc Join(stream google.protobuf.StringValue) returns (google.protobuf.StringValue);
//!   rpc Chat(stream google.protobuf.StringValue) returns (stream google.protobuf.StringValue);
//! }
//! ```

use std::{convert::Infallible, error::Error, pin::Pin};

use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Channel, Server, server::TcpIncoming},
};
use tower::Layer;
use traceparent::{
    Incoming, Policy, RandomIdGenerator,
    sampler::{AlwaysOff, AlwaysOn},
};
use traceparent_tower::{
    ExtractTraceContextLayer, InTraceExt, InjectTraceContext, InjectTraceContextLayer, SpanContext,
};

use crate::generated::{EchoClient, EchoServer};

type Answers = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;

/// Returns a message with the ID of the trace that it is handled in.
fn traced(message: &str) -> String {
    match SpanContext::current() {
        Some(span) => format!("{message} in {}", span.traceparent().trace_id()),
        None => format!("{message} in no trace"),
    }
}

// The server's methods. The layer around the server is all that they need.

async fn say(request: Request<String>) -> Result<Response<String>, Status> {
    Ok(Response::new(traced(request.get_ref())))
}

/// Its items are created after it has returned: the layer polls the body of the response within the trace.
async fn repeat(request: Request<String>) -> Result<Response<Answers>, Status> {
    let message = request.into_inner();
    Ok(Response::new(Box::pin(tokio_stream::iter(1..=3).map(move |_| Ok(traced(&message))))))
}

async fn join(request: Request<Streaming<String>>) -> Result<Response<String>, Status> {
    let (mut messages, mut joined) = (request.into_inner(), Vec::new());
    while let Some(message) = messages.message().await? {
        joined.push(traced(&message));
    }
    Ok(Response::new(joined.join(", ")))
}

async fn chat(request: Request<Streaming<String>>) -> Result<Response<Answers>, Status> {
    Ok(Response::new(Box::pin(request.into_inner().map(|message| Ok(traced(&message?))))))
}

/// The client's calls, which find the current trace by themselves.
async fn calls(mut client: EchoClient<InjectTraceContext<Channel>>) -> Result<Vec<String>, Status> {
    let mut answers = vec![client.say("one".to_owned()).await?.into_inner()];

    let mut repeated = client.repeat("two".to_owned()).await?.into_inner();
    while let Some(answer) = repeated.message().await? {
        answers.push(traced(&answer));
    }

    // The connection's task takes the items of a request, so they need the trace to be handed over.
    let messages = || tokio_stream::iter(["three", "four"]).map(traced).in_current_trace();
    answers.push(client.join(messages()).await?.into_inner());

    let mut chat = client.chat(messages()).await?.into_inner();
    while let Some(answer) = chat.message().await? {
        answers.push(traced(&answer));
    }
    Ok(answers)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // Callers decide about sampling. None of the traces that start here is sampled.
    let server = Server::builder().layer(ExtractTraceContextLayer::new(AlwaysOff)).add_service(EchoServer);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let origin = format!("http://{address}");
    let channel = Channel::from_shared(origin.clone())?.connect().await?;
    // With the origin, an egress policy sees the host of each call.
    let client = EchoClient::with_origin(InjectTraceContextLayer::new().layer(channel), origin.parse()?);

    // In a service, this is the trace of the request that it serves.
    let job = SpanContext::from(Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator));
    let trace_id = job.traceparent().trace_id();
    let answers = job.scope(calls(client)).await?;

    for answer in &answers {
        println!("{answer}");
    }
    assert_eq!(
        answers,
        [
            format!("one in {trace_id}"),
            format!("two in {trace_id} in {trace_id}"),
            format!("two in {trace_id} in {trace_id}"),
            format!("two in {trace_id} in {trace_id}"),
            format!("three in {trace_id} in {trace_id}, four in {trace_id} in {trace_id}"),
            format!("three in {trace_id} in {trace_id} in {trace_id}"),
            format!("four in {trace_id} in {trace_id} in {trace_id}"),
        ]
    );
    Ok(())
}

/// What `tonic-build` writes for the service, in short.
mod generated {
    use http::{Uri, uri::PathAndQuery};
    use tonic::{
        body::Body,
        client::{Grpc as Client, GrpcService},
        codegen::{BoxFuture, Context, Poll, Service, StdError},
        server::{Grpc, NamedService},
    };
    use tonic_prost::ProstCodec;
    use tower::service_fn;

    use super::{Infallible, Request, Response, Status, Stream, Streaming, chat, join, repeat, say};

    type Codec = ProstCodec<String, String>;

    #[derive(Clone)]
    pub(super) struct EchoServer;

    impl NamedService for EchoServer {
        const NAME: &'static str = "example.Echo";
    }

    impl Service<http::Request<Body>> for EchoServer {
        type Response = http::Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<Self::Response, Self::Error>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<Body>) -> Self::Future {
            let mut grpc = Grpc::new(Codec::default());
            Box::pin(async move {
                Ok(match request.uri().path() {
                    "/example.Echo/Say" => grpc.unary(service_fn(say), request).await,
                    "/example.Echo/Repeat" => grpc.server_streaming(service_fn(repeat), request).await,
                    "/example.Echo/Join" => grpc.client_streaming(service_fn(join), request).await,
                    "/example.Echo/Chat" => grpc.streaming(service_fn(chat), request).await,
                    _ => Status::unimplemented("no such method").into_http(),
                })
            })
        }
    }

    pub(super) struct EchoClient<T>(Client<T>);

    impl<T> EchoClient<T>
    where
        T: GrpcService<Body, ResponseBody: Send + 'static>,
        T::Error: Into<StdError>,
        <T::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
    {
        pub(super) fn with_origin(inner: T, origin: Uri) -> Self {
            Self(Client::with_origin(inner, origin))
        }

        async fn ready(&mut self) -> Result<(), Status> {
            self.0.ready().await.map_err(|error| Status::unknown(error.into().to_string()))
        }

        pub(super) async fn say(&mut self, message: String) -> Result<Response<String>, Status> {
            self.ready().await?;
            let path = PathAndQuery::from_static("/example.Echo/Say");
            self.0.unary(Request::new(message), path, Codec::default()).await
        }

        pub(super) async fn repeat(&mut self, message: String) -> Result<Response<Streaming<String>>, Status> {
            self.ready().await?;
            let path = PathAndQuery::from_static("/example.Echo/Repeat");
            self.0.server_streaming(Request::new(message), path, Codec::default()).await
        }

        pub(super) async fn join<S>(&mut self, messages: S) -> Result<Response<String>, Status>
        where
            S: Stream<Item = String> + Send + 'static,
        {
            self.ready().await?;
            let path = PathAndQuery::from_static("/example.Echo/Join");
            self.0.client_streaming(Request::new(messages), path, Codec::default()).await
        }

        pub(super) async fn chat<S>(&mut self, messages: S) -> Result<Response<Streaming<String>>, Status>
        where
            S: Stream<Item = String> + Send + 'static,
        {
            self.ready().await?;
            let path = PathAndQuery::from_static("/example.Echo/Chat");
            self.0.streaming(Request::new(messages), path, Codec::default()).await
        }
    }
}
