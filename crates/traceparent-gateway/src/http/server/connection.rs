use std::{io, net::SocketAddr, pin::pin, sync::Arc};

use hyper::{Request, body::Incoming, header::HeaderValue, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    select,
    sync::watch,
};

use super::{
    ClientBody, Handler, Peer, http2,
    protocol::{PeekedStream, Protocol},
    shared::SharedStream,
    stream::{ClientStream, Requests},
};
use crate::{
    config::Limits,
    http::{GuardedBody, Interim, departure::Departure},
};

/// A connection to a client, whatever its bytes go through.
#[derive(Debug)]
pub(super) struct Connection<H> {
    pub(super) handler: Arc<H>,
    pub(super) limits: Limits,
    pub(super) client: Client,
    pub(super) requests: Requests,
    pub(super) stopping: Stopping,
    /// The stream below, with which the client is lost.
    pub(super) tcp: SharedStream,
}

/// A client, as all of its requests know it.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
    pub(super) name: HeaderValue,
}

/// A signal to finish what is under way, and take no more.
#[derive(Clone, Debug)]
pub(super) struct Stopping(pub(super) watch::Receiver<bool>);

impl Stopping {
    /// Waits for the signal. A server that is gone is one that has stopped.
    pub(super) async fn begun(&mut self) {
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}

impl<H: Handler> Connection<H> {
    /// Serves requests over a stream until it ends. Without a protocol, the first bytes choose it.
    ///
    /// The errors of connections are in the spans.
    pub(super) async fn serve<S>(mut self, stream: S, protocol: Option<Protocol>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut stream = PeekedStream::new(ClientStream::new(stream, self.limits, self.requests.clone()));
        let protocol = select! {
            peeked = stream.peek(), if protocol.is_none() => peeked.ok(),
            () = self.stopping.begun(), if protocol.is_none() => None,
            else => protocol,
        };
        match protocol {
            None => {}
            Some(Protocol::Http1) => self.serve_http1(stream).await,
            Some(Protocol::Http2) => {
                stream.get_mut().set_http2();
                http2::serve(self, stream).await;
            }
        }
    }

    async fn serve_http1<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = service_fn(|request: Request<Incoming>| {
            let (interim, mut received) = Interim::channel(&request);
            let client = self.peer(self.requests.departure().clone(), interim);
            let (handler, tcp, under_way) = (Arc::clone(&self.handler), self.tcp.clone(), client.under_way.clone());
            async move {
                let unsent = async {
                    loop {
                        received.recv().await;
                        while received.try_recv().is_some() {}
                    }
                };
                let response = select! {
                    biased;
                    response = handler.handle(client, request.map(ClientBody::http1)) => response,
                    () = unsent => return Err(io::Error::from(io::ErrorKind::ConnectionReset)),
                    () = tcp.lost() => return Err(io::Error::from(io::ErrorKind::ConnectionReset)),
                };
                Ok(response.map(|body| GuardedBody::new(body, under_way)))
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // The stream has a timeout.
            .header_read_timeout(None)
            .half_close(true)
            .max_headers(self.limits.header_fields.into())
            .max_buf_size(self.limits.header_bytes as usize)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let mut stopping = self.stopping.clone();
        select! {
            _ = connection.as_mut() => return,
            () = stopping.begun() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }

    /// Returns the client for a request that starts now.
    pub(super) fn peer(&self, departure: Departure, interim: Interim) -> Peer {
        let Client { address, name } = self.client.clone();
        Peer { address, name, under_way: self.requests.start(), departure, interim }
    }
}
