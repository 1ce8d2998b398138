use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::Uri;
use hyper_util::rt::TokioIo;
use tower_service::Service;

use crate::http::{Connect, Connector, Failure, Offer, Stream, TlsClient, TlsPeer};

/// The time limit for connecting to a collector.
const LIMIT: Duration = Duration::from_secs(10);

/// Opens connections to a collector.
#[derive(Clone, Debug)]
pub(super) struct CollectorConnector {
    pub(super) tls: Option<TlsClient>,
    pub(super) offer: Offer,
}

impl Service<Uri> for CollectorConnector {
    type Response = TokioIo<Stream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let (connector, offer) = (Connector { tls: self.tls.clone(), places: None }, self.offer);
        Box::pin(async move {
            let (host, default) = (url.host().unwrap_or_default(), if connector.tls.is_some() { 443 } else { 80 });
            let connected = connector.connect(host, url.port_u16().unwrap_or(default), offer, LIMIT).await;
            Ok(TokioIo::new(connected.map_err(ConnectError)?.stream))
        })
    }
}

/// The error returned when connecting to a collector fails.
#[derive(Debug)]
pub(super) struct ConnectError(Failure);

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Failure::Tls(failure) => failure.of(TlsPeer::Collector).fmt(f),
            Failure::Unreachable(kind) => write!(f, "cannot connect: {kind}"),
            Failure::UnknownHost => f.write_str("no address found for the host"),
            other => other.fmt(f),
        }
    }
}

impl std::error::Error for ConnectError {}
