use std::{future::poll_fn, pin::pin, sync::Arc, time::Duration};

use h2::{Reason, RecvStream, server::SendResponse};
use http_body_util::BodyExt;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Bytes},
    header::{CONTENT_LENGTH, DATE, HeaderValue},
};
use tokio::select;

use super::resets::Started;
use crate::http::{
    Failure, InterimReceiver, Peer, date,
    departure::Departure,
    pipe::{Pipe, PipeError},
    server::{ClientBody, Handler, boxed},
    watch::{Calm, PseudoEnds},
};

/// A request, and the stream on which it is answered.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) client: Peer,
    pub(super) departure: Departure,
    pub(super) interim: InterimReceiver,
    pub(super) respond: SendResponse<Bytes>,
    pub(super) started: Started,
    pub(super) idle_timeout: Duration,
    pub(super) pseudo_ends: PseudoEnds,
    pub(super) calm: Calm,
}

impl Exchange {
    /// Answers the request. If the client resets the stream, the handler is dropped.
    pub(super) async fn answer<H: Handler>(self, handler: Arc<H>, request: Request<RecvStream>) {
        let Self { client, departure, mut interim, mut respond, started, idle_timeout, pseudo_ends, calm } = self;
        let _under_way = client.under_way.clone();
        let (parts, stream) = request.into_parts();
        let is_head = parts.method == Method::HEAD;
        let body = ClientBody::http2(stream, &parts.headers, pseudo_ends);
        let request = Request::from_parts(parts, body);
        let response = {
            let mut response = boxed(handler.as_ref(), client, request);
            loop {
                select! {
                    biased;
                    response = &mut response => break response,
                    first = interim.recv() => inform(&mut respond, first),
                    _ = poll_fn(|context| respond.poll_reset(context)) => return started.reset(),
                }
            }
        };
        while let Some(last) = interim.try_recv() {
            inform(&mut respond, last);
        }

        let (mut parts, mut body) = response.into_parts();
        parts.headers.entry(DATE).or_insert_with(date::now);
        if !body.is_end_stream()
            && let Some(length) = body.size_hint().exact()
        {
            parts.headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
        }
        let has_body = !is_head && !matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let ends = !has_body || body.is_end_stream();
        let Ok(stream) = respond.send_response(Response::from_parts(parts, ()), ends) else {
            respond.send_reset(Reason::INTERNAL_ERROR);
            return;
        };
        if ends {
            // What the client is not to get comes to its end nevertheless.
            while let Some(Ok(_)) = body.frame().await {}
            return;
        }
        let mut pipe = pin!(Pipe::of_response(body, stream, idle_timeout, calm));
        if let Err(PipeError::Stalled) = pipe.as_mut().await {
            departure.set(Failure::ClientStalled);
        }
    }
}

/// Sends an interim response. A failure is found with the stream.
fn inform(respond: &mut SendResponse<Bytes>, interim: Response<()>) {
    let _ = respond.send_informational(interim);
}
