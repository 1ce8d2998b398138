use std::{fmt, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::ring::Ticketer,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    H2, HTTP_1_1,
    failure::handshake_failure,
    files::{Pair, TlsError, authorities, provider, read_certificates},
    subject::subject,
};
use crate::{config::ServerTls, http::TlsFailure};

/// A connection over TLS to a client.
pub(crate) type ServerStream<S> = Box<TlsStream<S>>;

/// The TLS of connections to clients, with certificates and keys in memory.
#[derive(Clone)]
pub(crate) struct TlsServer(TlsAcceptor);

/// A connection after the handshake.
#[derive(Debug)]
pub(crate) struct Accepted<S> {
    pub(crate) stream: ServerStream<S>,
    /// Whether HTTP/2 has been chosen rather than HTTP/1.1; `None` if the client has offered nothing.
    pub(crate) is_http2: Option<bool>,
    /// The subject of the client's certificate, which has been verified.
    pub(crate) subject: Option<Arc<str>>,
}

impl TlsServer {
    /// Reads the files of the settings.
    pub(crate) fn load(settings: &ServerTls) -> Result<Self, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::new)?;
        let builder = if let Some(file) = &settings.client_ca {
            let roots = authorities(file, &read_certificates(file)?)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                .build()
                .map_err(|error| TlsError::of_file(file, error))?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let Pair { chain, key } = Pair::read(&settings.identity)?;
        let mut config =
            builder.with_single_cert(chain, key).map_err(|error| Pair::refused(&settings.identity, &error))?;
        config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
        // Sessions are in the hands of clients, so that many of them need no memory here.
        config.ticketer = Ticketer::new().map_err(TlsError::new)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Performs the handshake on a new connection.
    pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Result<Accepted<S>, TlsFailure> {
        let stream = self.0.accept(stream).await.map_err(|error| handshake_failure(&error))?;
        let session = stream.get_ref().1;
        let is_http2 = session.alpn_protocol().map(|protocol| protocol == H2);
        let client = session.peer_certificates().and_then(<[_]>::first);
        let subject = client.and_then(|certificate| subject(certificate)).map(Arc::from);
        Ok(Accepted { stream: Box::new(stream), is_http2, subject })
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer").finish_non_exhaustive()
    }
}
