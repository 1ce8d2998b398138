//! A client of one upstream, which keeps its connections and sends a request again where that is safe.

use std::{io, mem, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{
    Response,
    body::{Body, Bytes},
    header::UPGRADE,
    http::{request, uri::Authority},
};
use tokio::time::{Instant, timeout_at};

use self::{
    attempt::{AttemptError, Progress, Repeats},
    lent::LentBody,
    pool::Age,
};
use super::{BoxError, Failure, Interim, TlsClient, TlsFailure};
use crate::config::Http2;

mod attempt;
mod body;
mod connect;
mod http1;
mod http2;
mod keep_alive;
mod lent;
mod liveness;
mod pool;
mod protocol;
mod stream;
mod transport;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub(crate) use self::{
    body::AnswerBody,
    connect::{Connect, Connector},
    liveness::LivenessOptions,
    protocol::{Offer, Protocol},
    stream::Stream,
};

/// The most bytes of a body that are kept to be sent again over HTTP/2.
const REPLAY_BYTES: usize = 64 * 1024;

/// What connections to an upstream depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectOptions {
    /// The host and, unless it is the scheme's, the port.
    pub(crate) authority: Authority,
    /// The TLS of connections; `None` without TLS.
    pub(crate) tls: Option<TlsClient>,
    pub(crate) http2: Http2,
    /// How long a connection may take to come up.
    pub(crate) connect_timeout: Duration,
    /// How often an idempotent request is sent again that got no byte of an answer.
    pub(crate) retries: u8,
    /// The longest head of an answer, in bytes.
    pub(crate) header_bytes: u32,
    /// The most fields in the head of an answer.
    pub(crate) header_fields: u16,
    pub(crate) liveness: LivenessOptions,
}

impl ConnectOptions {
    /// The least limit of a head.
    const LEAST_HEADER_BYTES: usize = 8192;

    fn place(&self) -> (&str, u16) {
        let default = if self.tls.is_some() { 443 } else { 80 };
        (self.authority.host(), self.authority.port_u16().unwrap_or(default))
    }
}

/// A client of one upstream. Its clones share their connections.
#[derive(Debug)]
pub(crate) struct Client<B, C = Connector>(Arc<Shared<B, C>>);

#[derive(Debug)]
struct Shared<B, C> {
    connector: C,
    options: ConnectOptions,
    http1: Arc<http1::Idle<B>>,
    http2: pool::Pool,
}

/// A connection that has been opened.
#[derive(Debug)]
enum Opened<B> {
    Http1(http1::Connection<B>),
    Http2(http2::Connection, liveness::Slot),
}

/// A connection that takes a request.
#[derive(Debug)]
enum Acquired<B> {
    Http1(http1::Connection<B>),
    Http2(Arc<http2::Connection>, liveness::Slot),
}

impl<B, C> Clone for Client<B, C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B, C> Client<B, C>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    C: Connect,
{
    pub(crate) fn new(connector: C, options: ConnectOptions) -> Self {
        let http1 = Arc::new(http1::Idle::new(options.liveness.idle_timeout));
        Self(Arc::new(Shared { connector, options, http1, http2: pool::Pool::default() }))
    }

    pub(crate) fn options(&self) -> &ConnectOptions {
        &self.0.options
    }

    /// Sends a request, again where that is safe. Interim responses, and the address of the connection that it was sent
    /// on, are told beside the answer.
    pub(crate) async fn request(
        &self,
        head: &request::Parts,
        body: B,
        interim: &Interim,
        peer: &mut Option<SocketAddr>,
    ) -> Result<Response<AnswerBody>, Failure> {
        let mut repeats = Repeats::new(&head.method, self.0.options.retries);
        let offer = Offer::new(&self.0.options, head.headers.contains_key(UPGRADE));
        let (mut body, mut owner) = LentBody::new(body, if offer == Offer::Http1 { 0 } else { REPLAY_BYTES });
        let mut age = Age::Any;
        loop {
            let young = self.0.http2.young();
            let error = match self.attempt(offer, head, &mut body, age, interim, peer).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            // What has not been sent comes back, too.
            drop(mem::take(&mut body));
            if !repeats.allow(error.progress) {
                return Err(error.failure);
            }
            (body, owner) = owner.again(error.progress.is_unprocessed()).await.ok_or(error.failure)?;
            if error.progress != Progress::Refused {
                // The connections that were open may end with that of this attempt.
                age = young;
            }
        }
    }

