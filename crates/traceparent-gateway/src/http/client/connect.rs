use std::{future::Future, io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};

use super::{Offer, Protocol, stream::Stream};
use crate::http::{
    Failure, TlsClient, TlsFailure,
    tcp::tune,
    upstream_places::{UpstreamPlace, UpstreamPlaces},
};

/// Opens connections to an upstream.
pub(crate) trait Connect: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Opens a connection within the limit.
    fn connect(
        &self,
        host: &str,
        port: u16,
        offer: Offer,
        limit: Duration,
    ) -> impl Future<Output = Result<Connected<Self::Stream>, Failure>> + Send;
}

/// A connection that has come up.
#[derive(Debug)]
pub(crate) struct Connected<S> {
    pub(crate) stream: S,
    pub(crate) peer: SocketAddr,
    pub(crate) protocol: Protocol,
    /// The connection's place among those to all upstreams, if they are bounded.
    pub(crate) place: Option<UpstreamPlace>,
}

/// Opens connections over TCP, trying the addresses of a name one after another, and over TLS if that is set.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    pub(crate) tls: Option<TlsClient>,
    /// The places of connections to all upstreams, if they are bounded.
    pub(crate) places: Option<UpstreamPlaces>,
}

impl Connect for Connector {
    type Stream = Stream;

    async fn connect(
        &self,
        host: &str,
        port: u16,
        offer: Offer,
        limit: Duration,
    ) -> Result<Connected<Stream>, Failure> {
        let deadline = Instant::now() + limit;
        // Half of the time is left for connecting.
        let place = match &self.places {
            Some(places) => Some(places.take(limit / 2).await?),
            None => None,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<_> = match timeout_at(deadline, lookup_host((host, port))).await {
            Ok(Ok(addresses)) => alternate(addresses.collect()),
            Ok(Err(_)) => Vec::new(),
            Err(_) => return Err(Failure::Unreachable(io::ErrorKind::TimedOut)),
        };
        let (stream, peer) = connect_any(&addresses, deadline).await?;
        let Some(tls) = &self.tls else {
            return Ok(Connected { stream: Stream::Plain(stream), peer, protocol: offer.without_tls(), place });
        };
        let connected = timeout_at(deadline, tls.connect(stream, host, offer)).await;
        let (stream, is_http2) = connected.map_err(|_| TlsFailure::Late)??;
        let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
        Ok(Connected { stream: Stream::Tls(stream), peer, protocol, place })
    }
}

/// Orders addresses so that those of IPv6 and IPv4 alternate, beginning with the first.
///
/// [RFC 8305, section 4](https://www.rfc-editor.org/rfc/rfc8305#section-4)
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else { return addresses };
    let (one, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut ordered = Vec::with_capacity(one.len() + other.len());
    while one.len() + other.len() > 0 {
        ordered.extend(one.next());
        ordered.extend(other.next());
    }
    ordered
}

/// Opens a connection to the first address that takes one.
pub(super) async fn connect_any(
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr), Failure> {
    let mut failure = Failure::UnknownHost;
    for (tried, peer) in addresses.iter().enumerate() {
        // An address that is silent leaves time for those after it.
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / (addresses.len() - tried).try_into().unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(peer)).await {
            Ok(Ok(stream)) => {
                tune(&stream);
                return Ok((stream, *peer));
            }
            Ok(Err(error)) => failure = Failure::Unreachable(error.kind()),
            Err(_) => failure = Failure::Unreachable(io::ErrorKind::TimedOut),
        }
    }
    Err(failure)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn families_of_addresses_alternate() {
        let addresses = |list: &[&str]| list.iter().map(|address| address.parse().unwrap()).collect::<Vec<_>>();
        let ordered = alternate(addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "10.0.0.1:1", "10.0.0.2:1"]));
        assert_eq!(ordered, addresses(&["[::1]:1", "10.0.0.1:1", "[::2]:1", "10.0.0.2:1", "[::3]:1"]));
        let ordered = alternate(addresses(&["10.0.0.1:1", "10.0.0.2:1", "[::1]:1"]));
        assert_eq!(ordered, addresses(&["10.0.0.1:1", "[::1]:1", "10.0.0.2:1"]));
        assert_eq!(alternate(Vec::new()), []);
    }
}
