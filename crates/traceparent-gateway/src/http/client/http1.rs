use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use hyper::{
    Request, Response, Uri, Version,
    body::{Body, Bytes, Incoming},
    client::conn::{
        TrySendError,
        http1::{Builder, SendRequest},
    },
    ext::on_informational,
    header::{CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING},
    http::{request, uri::PathAndQuery},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    select,
    sync::oneshot,
    time::{Instant, sleep},
};

use super::{
    BoxError, ConnectOptions,
    attempt::{AttemptError, Progress},
    connect::Connected,
    keep_alive::reusable_for,
    lent::LentBody,
    transport::{Transport, TransportStream},
};
use crate::http::{
    Failure, Interim, frame,
    headers::suit_http1,
    insertions::{InsertingBody, InsertingStream, Insertions},
};

/// A request on its way to the upstream.
type Message<B> = Request<InsertingBody<LentBody<B>>>;

/// A connection that one request has at a time.
#[derive(Debug)]
pub(super) struct Connection<B> {
    sender: SendRequest<InsertingBody<LentBody<B>>>,
    insertions: Insertions,
    transport: Arc<Transport>,
    /// Resolves when the connection has ended.
    ended: oneshot::Receiver<Infallible>,
    is_reused: bool,
    idle_since: Instant,
    /// How long the upstream lets the connection be idle, as far as it has said so.
    idle_timeout: Option<Duration>,
}

impl<B> Connection<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    pub(super) async fn new<S>(connected: Connected<S>, options: &ConnectOptions) -> Result<Self, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (stream, transport) = TransportStream::new(connected);
        let insertions = Insertions::default();
        let header_bytes = options.header_bytes as usize;
        let opened = Builder::new()
            .max_headers(options.header_fields.into())
            .max_header_size(header_bytes)
            // One byte more tells a long head from one that has not come to its end.
            .max_buf_size(header_bytes.max(ConnectOptions::LEAST_HEADER_BYTES) + 1)
            .handshake(TokioIo::new(InsertingStream::new(stream, insertions.clone())));
        let (sender, connection) = opened.await.map_err(|_| Failure::NoAnswer)?;
        let (end, ended) = oneshot::channel();
        tokio::spawn(async move {
            // What became of the connection is found by the requests on it.
            let _ = connection.with_upgrades().await;
            drop(end);
        });
        let idle_since = Instant::now();
        Ok(Self { sender, insertions, transport, ended, is_reused: false, idle_since, idle_timeout: None })
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Sends a request, and returns the connection to `idle` after the answer.
    pub(super) async fn send(
        mut self,
        head: &request::Parts,
        body: LentBody<B>,
        idle: &Arc<Idle<B>>,
        interim: &Interim,
    ) -> Result<Response<Incoming>, AttemptError> {
        let received = self.transport.received();
        let answer = pin!(self.queue(head, body, interim));
        let Self { sender, insertions, transport, mut ended, is_reused, idle_since, idle_timeout } = self;
        let (answer, sender) = answer_or_end(answer, sender, &mut ended).await;
        match answer {
            Ok(mut response) => {
                check_framing(&mut response).map_err(|failure| AttemptError::new(failure, Progress::Unknown))?;
                if let Some(sender) = sender {
                    let idle_timeout = reusable_for(response.headers()).or(idle_timeout);
                    Self { sender, insertions, transport, ended, is_reused, idle_since, idle_timeout }.release(idle);
                }
                Ok(response)
            }
            Err(mut error) => {
                let progress = if error.take_message().is_some() {
                    Progress::Unprocessed
                } else if is_reused && received == transport.received() {
                    Progress::Silent
                } else {
                    Progress::Unknown
                };
                let failure = match error.into_error() {
                    error if error.is_parse_too_large() => Failure::AnswerHeadTooLarge,
                    error if error.is_parse() => Failure::InvalidAnswer,
                    _ => transport.failure(),
                };
                Err(AttemptError::new(failure, progress))
            }
        }
    }

    /// Hands a request to the connection, and returns its answer or itself.
    fn queue(
        &mut self,
        head: &request::Parts,
        body: LentBody<B>,
        interim: &Interim,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Message<B>>>> + use<B> {
        let mut parts = head.clone();
        address(&mut parts);
        // Without it, a body is dropped whose method defines no meaning for one.
        frame(&mut parts.headers, &body);
        let body = InsertingBody::new(body, Some(self.insertions.clone()));
        let mut request = Request::from_parts(parts, body);
        let (interim, transport) = (interim.clone(), Arc::clone(&self.transport));
        on_informational(&mut request, move |response| {
            if !interim.send(response.status(), response.headers()) {
                transport.cut();
            }
        });
        self.sender.try_send_request(request)
    }

    fn release(mut self, idle: &Arc<Idle<B>>) {
        self.is_reused = true;
        if self.transport.is_scarce() {
            return;
        }
        if self.sender.is_ready() {
            idle.put(self);
            return;
        }
        let idle = Arc::downgrade(idle);
        tokio::spawn(async move {
            if self.sender.ready().await.is_ok()
                && let Some(idle) = idle.upgrade()
            {
                idle.put(self);
            }
        });
    }

    /// Returns whether the connection has waited for less than both sides let it.
    fn is_young(&self, timeout: Duration) -> bool {
        let timeout = self.idle_timeout.map_or(timeout, |idle_timeout| idle_timeout.min(timeout));
        self.idle_since.elapsed() < timeout
    }

    fn is_usable(&self) -> bool {
        // What waits in the library after trailers must be their end.
        self.sender.is_ready() && !self.transport.is_write_closed()
    }
}