    /// Sends a request once, on a connection that waits or on a new one. Takes the body when there is one.
    async fn attempt(
        &self,
        offer: Offer,
        head: &request::Parts,
        body: &mut LentBody<B>,
        age: Age,
        interim: &Interim,
        peer: &mut Option<SocketAddr>,
    ) -> Result<Response<AnswerBody>, AttemptError> {
        let acquired = match self.waiting(offer, age) {
            Some(acquired) => acquired,
            // Most requests need no new connection: what opens one takes its memory when it does.
            None => Box::pin(self.acquire(offer, age)).await.map_err(|failure| {
                // An upstream that ends a connection before a request is written has not processed it.
                let progress = match failure {
                    Failure::NoAnswer
                    | Failure::Unreachable(io::ErrorKind::ConnectionReset)
                    | Failure::Tls(TlsFailure::Closed) => Progress::Unprocessed,
                    _ => Progress::Unknown,
                };
                AttemptError::new(failure, progress)
            })?,
        };
        match acquired {
            Acquired::Http1(connection) => {
                *peer = Some(connection.transport().peer);
                let sent = connection.send(head, mem::take(body), &self.0.http1, interim).await;
                sent.map(|response| response.map(AnswerBody::Http1))
            }
            Acquired::Http2(connection, slot) => {
                *peer = Some(connection.liveness.transport.peer);
                let sent = connection.send(head, mem::take(body), slot, interim).await;
                sent.map(|response| response.map(AnswerBody::Http2))
            }
        }
    }

    /// Returns an open connection of an offered protocol that takes a request, or `None` if none waits.
    fn waiting(&self, offer: Offer, age: Age) -> Option<Acquired<B>> {
        let Shared { http1, http2, .. } = &*self.0;
        if offer != Offer::Http1
            && let Some((connection, slot)) = http2.try_enter(age)
        {
            return Some(Acquired::Http2(connection, slot));
        }
        let has_waited = offer != Offer::Http2 && age == Age::Any;
        if has_waited { http1.take().map(Acquired::Http1) } else { None }
    }

    /// Returns a new connection of an offered protocol, or one that takes a request meanwhile.
    async fn acquire(&self, offer: Offer, age: Age) -> Result<Acquired<B>, Failure> {
        let http2 = &self.0.http2;
        match offer {
            Offer::Http1 => Ok(http2.keep(self.open(offer).await?)),
            Offer::Http2 | Offer::Any => http2.enter(age, || self.open(offer)).await,
        }
    }

    /// Opens a connection of the protocol that the upstream chooses among those offered.
    async fn open(&self, offer: Offer) -> Result<Opened<B>, Failure> {
        let Shared { connector, options, .. } = &*self.0;
        let deadline = Instant::now() + options.connect_timeout;
        let (host, port) = options.place();
        // The connector keeps to the limit itself, and tells which part took too long.
        let connected = connector.connect(host, port, offer, options.connect_timeout).await?;
        let open = async {
            match connected.protocol {
                Protocol::Http1 => http1::Connection::new(connected, options).await.map(Opened::Http1),
                Protocol::Http2 => http2::Connection::new(connected, options)
                    .await
                    .map(|(connection, slot)| Opened::Http2(connection, slot)),
            }
        };
        timeout_at(deadline, open).await.unwrap_or(Err(Failure::Unreachable(io::ErrorKind::TimedOut)))
    }
}
