use std::{future::Future, io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::{Instant, timeout},
};

use crate::http::{Failure, tcp::tune};

/// Opens connections to an upstream.
pub(crate) trait Connect: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Opens a connection within the limit.
    fn connect(
        &self,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> impl Future<Output = Result<Connected<Self::Stream>, Failure>> + Send;
}

/// A connection that has come up.
#[derive(Debug)]
pub(crate) struct Connected<S> {
    pub(crate) stream: S,
    pub(crate) peer: SocketAddr,
}

/// Opens plain TCP connections, trying the addresses of a name one after another.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TcpConnector;

impl Connect for TcpConnector {
    type Stream = TcpStream;

    async fn connect(&self, host: &str, port: u16, limit: Duration) -> Result<Connected<TcpStream>, Failure> {
        let started = Instant::now();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<_> = match timeout(limit, lookup_host((host, port))).await {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(_)) => Vec::new(),
            Err(_) => return Err(Failure::Unreachable(io::ErrorKind::TimedOut)),
        };
        connect_any(&addresses, limit.saturating_sub(started.elapsed())).await
    }
}

/// Opens a connection to the first address that takes one.
pub(super) async fn connect_any(addresses: &[SocketAddr], limit: Duration) -> Result<Connected<TcpStream>, Failure> {
    let deadline = Instant::now() + limit;
    let mut failure = Failure::UnknownHost;
    for (tried, peer) in addresses.iter().enumerate() {
        // An address that is silent leaves time for those after it.
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / (addresses.len() - tried).try_into().unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(peer)).await {
            Ok(Ok(stream)) => {
                tune(&stream);
                return Ok(Connected { stream, peer: *peer });
            }
            Ok(Err(error)) => failure = Failure::Unreachable(error.kind()),
            Err(_) => failure = Failure::Unreachable(io::ErrorKind::TimedOut),
        }
    }
    Err(failure)
}
