use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use h2::{Reason, SendStream};
use hyper::body::{Body, Bytes};

use super::{BoxError, lent::LentBody};

/// Sends a request's body over a stream of HTTP/2, as fast as the upstream takes it.
///
/// It comes to its end with the body, or when the stream does.
#[derive(Debug)]
pub(super) struct Pipe<B> {
    body: LentBody<B>,
    stream: SendStream<Bytes>,
    /// What the stream has no room for yet.
    data: Bytes,
}

impl<B> Pipe<B> {
    pub(super) fn new(body: LentBody<B>, stream: SendStream<Bytes>) -> Self {
        Self { body, stream, data: Bytes::new() }
    }
}

impl<B> Pipe<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    /// Sends what waits, as far as there is room; an error is one of the stream.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        while !self.data.is_empty() {
            self.stream.reserve_capacity(self.data.len());
            while self.stream.capacity() == 0 {
                match ready!(self.stream.poll_capacity(context)) {
                    Some(capacity) => drop(capacity?),
                    None => return Poll::Ready(Err(Reason::CANCEL.into())),
                }
            }
            let room = self.stream.capacity().min(self.data.len());
            let data = self.data.split_to(room);
            let ends = self.data.is_empty() && self.body.is_end_stream();
            self.stream.send_data(data, ends)?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_pipe(&mut self, context: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            if self.stream.poll_reset(context)?.is_ready() {
                return Poll::Ready(Ok(()));
            }
            let had_data = !self.data.is_empty();
            ready!(self.poll_send(context))?;
            if had_data && self.body.is_end_stream() {
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => return Poll::Ready(self.stream.send_data(Bytes::new(), true)),
                Some(Err(_)) => {
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Ok(()));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.data = data,
                    Err(frame) => {
                        let Ok(trailers) = frame.into_trailers() else { continue };
                        self.stream.reserve_capacity(0);
                        return Poll::Ready(self.stream.send_trailers(trailers));
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
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // How the stream ended is told with its answer.
        self.get_mut().poll_pipe(context).map(drop)
    }
}
