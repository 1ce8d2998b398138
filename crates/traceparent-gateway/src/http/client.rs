//! A client of one upstream, which keeps its connections and sends a request again where that is safe.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{
    Request, Response,
    body::{Body, Bytes},
    http::{request, uri::Authority},
};

use self::{
    attempt::{AttemptError, Progress, Repeats},
    lent::LentBody,
};
use super::{BoxError, Failure, Interim};

mod attempt;
mod body;
mod connect;
mod http1;
mod http2;
mod lent;
mod liveness;
mod pool;
mod transport;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub(crate) use self::{
    body::AnswerBody,
    connect::{Connect, TcpConnector},
    liveness::LivenessOptions,
};

/// The most bytes of a body that are kept to be sent again over HTTP/2.
const REPLAY_BYTES: usize = 64 * 1024;

/// What connections to an upstream depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectOptions {
    /// The host and, unless it is 80, the port.
    pub(crate) authority: Authority,
    /// Whether HTTP/2 is spoken, without asking first, rather than HTTP/1.1.
    pub(crate) http2: bool,
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
        (self.authority.host(), self.authority.port_u16().unwrap_or(80))
    }
}

/// A client of one upstream. Its clones share their connections.
#[derive(Debug)]
pub(crate) struct Client<B, C = TcpConnector>(Arc<Shared<B, C>>);

#[derive(Debug)]
struct Shared<B, C> {
    connector: C,
    options: ConnectOptions,
    connections: Connections<B>,
}

#[derive(Debug)]
enum Connections<B> {
    Http1(Arc<http1::Idle<B>>),
    Http2(pool::Pool),
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
        let connections = if options.http2 {
            Connections::Http2(pool::Pool::default())
        } else {
            Connections::Http1(Arc::new(http1::Idle::new(options.liveness.idle_timeout)))
        };
        Self(Arc::new(Shared { connector, options, connections }))
    }

    pub(crate) fn options(&self) -> &ConnectOptions {
        &self.0.options
    }

    /// Sends a request, again where that is safe. Interim responses, and the address of the connection that it was sent
    /// on, are told beside the answer.
    pub(crate) async fn request(
        &self,
        request: Request<B>,
        interim: &Interim,
        peer: &mut Option<SocketAddr>,
    ) -> Result<Response<AnswerBody>, Failure> {
        let (parts, body) = request.into_parts();
        let mut repeats = Repeats::new(&parts.method, self.0.options.retries);
        let (mut body, mut owner) = LentBody::new(body, if self.0.options.http2 { REPLAY_BYTES } else { 0 });
        let mut is_repeated = false;
        loop {
            let error = match self.attempt(parts.clone(), body, is_repeated, interim, peer).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            if !repeats.allow(error.progress) {
                return Err(error.failure);
            }
            (body, owner) = owner.again(error.progress == Progress::Unprocessed).await.ok_or(error.failure)?;
            is_repeated = true;
        }
    }

    /// Sends a request once; a repeated one goes out on a new connection where requests do not share them.
    async fn attempt(
        &self,
        parts: request::Parts,
        body: LentBody<B>,
        is_repeated: bool,
        interim: &Interim,
        peer: &mut Option<SocketAddr>,
    ) -> Result<Response<AnswerBody>, AttemptError> {
        let Shared { connector, options, connections } = &*self.0;
        // An upstream that ends a connection before a request is written has not processed it.
        let unconnected = |failure| match failure {
            Failure::NoAnswer | Failure::Unreachable(io::ErrorKind::ConnectionReset) => {
                AttemptError::new(failure, Progress::Unprocessed)
            }
            _ => AttemptError::new(failure, Progress::Unknown),
        };
        match connections {
            Connections::Http1(idle) => {
                let connection = match if is_repeated { None } else { idle.take() } {
                    Some(connection) => connection,
                    None => http1::Connection::open(connector, options).await.map_err(unconnected)?,
                };
                *peer = Some(connection.transport().peer);
                connection.send(parts, body, idle, interim).await.map(|response| response.map(AnswerBody::Http1))
            }
            Connections::Http2(pool) => {
                let open = || http2::Connection::open(connector, options);
                let (connection, slot) = pool.enter(open).await.map_err(unconnected)?;
                *peer = Some(connection.liveness.transport.peer);
                connection.send(parts, body, slot, interim).await.map(|response| response.map(AnswerBody::Http2))
            }
        }
    }
}
