use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use h2::{Reason, SendStream};
use hyper::body::{Body, Bytes};
use tokio::time::Instant;

use super::{BoxError, timer::IdleTimer, watch::Calm};

/// The time for which data waits to be written before its stream is reset, which drops it.
const LAST_DATA: Duration = Duration::from_millis(10);

/// Sends a body over a stream of HTTP/2, as fast as the receiver takes it.
///
/// It comes to its end with the body, or when the stream does.
#[derive(Debug)]
pub(super) struct Pipe<B> {
    body: B,
    stream: SendStream<Bytes>,
    /// What the stream has no room for yet.
    data: Bytes,
    /// The code with which the stream ends if the body fails.
    reason: Reason,
    /// The longest time for which the receiver may take nothing.
    limit: Option<Duration>,
    /// What is told of the data that is sent.
    calm: Calm,
    /// The time at which the body failed.
    failed: Option<Instant>,
    /// The time since which the stream has had no room.
    stalled: Option<Instant>,
    timer: IdleTimer,
}

/// The reason for which a body was not sent to its end.
#[derive(Debug)]
pub(super) enum PipeError {
    /// The body has an error of its own.
    Body,
    /// The receiver has taken nothing for too long.
    Stalled,
    /// The receiver, or its connection, has ended the stream.
    Stream,
}

impl From<h2::Error> for PipeError {
    fn from(_: h2::Error) -> Self {
        Self::Stream
    }
}

impl<B> Pipe<B> {
    /// Creates the pipe of a request, which an upstream may take as slowly as it likes.
    pub(super) fn of_request(body: B, stream: SendStream<Bytes>, calm: Calm) -> Self {
        Self::new(body, stream, Reason::CANCEL, None, calm)
    }

    /// Creates the pipe of a response, of which a client takes something within the limit.
    pub(super) fn of_response(body: B, stream: SendStream<Bytes>, limit: Duration, calm: Calm) -> Self {
        Self::new(body, stream, Reason::INTERNAL_ERROR, Some(limit), calm)
    }

    fn new(body: B, stream: SendStream<Bytes>, reason: Reason, limit: Option<Duration>, calm: Calm) -> Self {
        Self {
            body,
            stream,
            data: Bytes::new(),
            reason,
            limit,
            calm,
            failed: None,
            stalled: None,
            timer: IdleTimer::default(),
        }
    }

    /// Waits for room on the stream.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<usize, PipeError>> {
        while self.stream.capacity() == 0 {
            match self.stream.poll_capacity(context) {
                Poll::Ready(Some(capacity)) => drop(capacity?),
                Poll::Ready(None) => return Poll::Ready(Err(PipeError::Stream)),
                Poll::Pending => {
                    let Some(limit) = self.limit else { return Poll::Pending };
                    let since = *self.stalled.get_or_insert_with(Instant::now);
                    ready!(self.timer.poll(since, limit, context));
                    return Poll::Ready(Err(PipeError::Stalled));
                }
            }
        }
        self.stalled = None;
        Poll::Ready(Ok(self.stream.capacity()))
    }
}

impl<B> Pipe<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    /// Sends what waits, as far as there is room. Returns whether that was the end of the body.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, PipeError>> {
        let mut ends = false;
        while !self.data.is_empty() {
            self.stream.reserve_capacity(self.data.len());
            let room = ready!(self.poll_room(context))?.min(self.data.len());
            let data = self.data.split_to(room);
            ends = self.data.is_empty() && self.body.is_end_stream();
            self.calm.sent(data.len());
            self.stream.send_data(data, ends)?;
        }
        Poll::Ready(Ok(ends))
    }

    fn poll_pipe(&mut self, context: &mut Context<'_>) -> Poll<Result<(), PipeError>> {
        loop {
            if self.stream.poll_reset(context)?.is_ready() {
                return Poll::Ready(Err(PipeError::Stream));
            }
            if ready!(self.poll_send(context))? {
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => return Poll::Ready(Ok(self.stream.send_data(Bytes::new(), true)?)),
                Some(Err(_)) => return Poll::Ready(Err(PipeError::Body)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.data = data,
                    Err(frame) => {
                        let Ok(trailers) = frame.into_trailers() else { continue };
                        self.stream.reserve_capacity(0);
                        return Poll::Ready(Ok(self.stream.send_trailers(trailers)?));
                    }
                },
            }
        }
    }
}

impl<B> Future for Pipe<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Output = Result<(), PipeError>;

    /// Sends the body. A stream that has not come to its end is reset.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.failed.is_none() {
            match ready!(this.poll_pipe(context)) {
                Err(PipeError::Body) => this.failed = Some(Instant::now()),
                Err(PipeError::Stalled) => {
                    this.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(PipeError::Stalled));
                }
                sent => return Poll::Ready(sent),
            }
        }
        if let Some(since) = this.failed {
            ready!(this.timer.poll(since, LAST_DATA, context));
        }
        this.stream.send_reset(this.reason);
        Poll::Ready(Err(PipeError::Body))
    }
}
