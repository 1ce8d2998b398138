use std::{future::pending, net::SocketAddr, sync::Arc, time::Duration};

use hyper::header::HeaderValue;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    select,
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    Handler, Peer, PeerTls,
    handshakes::Handshakes,
    http1::{self, Ended},
    http2,
    linger::Linger,
    protocol::{HANDSHAKE, PeekedStream, Protocol},
    refusal::last_answer,
    shared::SharedStream,
    stream::{ClientStream, Requests},
};
use crate::{
    config::Limits,
    http::{Failure, Interim, TlsFailure, TlsServer, departure::Departure, tls::Accepted},
};

/// The time that a server which stops leaves to requests whose heads have not ended.
const LAST: Duration = Duration::from_secs(1);

/// The time that it leaves to clients which still read their last answers.
const LAST_READ: Duration = Duration::from_secs(3);

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
        let handshake = async {
            // A client that leaves without a byte has not begun one.
            let Ok(first) = stream.peek().await else { return Ok(None) };
            if first == HANDSHAKE { tls.accept(stream).await.map(Some) } else { Err(TlsFailure::NotTls) }
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
                return match failure {
                    TlsFailure::NotTls => self.refuse(Failure::NotTls).await,
                    _ => self.linger().await,
                };
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
            Some(Protocol::Http1) => {
                let Ended { refusal, is_unread } = http1::serve(&self, stream).await;
                if let Some(failure) = refusal {
                    self.handler.refused(self.client.address, failure);
                }
                if is_unread {
                    self.linger().await;
                }
            }
            // What is inside of TLS is no more of it.
            Some(Protocol::Tls) if self.client.tls.is_some() => {}
            Some(Protocol::Tls) => self.refuse(Failure::UnexpectedTls).await,
            Some(Protocol::Http2) => {
                stream.get_mut().set_http2();
                http2::serve(self, stream).await;
            }
        }
    }

    /// Refuses a client that speaks no HTTP here.
    async fn refuse(self, failure: Failure) {
        self.handler.refused(self.client.address, failure);
        self.tcp.refuse(&last_answer(failure));
        self.linger().await;
    }

    /// Ends the connection, but drops what the client still sends. It gives way to other connections, and to a stop.
    pub(super) async fn linger(mut self) {
        let stop = async {
            self.stopping.begun().await;
            sleep(LAST_READ).await;
        };
        select! {
            () = self.tcp.linger(Linger::LONG) => {}
            () = stop => {}
        }
    }

    /// Waits until it is too late for a request whose head has not ended, unless there is a request.
    pub(super) async fn without_request(&self) {
        sleep(LAST).await;
        if self.requests.activity().is_busy() {
            pending::<()>().await;
        }
    }

    /// Returns the client for a request that starts now.
    pub(super) fn peer(&self, departure: Departure, interim: Interim) -> Peer {
        let Client { address, name, tls } = self.client.clone();
        Peer { address, name, tls, under_way: self.requests.start(), departure, interim }
    }
}
