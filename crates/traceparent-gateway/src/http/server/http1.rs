use std::{convert::Infallible, pin::pin, sync::Arc};

use hyper::{
    Request, Response, Version,
    body::{Body, Incoming},
    header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TE, TRAILER},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    select,
};

use super::{ClientBody, Handler, connection::Connection};
use crate::http::{
    GuardedBody, Interim, InterimReceiver,
    insertions::{InsertingBody, InsertingStream, Insertions},
    tokens::has_token,
};

/// Serves the requests of a connection over HTTP/1 until it ends, or the client has gone for good.
///
/// [RFC 9112](https://www.rfc-editor.org/rfc/rfc9112)
pub(super) async fn serve<S, H>(connection: Connection<H>, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Handler,
{
    let insertions = Insertions::default();
    let service = service_fn(|request: Request<Incoming>| {
        let (interim, received) = Interim::channel(&request);
        let client = connection.peer(connection.requests.departure().clone(), interim);
        let (handler, under_way) = (Arc::clone(&connection.handler), client.under_way.clone());
        let exchange = Exchange::new(&request, insertions.clone());
        async move {
            let answer = handler.handle(client, request.map(ClientBody::http1));
            let response = exchange.answer(answer, received).await;
            Ok::<_, Infallible>(response.map(|body| GuardedBody::new(body, under_way)))
        }
    });
    let stream = InsertingStream::new(stream, insertions.clone());
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        // The stream has a timeout.
        .header_read_timeout(None)
        .half_close(true)
        .max_headers(connection.limits.header_fields.into())
        .max_buf_size(connection.limits.header_bytes as usize)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut served = pin!(served);
    let mut lost = pin!(connection.tcp.lost());
    let mut stopping = connection.stopping.clone();
    select! {
        _ = served.as_mut() => return,
        () = lost.as_mut() => return,
        () = stopping.begun() => served.as_mut().graceful_shutdown(),
    }
    select! {
        _ = served => {}
        () = lost => {}
    }
}

/// A request, and what its answer needs beside hyper.
#[derive(Debug)]
struct Exchange {
    insertions: Insertions,
    has_body: bool,
    takes_trailers: bool,
}

impl Exchange {
    fn new<B: Body>(request: &Request<B>, insertions: Insertions) -> Self {
        let takes_trailers = request.version() == Version::HTTP_11 && has_token(request.headers(), &TE, "trailers");
        Self { insertions, has_body: !request.body().is_end_stream(), takes_trailers }
    }

    /// Answers the request, with the interim responses before the answer.
    async fn answer<B>(
        self,
        answer: impl Future<Output = Response<B>>,
        mut received: InterimReceiver,
    ) -> Response<InsertingBody<B>> {
        let Self { insertions, has_body, takes_trailers } = self;
        if received.was_expected() {
            insertions.drop_continue().await;
        }
        let mut answer = pin!(answer);
        let mut response = loop {
            select! {
                biased;
                interim = received.recv() => insertions.write_interim(&interim).await,
                response = answer.as_mut() => break response,
            }
        };
        while let Some(interim) = received.try_recv() {
            insertions.write_interim(&interim).await;
        }
        if has_body && received.is_body_unwanted() {
            // The client may send it nevertheless, or not: what comes next could not be told apart.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if takes_trailers && response.headers().contains_key(TRAILER) {
            // Only chunks have a place for trailers.
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        response.map(|body| InsertingBody::new(body, takes_trailers.then_some(insertions)))
    }
}
