use std::task::{Context, Poll, ready};

use h2::{Reason, RecvStream};
use hyper::{
    HeaderMap,
    body::{Bytes, Frame, SizeHint},
};

use super::{
    field_values::are_valid,
    watch::{AnswerStates, PseudoEnds},
};

/// A body that is received over a stream of HTTP/2. It is complete only if the stream says so.
#[derive(Debug)]
pub(super) struct StreamBody {
    stream: RecvStream,
    /// The number of bytes that are still to come, where that is known.
    length: Option<u64>,
    has_ended: bool,
    /// The streams of the connection that ended with pseudo-fields.
    pseudo_ends: PseudoEnds,
    /// How far the answers on the connection have come; `None` for a request's body.
    answers: Option<AnswerStates>,
}

impl StreamBody {
    pub(super) fn new(stream: RecvStream, length: Option<u64>, pseudo_ends: PseudoEnds) -> Self {
        Self { has_ended: stream.is_end_stream(), stream, length, pseudo_ends, answers: None }
    }

    /// Sets how far the answers on the connection have come.
    pub(super) fn with_answers(mut self, answers: AnswerStates) -> Self {
        self.answers = Some(answers);
        self
    }

    /// Receives the next frame, and makes room for as much more.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, h2::Error>> {
        let received = ready!(self.poll_frame(context));
        let stream = self.stream.stream_id().as_u32();
        if received.as_ref().is_err_and(h2::Error::is_io)
            && self.answers.as_ref().is_some_and(|answers| answers.has_ended(stream))
        {
            self.has_ended = true;
            return Poll::Ready(Ok(None));
        }
        Poll::Ready(received)
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, h2::Error>> {
        if let Some(data) = ready!(self.stream.poll_data(context)).transpose()? {
            self.stream.flow_control().release_capacity(data.len())?;
            self.length = self.length.map(|length| length.saturating_sub(data.len() as u64));
            self.has_ended = self.stream.is_end_stream();
            return Poll::Ready(Ok(Some(Frame::data(data))));
        }
        let trailers = ready!(self.stream.poll_trailers(context))?;
        if trailers.as_ref().is_some_and(|trailers| !self.are_valid(trailers)) {
            return Poll::Ready(Err(Reason::PROTOCOL_ERROR.into()));
        }
        self.has_ended = true;
        Poll::Ready(Ok(trailers.map(Frame::trailers)))
    }

    fn are_valid(&self, trailers: &HeaderMap) -> bool {
        !self.pseudo_ends.remove(self.stream.stream_id().as_u32()) && are_valid(trailers)
    }

    /// Returns whether the last frame has been taken.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Returns whether no frame is left.
    pub(super) fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match self.length {
            _ if self.is_end_stream() => SizeHint::with_exact(0),
            Some(length) => SizeHint::with_exact(length),
            None => SizeHint::default(),
        }
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        self.pseudo_ends.remove(self.stream.stream_id().as_u32());
    }
}