/// Connections that wait for a request.
#[derive(Debug)]
pub(super) struct Idle<B> {
    timeout: Duration,
    waiting: Mutex<Waiting<B>>,
}

#[derive(Debug)]
struct Waiting<B> {
    /// The one that waits longest first.
    connections: VecDeque<Connection<B>>,
    /// Whether a task closes those that wait for too long.
    is_watched: bool,
}

impl<B> Idle<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, waiting: Mutex::new(Waiting { connections: VecDeque::new(), is_watched: false }) }
    }

    /// Takes the connection that was used last.
    pub(super) fn take(&self) -> Option<Connection<B>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(connection) = waiting.connections.pop_back() {
            if connection.is_usable() && connection.is_young(self.timeout) {
                return Some(connection);
            }
        }
        None
    }

    fn put(self: &Arc<Self>, mut connection: Connection<B>) {
        if !connection.is_usable() {
            return;
        }
        connection.idle_since = Instant::now();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.connections.push_back(connection);
        if !waiting.is_watched {
            waiting.is_watched = true;
            tokio::spawn(Self::watch(Arc::downgrade(self), self.timeout));
        }
    }

    /// Closes connections that wait for too long, until none waits.
    async fn watch(idle: Weak<Self>, timeout: Duration) {
        let mut pause = timeout;
        loop {
            sleep(pause).await;
            let Some(idle) = idle.upgrade() else { return };
            let mut waiting = idle.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.connections.retain(|connection| connection.is_usable() && connection.is_young(timeout));
            let Some(first) = waiting.connections.front() else {
                waiting.is_watched = false;
                return;
            };
            pause = timeout.saturating_sub(first.idle_since.elapsed());
        }
    }
}

/// Waits for an answer, and returns the sender unless the connection has ended.
///
/// A request that is queued while the connection ends stays in the queue until its last handle, the sender, is dropped.
async fn answer_or_end<A: Future, S>(
    mut answer: Pin<&mut A>,
    sender: S,
    ended: &mut oneshot::Receiver<Infallible>,
) -> (A::Output, Option<S>) {
    let answered = select! {
        biased;
        answer = &mut answer => Some(answer),
        _ = ended => None,
    };
    if let Some(answer) = answered {
        return (answer, Some(sender));
    }
    drop(sender);
    (answer.await, None)
}

/// Writes the target in origin form, and its authority into `Host` unless there is one.
fn address(parts: &mut request::Parts) {
    suit_http1(parts);
    if !parts.headers.contains_key(HOST)
        && let Some(Ok(host)) = parts.uri.authority().map(|authority| HeaderValue::from_str(authority.as_str()))
    {
        parts.headers.insert(HOST, host);
    }
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    parts.uri = Uri::from(path);
    parts.version = Version::HTTP_11;
}

/// Refuses codings that nothing here decodes, and removes a length that `chunked` overrules.
///
/// [RFC 9112, section 6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)
fn check_framing<B>(response: &mut Response<B>) -> Result<(), Failure> {
    let mut codings = response.headers().get_all(TRANSFER_ENCODING).into_iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(Failure::InvalidAnswer);
    }
    response.headers_mut().remove(CONTENT_LENGTH);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_request_in_the_queue_of_an_ended_connection_comes_back() {
        let (reply, answer) = oneshot::channel::<Infallible>();
        let queue = [reply];
        let (end, mut ended) = oneshot::channel();
        drop(end);
        let answer = pin!(answer);
        let waited = timeout(Duration::from_secs(60), answer_or_end(answer, queue, &mut ended));
        let (answer, queue) = waited.await.unwrap();
        assert!(answer.is_err() && queue.is_none());
    }

    #[tokio::test]
    async fn an_answer_counts_although_the_connection_has_ended() {
        let (reply, answer) = oneshot::channel();
        reply.send("answer").unwrap();
        let (end, mut ended) = oneshot::channel();
        drop(end);
        assert_eq!(answer_or_end(pin!(answer), (), &mut ended).await, (Ok("answer"), Some(())));
    }
}
