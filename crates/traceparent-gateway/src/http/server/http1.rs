use std::{convert::Infallible, pin::pin, sync::Arc};

use hyper::{
    Request, Response, StatusCode, Version,
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

use super::{ClientBody, Handler, boxed, connection::Connection, rest::Rest};
use crate::http::{
    Failure, GuardedBody, Interim, InterimReceiver,
    insertions::{InsertingBody, InsertingStream, Insertions},
    tokens::has_token,
};

/// The text of hyper's error about a target that is too long.
const TARGET_TOO_LONG: &str = "URI too long";

/// The end of a connection over HTTP/1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    /// The reason for which a request was refused before its head had ended.
    pub(super) refusal: Option<Failure>,
    /// Whether the client may have sent more than was read.
    pub(super) is_unread: bool,
}

impl Ended {
    /// The end of a connection whose client waits for nothing.
    const LOST: Self = Self { refusal: None, is_unread: false };
}

/// Serves the requests of a connection over HTTP/1 until it ends, or the client has gone for good.
///
/// [RFC 9112](https://www.rfc-editor.org/rfc/rfc9112)
pub(super) async fn serve<S, H>(connection: &Connection<H>, stream: S) -> Ended
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Handler,
{
    let (insertions, rest) = (Insertions::default(), Rest::default());
    let service = service_fn(|request: Request<Incoming>| {
        let (interim, received) = Interim::channel(&request);
        let client = connection.peer(connection.requests.departure().clone(), interim);
        let (handler, under_way) = (Arc::clone(&connection.handler), client.under_way.clone());
        let exchange = Exchange::new(&request, insertions.clone(), rest.clone());
        async move {
            let answering = exchange.has_body.then(|| exchange.rest.answering(exchange.is_chunked));
            let request = request.map(|body| ClientBody::http1(body, &under_way, &exchange.rest));
            let response = exchange.answer(boxed(handler.as_ref(), client, request), received).await;
            Ok::<_, Infallible>(response.map(|body| GuardedBody::new(body, (under_way, answering))))
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
    let mut discard = pin!(rest.discard());
    let mut stopping = connection.stopping.clone();
    let result = select! {
        result = served.as_mut() => Some(result),
        () = lost.as_mut() => return Ended::LOST,
        never = discard.as_mut() => match never {},
        () = stopping.begun() => None,
    };
    let result = if let Some(result) = result {
        result
    } else {
        rest.close();
        served.as_mut().graceful_shutdown();
        select! {
            result = served => result,
            () = lost => return Ended::LOST,
            never = discard => match never {},
            () = connection.without_request() => return Ended::LOST,
        }
    };
    let is_unread = !rest.is_switched() && (result.is_err() || rest.is_cut() || connection.tcp.has_unread());
    let refusal = connection.requests.refusal().or_else(|| result.as_ref().err().and_then(refusal));
    Ended { refusal, is_unread }
}

/// Returns the reason for which hyper has refused a request, with an answer of its own.
fn refusal(error: &hyper::Error) -> Option<Failure> {
    if error.is_parse_version_h2() {
        // There is no answer.
        return None;
    }
    if error.is_parse_too_large() {
        // The two kinds of it have no other difference.
        let is_target = error.to_string() == TARGET_TOO_LONG;
        return Some(if is_target { Failure::TargetTooLong } else { Failure::HeadTooLarge });
    }
    error.is_parse().then_some(Failure::InvalidHead)
}

/// A request, and what its answer needs beside hyper.
#[derive(Debug)]
struct Exchange {
    insertions: Insertions,
    rest: Rest,
    has_body: bool,
    is_chunked: bool,
    takes_trailers: bool,
}

impl Exchange {
    fn new<B: Body>(request: &Request<B>, insertions: Insertions, rest: Rest) -> Self {
        let takes_trailers = request.version() == Version::HTTP_11 && has_token(request.headers(), &TE, "trailers");
        let body = request.body();
        let (has_body, is_chunked) = (!body.is_end_stream(), body.size_hint().exact().is_none());
        Self { insertions, rest, has_body, is_chunked, takes_trailers }
    }

    /// Answers the request, with the interim responses before the answer.
    async fn answer<B>(
        self,
        mut answer: impl Future<Output = Response<B>> + Unpin,
        mut received: InterimReceiver,
    ) -> Response<InsertingBody<B>> {
        let Self { insertions, rest, has_body, takes_trailers, .. } = self;
        if received.was_expected() {
            insertions.drop_continue().await;
        }
        let mut response = loop {
            select! {
                biased;
                interim = received.recv() => insertions.write_interim(&interim).await,
                response = &mut answer => break response,
            }
        };
        while let Some(interim) = received.try_recv() {
            insertions.write_interim(&interim).await;
        }
        if has_body && !received.is_body_unwanted() {
            rest.settle().await;
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            rest.switch();
        } else if has_body && (received.is_body_unwanted() || !rest.is_short()) {
            // A body that is not wanted may be sent nevertheless, or not: what comes next could not be told apart.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            rest.close();
        }
        if takes_trailers && response.headers().contains_key(TRAILER) {
            // Only chunks have a place for trailers.
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        response.map(|body| InsertingBody::new(body, takes_trailers.then_some(insertions)))
    }
}
