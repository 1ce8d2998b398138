use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use h2::{
    Reason, RecvStream,
    server::{Builder, SendResponse},
};
use hyper::{Request, body::Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout},
};

use self::{answer::Exchange, resets::Resets};
use super::{Handler, connection::Connection, linger::Linger, stream::UnderWay};
use crate::{
    config::Limits,
    http::{
        Failure, Interim,
        departure::Departure,
        field_values::are_valid,
        timer::IdleTimer,
        watch::{Calm, PseudoEnds, ReceivedHeads, WatchedStream},
    },
};

mod answer;
mod resets;

/// The largest number of concurrent requests on one connection.
const STREAMS: u32 = 200;

/// How many bytes of a stream may be under way to this side.
const STREAM_WINDOW: u32 = 512 * 1024;

/// How many bytes of a connection may be: an upstream that takes nothing of one stream leaves room for the others.
const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;

/// The time for which a connection without requests stays open after GOAWAY, for those that are on their way.
const LINGER: Duration = Duration::from_secs(1);

/// Serves the requests of a connection over HTTP/2 until it ends.
///
/// [RFC 9113](https://www.rfc-editor.org/rfc/rfc9113)
pub(super) async fn serve<S, H>(connection: Connection<H>, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Handler,
{
    let limits = connection.limits;
    let (stream, pseudo_ends, calm, heads) = WatchedStream::of_server(stream);
    let Ok(Ok(mut http2)) = timeout(limits.header_timeout, builder(limits).handshake(stream)).await else { return };
    let mut stopping = connection.stopping.clone();
    let mut stop = pin!(stopping.begun());
    let mut idle = Idle::new(limits.idle_timeout);
    let requests = Requests { connection, pseudo_ends, calm, heads, resets: Resets::default() };
    let mut is_leaving = false;
    let end = loop {
        let event = poll_fn(|context| {
            if !is_leaving && stop.as_mut().poll(context).is_ready() {
                return Poll::Ready(Event::Stop);
            }
            requests.poll(&mut http2, &mut idle, context)
        });
        match event.await {
            Event::Stop | Event::Idle if !is_leaving => {
                is_leaving = true;
                idle = Idle::new(LINGER);
                http2.graceful_shutdown();
            }
            end => break end,
        }
    };
    let reason = match end {
        Event::Stop | Event::Idle | Event::Evicted => Some(Reason::NO_ERROR),
        Event::Flood => Some(Reason::ENHANCE_YOUR_CALM),
        Event::Failed | Event::End => None,
    };
    if let Some(reason) = reason {
        http2.abrupt_shutdown(reason);
        // The last frames are GOAWAY, and what has been written before.
        let _ = poll_fn(|context| match http2.poll_closed(context) {
            // Another client waits for the place of this one.
            Poll::Pending if requests.is_evicted() => Poll::Ready(Ok(())),
            closed => closed,
        })
        .await;
    }
    drop(http2);
    match end {
        Event::Flood | Event::Failed => requests.connection.tcp.linger(Linger::SHORT).await,
        // A client that still reads sends WINDOW_UPDATE for it.
        Event::Stop | Event::Idle | Event::Evicted | Event::End => requests.connection.linger().await,
    }
}

fn builder(limits: Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(limits.header_bytes);
    builder
}

/// Something that happens to a connection.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The server stops.
    Stop,
    /// No request has been under way for too long.
    Idle,
    /// Another client takes the place of this one.
    Evicted,
    /// The client makes requests to reset them, or sends many frames without a use.
    Flood,
    /// The client has broken the protocol, or its connection has failed.
    Failed,
    /// The client has ended the connection.
    End,
}

/// The requests of a connection.
#[derive(Debug)]
struct Requests<H> {
    connection: Connection<H>,
    pseudo_ends: PseudoEnds,
    calm: Calm,
    heads: ReceivedHeads,
    resets: Resets,
}

impl<H: Handler> Requests<H> {
    /// Answers requests until something else happens.
    fn poll<S>(
        &self,
        http2: &mut h2::server::Connection<S, Bytes>,
        idle: &mut Idle,
        context: &mut Context<'_>,
    ) -> Poll<Event>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            let accepted = pin!(http2.accept()).poll(context);
            if !matches!(accepted, Poll::Ready(Some(Ok(_)))) {
                self.heads.take_refused().for_each(|failure| self.refused(failure));
            }
            match accepted {
                Poll::Ready(Some(Ok(_))) if self.resets.are_too_many() => return Poll::Ready(Event::Flood),
                Poll::Ready(Some(Ok((request, respond)))) => self.answer(request, respond),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Event::Failed),
                Poll::Ready(None) => return Poll::Ready(Event::End),
                Poll::Pending if self.calm.is_flooded() => return Poll::Ready(Event::Flood),
                Poll::Pending if self.is_evicted() => return Poll::Ready(Event::Evicted),
                Poll::Pending => {
                    let start = || self.connection.requests.start();
                    return idle.poll(http2.has_streams(), start, context).map(|()| Event::Idle);
                }
            }
        }
    }

    /// Returns whether the connection has to end. The server wakes the task then.
    fn is_evicted(&self) -> bool {
        self.connection.requests.activity().is_evicted()
    }

    /// Notes that a request has been refused. The client knows.
    fn refused(&self, failure: Failure) {
        self.connection.handler.refused(self.connection.client.address, failure);
    }

    /// Answers a request in a task of its own.
    fn answer(&self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        self.heads.take(respond.stream_id().as_u32());
        let started = self.resets.start();
        if !are_valid(request.headers()) {
            self.refused(Failure::InvalidHead);
            respond.send_reset(Reason::PROTOCOL_ERROR);
            started.reset();
            return;
        }
        let departure = Departure::default();
        let (interim, received) = Interim::channel(&request);
        let exchange = Exchange {
            client: self.connection.peer(departure.clone(), interim),
            departure,
            interim: received,
            respond,
            started,
            idle_timeout: self.connection.limits.idle_timeout,
            pseudo_ends: self.pseudo_ends.clone(),
            calm: self.calm.clone(),
        };
        tokio::spawn(exchange.answer(Arc::clone(&self.connection.handler), request));
    }
}

/// A timer for a connection without streams.
#[derive(Debug)]
struct Idle {
    limit: Duration,
    /// The time since which there has been no stream; `None` while there is one.
    since: Option<Instant>,
    /// A guard of streams, which end later than the tasks that answer them.
    under_way: Option<UnderWay>,
    timer: IdleTimer,
}

impl Idle {
    fn new(limit: Duration) -> Self {
        Self { limit, since: None, under_way: None, timer: IdleTimer::default() }
    }

    /// Is ready when there has been no stream for too long.
    fn poll(&mut self, is_busy: bool, start: impl FnOnce() -> UnderWay, context: &mut Context<'_>) -> Poll<()> {
        if is_busy {
            self.since = None;
            self.under_way.get_or_insert_with(start);
            return Poll::Pending;
        }
        self.under_way = None;
        let since = *self.since.get_or_insert_with(Instant::now);
        self.timer.poll(since, self.limit, context)
    }
}
