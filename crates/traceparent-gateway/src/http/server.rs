use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
};

use hyper::{
    Request, Response,
    body::{Body, Bytes},
    header::HeaderValue,
};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::{
        mpsc::{Receiver, Sender, channel},
        watch,
    },
    task::JoinSet,
};

use self::{
    connection::{Client, Connection, Stopping},
    handshakes::Handshakes,
    pause::AcceptPause,
    places::{Place, Places},
    refusal::Refuser,
    shared::SharedStream,
    stream::Requests,
};
use super::{BoxError, Failure, Interim, TlsServer, departure::Departure, forwarded, tcp::tune};
use crate::config::Limits;

mod activity;
mod body;
mod connection;
mod counts;
mod framing;
mod handshakes;
mod http1;
mod http2;
mod linger;
mod pause;
mod places;
mod protocol;
mod rarely;
mod refusal;
mod rest;
mod shared;
mod stream;

pub(crate) use self::{
    body::ClientBody,
    counts::{ConnectionCounts, Refusal},
    stream::UnderWay,
};

/// A handler of requests.
pub(crate) trait Handler: Send + Sync + 'static {
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static;

    /// Returns the limits of a new connection.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Returns the TLS of a new connection; `None` for connections in the clear.
    fn tls(&self) -> Option<TlsServer> {
        None
    }

    /// Takes note of a request that the server has refused, because its head is not one.
    fn refused(&self, _client: SocketAddr, _failure: Failure) {}

    /// Answers a request of a client.
    fn handle(&self, client: Peer, request: Request<ClientBody>) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// Answers a request of a client on the heap: the future is large, moved by what runs it, and not needed after the head.
fn boxed<H: Handler>(
    handler: &H,
    client: Peer,
    request: Request<ClientBody>,
) -> Pin<Box<impl Future<Output = Response<H::Body>> + Send>> {
    Box::pin(handler.handle(client, request))
}

/// The TLS of a client's connection.
#[derive(Clone, Debug)]
pub(crate) struct PeerTls {
    /// The subject of the client's certificate, if it needs one.
    pub(crate) subject: Option<Arc<str>>,
}

/// The client that has sent a request.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The address in the form of header fields.
    pub(crate) name: HeaderValue,
    /// `None` for a connection in the clear.
    pub(crate) tls: Option<PeerTls>,
    /// Keeps the connection from being idle while it exists.
    pub(crate) under_way: UnderWay,
    pub(crate) departure: Departure,
    pub(crate) interim: Interim,
}

impl Peer {
    /// Returns the scheme of the client's requests.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// A server of HTTP/1.1 and HTTP/2, and its connections. The first bytes of a client choose the protocol.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    places: Places,
    handshakes: Arc<Handshakes>,
    refuser: Refuser,
    connections: JoinSet<()>,
    /// A channel whose sender is kept by every connection, upgraded ones included.
    open: (Sender<Infallible>, Receiver<Infallible>),
    stopping: watch::Sender<bool>,
}

impl Server {
    /// Listens on an address.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            places: Places::new(Arc::default()),
            handshakes: Arc::default(),
            refuser: Refuser::default(),
            connections: JoinSet::new(),
            open: channel(1),
            stopping: watch::Sender::new(false),
        })
    }

    /// Sets the counters of connections.
    pub(crate) fn with_counts(self, counts: &Arc<ConnectionCounts>) -> Self {
        let handshakes = Arc::new(Handshakes::new(Arc::clone(counts)));
        Self { places: Places::new(Arc::clone(counts)), handshakes, ..self }
    }

    /// Returns the address, with the port that was free for port 0.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts and serves connections until it is told to stop. Open connections stay open.
    pub(crate) async fn serve(&mut self, handler: Arc<impl Handler>, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut pause = AcceptPause::default();
        loop {
            let accepted = select! {
                () = &mut stop => return,
                Some(_) = self.connections.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            let serve = async {
                match accepted {
                    Ok((stream, client)) => {
                        pause.reset();
                        match self.places.take(client.ip(), handler.limits()).await {
                            Ok(place) => self.connect(stream, client, place, Arc::clone(&handler)),
                            Err(_) => self.refuser.refuse(stream, handler.tls().is_some()),
                        }
                    }
                    Err(error) if is_about_one_connection(&error) => {}
                    Err(error) => pause.wait(&error).await,
                }
            };
            select! {
                () = &mut stop => return,
                () = serve => {}
            }
        }
    }

    fn connect(&mut self, stream: TcpStream, address: SocketAddr, place: Place, handler: Arc<impl Handler>) {
        tune(&stream);
        let activity = Arc::clone(place.activity());
        let stream = SharedStream::new(stream);
        let tls = handler.tls();
        let (refuser, tcp) = (self.refuser.clone(), stream.clone());
        let connection = Connection {
            limits: handler.limits(),
            handler,
            client: Client { address, name: forwarded::address(address.ip()), tls: None },
            requests: Requests::new(place, self.open.0.clone()),
            stopping: Stopping(self.stopping.subscribe()),
            tcp: stream.clone(),
            handshakes: Arc::clone(&self.handshakes),
        };
        self.connections.spawn(async move {
            select! {
                // A connection that has something to say last is asked first.
                biased;
                () = connection.accept(stream, tls) => {}
                () = activity.evicted() => {}
            }
            if activity.is_evicted() {
                refuser.close(tcp);
            }
        });
    }

    /// Stops accepting, and waits until the limit for requests in flight and upgraded connections. Returns the number of
    /// connections that are cut then.
    pub(crate) async fn drain(self, limit: impl Future<Output = ()>) -> usize {
        let Self { listener, mut connections, open: (open, mut closed), stopping, .. } = self;
        drop((listener, open));
        stopping.send_replace(true);
        let finish = async {
            while connections.join_next().await.is_some() {}
            closed.recv().await
        };
        select! {
            _ = finish => 0,
            () = limit => {
                let cut = closed.sender_strong_count();
                connections.shutdown().await;
                cut
            }
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};

    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
