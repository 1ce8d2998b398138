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

use self::answer::Exchange;
use super::{Handler, connection::Connection};
use crate::{
    config::Limits,
    http::{
        Interim,
        departure::Departure,
        field_values::are_valid,
        timer::IdleTimer,
        watch::{PseudoEnds, WatchedStream},
    },
};

mod answer;

/// The largest number of concurrent requests on one connection.
const STREAMS: u32 = 200;

/// How many bytes of a stream, and of a connection, may be under way to this side.
const WINDOW: u32 = 1024 * 1024;

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
    let (stream, pseudo_ends) = WatchedStream::of_server(stream);
    let Ok(Ok(mut http2)) = timeout(limits.header_timeout, builder(limits).handshake(stream)).await else { return };
    let mut stopping = connection.stopping.clone();
    let mut stop = pin!(stopping.begun());
    let mut idle = Idle::new(limits.idle_timeout);
    let mut is_leaving = false;
    loop {
        let event = poll_fn(|context| {
            if !is_leaving && stop.as_mut().poll(context).is_ready() {
                return Poll::Ready(Event::Stop);
            }
            poll_event(&connection, &pseudo_ends, &mut http2, &mut idle, context)
        });
        match event.await {
            Event::Stop | Event::Idle if !is_leaving => {
                is_leaving = true;
                idle = Idle::new(LINGER);
                http2.graceful_shutdown();
            }
            Event::Stop | Event::Idle => {
                http2.abrupt_shutdown(Reason::NO_ERROR);
                let _ = poll_fn(|context| http2.poll_closed(context)).await;
                return;
            }
            Event::End => return,
        }
    }
}

fn builder(limits: Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
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
    /// The connection has ended.
    End,
}

/// Answers requests until something else happens.
fn poll_event<S, H>(
    connection: &Connection<H>,
    pseudo_ends: &PseudoEnds,
    http2: &mut h2::server::Connection<S, Bytes>,
    idle: &mut Idle,
    context: &mut Context<'_>,
) -> Poll<Event>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Handler,
{
    loop {
        let accepted = pin!(http2.accept()).poll(context);
        match accepted {
            Poll::Ready(Some(Ok((request, respond)))) => answer(connection, pseudo_ends, request, respond),
            Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Event::End),
            Poll::Pending => return idle.poll(http2.has_streams(), context).map(|()| Event::Idle),
        }
    }
}

/// Answers a request in a task of its own.
fn answer<H: Handler>(
    connection: &Connection<H>,
    pseudo_ends: &PseudoEnds,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    if !are_valid(request.headers()) {
        respond.send_reset(Reason::PROTOCOL_ERROR);
        return;
    }
    let departure = Departure::default();
    let (interim, received) = Interim::channel(&request);
    let exchange = Exchange {
        client: connection.peer(departure.clone(), interim),
        departure,
        interim: received,
        respond,
        idle_timeout: connection.limits.idle_timeout,
        pseudo_ends: pseudo_ends.clone(),
    };
    tokio::spawn(exchange.answer(Arc::clone(&connection.handler), request));
}

/// A timer for a connection without streams.
#[derive(Debug)]
struct Idle {
    limit: Duration,
    /// The time since which there has been no stream; `None` while there is one.
    since: Option<Instant>,
    timer: IdleTimer,
}

impl Idle {
    fn new(limit: Duration) -> Self {
        Self { limit, since: None, timer: IdleTimer::default() }
    }

    /// Is ready when there has been no stream for too long.
    fn poll(&mut self, is_busy: bool, context: &mut Context<'_>) -> Poll<()> {
        if is_busy {
            self.since = None;
            return Poll::Pending;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        self.timer.poll(since, self.limit, context)
    }
}
