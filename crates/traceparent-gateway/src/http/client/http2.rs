use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll};

use h2::{
    Reason,
    client::{Builder, SendRequest},
};
use hyper::{
    HeaderMap, Request, Response,
    body::{Body, Bytes},
    http::request,
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    BoxError, ConnectOptions,
    attempt::{AttemptError, Progress},
    body::Http2Body,
    connect::Connected,
    lent::LentBody,
    liveness::{Liveness, Slot, watch},
    transport::{Transport, TransportStream},
};
use crate::http::{
    Failure, Interim,
    field_values::are_valid,
    headers::{section_size, suit_http2},
    pipe::Pipe,
    stream_body::StreamBody,
    watch::{AnswerStates, Calm, PseudoEnds, WatchedStream},
};

/// How many bytes of a stream may be under way to this side. They wait in memory for a client that takes none.
const STREAM_WINDOW: u32 = 256 * 1024;

/// How many bytes of a connection may be: as many as those of all streams, so that clients which take nothing do not stop the others.
const CONNECTION_WINDOW: u32 = 1 << 30;

/// The length of a SETTINGS frame without settings.
const SETTINGS_BYTES: u64 = 9;

/// A connection that many requests share.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Bytes>,
    pub(super) liveness: Arc<Liveness>,
    pseudo_ends: PseudoEnds,
    calm: Calm,
    answers: AnswerStates,
    header_bytes: usize,
    header_fields: usize,
}

impl Connection {
    /// Starts HTTP/2, and waits for the settings of the upstream: they say how many streams it takes.
    ///
    /// The slot is that of the first request.
    pub(super) async fn new<S>(connected: Connected<S>, options: &ConnectOptions) -> Result<(Self, Slot), Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (stream, transport) = TransportStream::new(connected);
        let (stream, pseudo_ends, calm, answers) = WatchedStream::of_client(stream);
        let handshake = Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            // A head just above the limit is told apart from an invalid one.
            .max_header_list_size(options.header_bytes.saturating_mul(2))
            .enable_push(false)
            .handshake(stream);
        let (sender, mut connection) = handshake.await.map_err(|error| failure(&error, &transport))?;
        poll_fn(|context| match Pin::new(&mut connection).poll(context) {
            Poll::Ready(Ok(())) => Poll::Ready(Err(transport.failure())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(failure(&error, &transport))),
            Poll::Pending if transport.received() >= SETTINGS_BYTES => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        })
        .await?;
        let (liveness, slot) = Liveness::new(transport);
        tokio::spawn(watch(connection, Arc::clone(&liveness), answers.clone(), options.liveness));
        let (header_bytes, header_fields) = (options.header_bytes as usize, options.header_fields.into());
        Ok((Self { sender, liveness, pseudo_ends, calm, answers, header_bytes, header_fields }, slot))
    }

    /// Returns how many requests the upstream takes at a time.
    pub(super) fn capacity(&self) -> usize {
        self.sender.current_max_send_streams()
    }

    /// Sends a request, which has the slot until both its body and its answer have ended.
    pub(super) async fn send<B>(
        &self,
        head: &request::Parts,
        body: LentBody<B>,
        slot: Slot,
        interim: &Interim,
    ) -> Result<Response<Http2Body>, AttemptError>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let mut sender = self.sender.clone();
        let ready = poll_fn(|context| sender.poll_ready(context)).await;
        let ends = body.is_end_stream();
        let sent = ready.and_then(|()| {
            let mut parts = head.clone();
            suit_http2(&mut parts);
            sender.send_request(Request::from_parts(parts, ()), ends)
        });
        let (mut answer, stream) = sent.map_err(|error| {
            self.liveness.retire();
            AttemptError::new(self.failure(&error), Progress::Unprocessed)
        })?;
        let id = stream.stream_id().as_u32();
        self.calm.sent(0);
        let mut pipe = (!ends).then(|| Pipe::of_request(body, stream, self.calm.clone()));
        let waiting = slot.wait();
        let mut has_interim = false;
        let answer = poll_fn(|context| {
            if pipe.as_mut().is_some_and(|pipe| Pin::new(pipe).poll(context).is_ready()) {
                pipe = None;
            }
            while let Poll::Ready(Some(Ok(response))) = answer.poll_informational(context) {
                has_interim = true;
                if let Err(failure) = self.check_head(response.headers()) {
                    return Poll::Ready(Err(failure));
                }
                if !interim.send(response.status(), response.headers()) {
                    return Poll::Ready(Err(Failure::InvalidAnswer));
                }
            }
            Pin::new(&mut answer).poll(context).map(Ok)
        });
        let answer = answer.await;
        let was_used = waiting.is_reused();
        let slot = waiting.end();
        let answer = answer.map_err(|failure| AttemptError::new(failure, Progress::Unknown))?;
        let answer = answer.map_err(|error| {
            let has_begun = has_interim || self.answers.has_begun(id);
            self.refusal(&error, has_begun, was_used)
        })?;
        let (parts, stream) = answer.into_parts();
        let stream = StreamBody::new(stream, None, self.pseudo_ends.clone()).with_answers(self.answers.clone());
        self.check_head(&parts.headers).map_err(|failure| AttemptError::new(failure, Progress::Unknown))?;
        Ok(Response::from_parts(parts, Http2Body::new(stream, pipe, slot)))
    }

    /// Checks the fields of an answer, interim or final.
    fn check_head(&self, headers: &HeaderMap) -> Result<(), Failure> {
        if !are_valid(headers) {
            return Err(Failure::InvalidAnswer);
        }
        if headers.len() > self.header_fields || section_size(headers) > self.header_bytes {
            return Err(Failure::AnswerHeadTooLarge);
        }
        Ok(())
    }

    /// Finds out what has become of a request without an answer.
    fn refusal(&self, error: &h2::Error, has_begun: bool, was_used: bool) -> AttemptError {
        let is_refused = error.is_remote() && error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
        let is_above_last = error.is_remote() && error.is_go_away();
        if error.is_io() || error.is_go_away() {
            self.liveness.retire();
        }
        let progress = if has_begun {
            Progress::Unknown
        } else if is_refused {
            Progress::Refused
        } else if is_above_last {
            Progress::Unprocessed
        } else if error.is_io() && was_used {
            Progress::Silent
        } else {
            Progress::Unknown
        };
        AttemptError::new(self.failure(error), progress)
    }

    fn failure(&self, error: &h2::Error) -> Failure {
        if self.calm.is_flooded() { Failure::UpstreamFlood } else { failure(error, &self.liveness.transport) }
    }
}

fn failure(error: &h2::Error, transport: &Transport) -> Failure {
    if error.is_library() { Failure::InvalidAnswer } else { transport.failure() }
}
