use std::{net::SocketAddr, sync::Arc};

use hyper::header::HeaderValue;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    select,
    sync::watch,
};

use super::{
    Handler, Peer, http1, http2,
    protocol::{PeekedStream, Protocol},
    shared::SharedStream,
    stream::{ClientStream, Requests},
};
use crate::{
    config::Limits,
    http::{Interim, departure::Departure},
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
            Some(Protocol::Http1) => http1::serve(self, stream).await,
            Some(Protocol::Http2) => {
                stream.get_mut().set_http2();
                http2::serve(self, stream).await;
            }
        }
    }

    /// Returns the client for a request that starts now.
    pub(super) fn peer(&self, departure: Departure, interim: Interim) -> Peer {
        let Client { address, name } = self.client.clone();
        Peer { address, name, under_way: self.requests.start(), departure, interim }
    }
}
