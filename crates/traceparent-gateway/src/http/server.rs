use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

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
    time::sleep,
};

use self::{
    connection::{Client, Connection, Stopping},
    shared::SharedStream,
    stream::Requests,
};
use super::{BoxError, Interim, departure::Departure, headers, tcp::tune};
use crate::{config::Limits, operator::tell};

mod body;
mod connection;
mod framing;
mod http2;
mod protocol;
mod shared;
mod stream;

pub(crate) use self::{body::ClientBody, stream::UnderWay};

/// The pause after the system has refused a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A handler of requests.
pub(crate) trait Handler: Send + Sync + 'static {
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static;

    /// Returns the limits of a new connection.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Answers a request of a client.
    fn handle(&self, client: Peer, request: Request<ClientBody>) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// The client that has sent a request.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The address in the form of header fields.
    pub(crate) name: HeaderValue,
    /// Keeps the connection from being idle while it exists.
    pub(crate) under_way: UnderWay,
    pub(crate) departure: Departure,
    pub(crate) interim: Interim,
}

/// A server of HTTP/1.1 and HTTP/2, and its connections. The first bytes of a client choose the protocol.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    connections: JoinSet<()>,
    /// A channel whose sender is kept by every connection, upgraded ones included.
    open: (Sender<Infallible>, Receiver<Infallible>),
    stopping: watch::Sender<bool>,
}

impl Server {
    /// Listens on an address.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let stopping = watch::Sender::new(false);
        Ok(Self { listener, address, connections: JoinSet::new(), open: channel(1), stopping })
    }

    /// Returns the address, with the port that was free for port 0.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts and serves connections until it is told to stop. Open connections stay open.
    pub(crate) async fn serve(&mut self, handler: Arc<impl Handler>, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            select! {
                () = &mut stop => return,
                Some(_) = self.connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, client)) => self.connect(stream, client, Arc::clone(&handler)),
                    Err(error) if is_about_one_connection(&error) => {}
                    Err(error) => {
                        tell(format_args!("accepting connections failed, trying again: {error}"));
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    }

    fn connect(&mut self, stream: TcpStream, address: SocketAddr, handler: Arc<impl Handler>) {
        tune(&stream);
        let stream = SharedStream::new(stream);
        let connection = Connection {
            limits: handler.limits(),
            handler,
            client: Client { address, name: headers::address(address.ip()) },
            requests: Requests::new(self.open.0.clone()),
            stopping: Stopping(self.stopping.subscribe()),
            tcp: stream.clone(),
        };
        self.connections.spawn(connection.serve(stream, None));
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

/// Raises the limit of open files to the hard limit: the usual soft limit is 1024.
pub(crate) fn allow_many_connections() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let limit = getrlimit(Resource::Nofile);
        // The old limit is kept if that fails.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};

    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
