use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    task::JoinSet,
    time::sleep,
};

use crate::{error::Error, tell};

/// How long a client may take to send the head of a request.
const HEAD_LIMIT: Duration = Duration::from_secs(30);

/// How long to wait when the system has no more connections to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers requests.
pub(crate) trait Handler: Send + Sync + 'static {
    type Body: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static;

    fn handle(&self, request: Request<Incoming>) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// An HTTP/1.1 server and its connections.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    connections: JoinSet<()>,
    graceful: GracefulShutdown,
}

impl Server {
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, Error> {
        let listen = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            io::Result::Ok((listener, address))
        };
        let (listener, address) = listen.await.map_err(|source| Error::Listen { address, source })?;
        Ok(Self { listener, address, connections: JoinSet::new(), graceful: GracefulShutdown::new() })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves connections until it is time to stop; those that are open then stay so.
    pub(crate) async fn serve(&mut self, handler: Arc<impl Handler>, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            select! {
                () = &mut stop => return,
                Some(_) = self.connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.connect(stream, Arc::clone(&handler)),
                    Err(error) if is_about_one_connection(&error) => {}
                    Err(error) => {
                        tell(format_args!("cannot accept connections for now: {error}"));
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    }

    fn connect(&mut self, stream: TcpStream, handler: Arc<impl Handler>) {
        // An optimization only: it works without.
        let _ = stream.set_nodelay(true);
        let service = service_fn(move |request| {
            let handler = Arc::clone(&handler);
            async move { Ok::<_, Infallible>(handler.handle(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_LIMIT)
            .serve_connection(TokioIo::new(stream), service);
        let connection = self.graceful.watch(connection);
        self.connections.spawn(async {
            // Clients come and go as they like; what matters about that is in the spans.
            let _ = connection.await;
        });
    }

    /// Accepts no more and waits for requests in flight until the limit; returns how many
    /// connections had to be cut then.
    pub(crate) async fn drain(self, limit: impl Future<Output = ()>) -> usize {
        let Self { listener, mut connections, graceful, .. } = self;
        drop(listener);
        let cut = select! {
            () = graceful.shutdown() => 0,
            () = limit => {
                while connections.try_join_next().is_some() {}
                connections.len()
            }
        };
        connections.shutdown().await;
        cut
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};

    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
