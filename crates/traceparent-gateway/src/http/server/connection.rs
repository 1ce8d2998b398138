use std::{net::SocketAddr, sync::Arc};

use hyper::header::HeaderValue;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    select,
    sync::watch,
    time::timeout,
};

use super::{
    Handler, Peer, PeerTls,
    handshakes::Handshakes,
    http1, http2,
    protocol::{HANDSHAKE, PeekedStream, Protocol},
    shared::SharedStream,
    stream::{ClientStream, Requests},
};
use crate::{
    config::Limits,
    http::{Interim, TlsFailure, TlsServer, departure::Departure, tls::Accepted},
};

/// The answer to a client in the clear where TLS is spoken.
const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 33\r\n\r\nThis port speaks TLS: use https.\n";

/// The answer to a client with TLS where none is spoken. Tools that show the received bytes show it.
const TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 40\r\n\r\nThis port does not speak TLS: use http.\n";

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
    pub(super) handshakes: Arc<Handshakes>,
}

/// A client, as all of its requests know it.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
    pub(super) name: HeaderValue,
    pub(super) tls: Option<PeerTls>,
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
    /// Serves a new connection, after the handshake if there is TLS.
    pub(super) async fn accept(mut self, stream: SharedStream, tls: Option<TlsServer>) {
        let Some(tls) = tls else { return self.serve(stream, None).await };
        let tcp = stream.clone();
        let handshake = async {
            // A client that leaves without a byte has not begun one.
            let Ok(first) = stream.peek().await else { return Ok(None) };
            if first == HANDSHAKE {
                return tls.accept(stream).await.map(Some);
            }
            stream.refuse(NOT_TLS);
            Err(TlsFailure::NotTls)
        };
        let accepted = select! {
            accepted = timeout(self.limits.header_timeout, handshake) => accepted.unwrap_or(Err(TlsFailure::Late)),
            () = self.stopping.begun() => return,
        };
        let Accepted { stream, is_http2, subject } = match accepted {
            Ok(Some(accepted)) => accepted,
            Ok(None) => return,
            Err(failure) => {
                self.handshakes.failed(self.client.address.ip(), failure);
                return tcp.linger().await;
            }
        };
        self.handshakes.completed();
        self.client.tls = Some(PeerTls { subject });
        let protocol = is_http2.map(|is_http2| if is_http2 { Protocol::Http2 } else { Protocol::Http1 });
        self.serve(stream, protocol).await;
    }

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
            // What is inside of TLS is no more of it.
            Some(Protocol::Tls) if self.client.tls.is_some() => {}
            Some(Protocol::Tls) => {
                self.tcp.refuse(TLS);
                self.tcp.linger().await;
            }
            Some(Protocol::Http2) => {
                stream.get_mut().set_http2();
                http2::serve(self, stream).await;
            }
        }
    }

    /// Returns the client for a request that starts now.
    pub(super) fn peer(&self, departure: Departure, interim: Interim) -> Peer {
        let Client { address, name, tls } = self.client.clone();
        Peer { address, name, tls, under_way: self.requests.start(), departure, interim }
    }
}
