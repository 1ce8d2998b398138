use std::{convert::Infallible, future::pending, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    header::HeaderValue,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    io::Interest,
    net::{TcpListener, TcpStream},
    select,
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinSet,
    time::sleep,
};

use self::{
    stalled::{ProgressBody, StreamExecutor},
    stream::{ClientStream, Requests},
};
use super::{GuardedBody, headers, tcp::tune};
use crate::{config::Limits, operator::tell};

mod framing;
mod stalled;
mod stream;

pub(crate) use self::stream::UnderWay;

/// The largest number of concurrent requests on one connection of HTTP/2.
const STREAMS: u32 = 200;

/// The pause after the system has refused a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A handler of requests.
pub(crate) trait Handler: Send + Sync + 'static {
    type Body: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static;

    /// Returns the limits of a new connection.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Answers a request of a client.
    fn handle(&self, client: Peer, request: Request<Incoming>) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// The client that has sent a request.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The address in the form of header fields.
    pub(crate) name: HeaderValue,
    /// Keeps the connection from being idle while it exists.
    pub(crate) under_way: UnderWay,
}

/// A server of HTTP/1.1 and HTTP/2, and its connections. The first bytes of a client choose the protocol.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    connections: JoinSet<()>,
    /// A channel whose sender is kept by every connection, upgraded ones included.
    open: (Sender<Infallible>, Receiver<Infallible>),
    graceful: GracefulShutdown,
}

impl Server {
    /// Listens on an address.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, connections: JoinSet::new(), open: channel(1), graceful: GracefulShutdown::new() })
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
        let limits = handler.limits();
        let requests = Requests::new(self.open.0.clone());
        let stream = Arc::new(stream);
        let watched = Arc::clone(&stream);
        let stream = TokioIo::new(ClientStream::new(stream, limits, requests.clone()));
        let name = headers::address(address.ip());
        let service = service_fn(move |request: Request<Incoming>| {
            let (handler, under_way) = (Arc::clone(&handler), requests.start());
            let client = Peer { address, name: name.clone(), under_way: under_way.clone() };
            let watched = Arc::clone(&watched);
            async move {
                let response = select! {
                    biased;
                    response = handler.handle(client, request) => response,
                    () = lost(&watched) => return Err(io::Error::from(io::ErrorKind::ConnectionReset)),
                };
                Ok(response.map(|body| GuardedBody::new(ProgressBody::new(body), under_way)))
            }
        });
        let connection = protocols(limits).serve_connection_with_upgrades(stream, service).into_owned();
        let connection = self.graceful.watch(connection);
        self.connections.spawn(async {
            // The errors of connections are in the spans.
            let _ = connection.await;
        });
    }

    /// Stops accepting, and waits until the limit for requests in flight and upgraded connections. Returns the number of
    /// connections that are cut then.
    pub(crate) async fn drain(self, limit: impl Future<Output = ()>) -> usize {
        let Self { listener, mut connections, open: (open, mut closed), graceful, .. } = self;
        drop((listener, open));
        let finish = async {
            graceful.shutdown().await;
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

/// Waits until a client has gone for good. One that only sends no more still waits for its answer.
async fn lost(stream: &TcpStream) {
    if stream.ready(Interest::ERROR).await.is_err() {
        pending::<()>().await;
    }
}

fn protocols(limits: Limits) -> auto::Builder<StreamExecutor> {
    let mut builder = auto::Builder::new(StreamExecutor { idle_timeout: limits.idle_timeout });
    builder
        .http1()
        .timer(TokioTimer::new())
        // The stream has a timeout for both protocols.
        .header_read_timeout(None)
        .half_close(true)
        .max_headers(limits.header_fields.into())
        .max_buf_size(limits.header_bytes as usize);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS).max_header_list_size(limits.header_bytes);
    builder
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};

    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
