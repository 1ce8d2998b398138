//! TLS in a build without it: types without values, so that all code about connections over TLS is compiled away.

use std::{convert::Infallible, future::Ready, io, sync::Arc};

use tokio::net::TcpStream;

use super::{TlsFailure, client::Offer};
use crate::config::{ClientTls, ServerTls};

/// The error returned when TLS is configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("TLS needs a build with the feature tls")]
pub(crate) struct TlsError;

/// The TLS of connections to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsClient(Infallible);

/// A connection over TLS to a server.
pub(crate) type ClientStream = Box<TcpStream>;

impl TlsClient {
    pub(crate) fn load(_: &ClientTls) -> Result<Self, TlsError> {
        Err(TlsError)
    }

    pub(crate) fn connect(&self, _: TcpStream, _: &str, _: Offer) -> Ready<Result<(ClientStream, bool), TlsFailure>> {
        match self.0 {}
    }
}

/// The TLS of connections to clients.
#[derive(Clone, Debug)]
pub(crate) struct TlsServer(Infallible);

/// A connection after the handshake.
#[derive(Debug)]
pub(crate) struct Accepted<S> {
    pub(crate) stream: S,
    pub(crate) is_http2: Option<bool>,
    pub(crate) subject: Option<Arc<str>>,
}

impl TlsServer {
    pub(crate) fn load(_: &ServerTls) -> Result<Self, TlsError> {
        Err(TlsError)
    }

    pub(crate) fn accept<S>(&self, _: S) -> Ready<Result<Accepted<S>, TlsFailure>> {
        match self.0 {}
    }
}

/// Returns why a server has ended a connection, as far as TLS says.
pub(crate) fn failure(_: &io::Error) -> Option<TlsFailure> {
    None
}
