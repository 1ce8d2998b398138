use std::{fmt, sync::Arc};

use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    H2, HTTP_1_1,
    failure::handshake_failure,
    files::{Pair, TlsError, authorities, provider, read_certificates},
};
use crate::{
    config::ClientTls,
    http::{TlsFailure, client::Offer},
};

/// A connection over TLS to a server.
pub(crate) type ClientStream = Box<TlsStream<TcpStream>>;

/// The TLS of connections to a server, with certificates and keys in memory.
///
/// Two are equal if their settings are, and what their files held when they were read.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TlsClient(Arc<Loaded>);

struct Loaded {
    settings: ClientTls,
    ca: Option<Vec<CertificateDer<'static>>>,
    identity: Option<Pair>,
    server_name: Option<ServerName<'static>>,
    connector: TlsConnector,
}

impl TlsClient {
    /// Reads the files of the settings.
    pub(crate) fn load(settings: &ClientTls) -> Result<Self, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::new)?;
        let ca = settings.ca.as_deref().map(read_certificates).transpose()?;
        let builder = if let (Some(file), Some(certificates)) = (&settings.ca, &ca) {
            builder.with_root_certificates(authorities(file, certificates)?)
        } else {
            let verifier = Verifier::new(provider()).map_err(|error| {
                TlsError::new(format_args!("the authorities of the system cannot be loaded: {error}; set ca"))
            })?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        };
        let identity = settings.identity.as_ref().map(Pair::read).transpose()?;
        let config = match (&settings.identity, &identity) {
            (Some(files), Some(Pair { chain, key })) => builder
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .map_err(|error| Pair::refused(files, &error))?,
            _ => builder.with_no_client_auth(),
        };
        let server_name = match &settings.server_name {
            Some(name) => Some(
                ServerName::try_from(name.clone())
                    .map_err(|_| TlsError::new("server_name is neither a host name nor an IP address"))?,
            ),
            None => None,
        };
        let connector = TlsConnector::from(Arc::new(config));
        Ok(Self(Arc::new(Loaded { settings: settings.clone(), ca, identity, server_name, connector })))
    }

    /// Performs the handshake on a new connection, and returns whether HTTP/2 has been chosen among the offered protocols.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        host: &str,
        offer: Offer,
    ) -> Result<(ClientStream, bool), TlsFailure> {
        let name = match &self.0.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).map_err(|_| TlsFailure::WrongName)?,
        };
        let protocols: &[&[u8]] = match offer {
            Offer::Http1 => &[HTTP_1_1],
            Offer::Http2 => &[H2],
            Offer::Any => &[H2, HTTP_1_1],
        };
        let protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let connecting = self.0.connector.with_alpn(protocols).connect(name, stream);
        let stream = connecting.await.map_err(|error| handshake_failure(&error))?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(H2);
        // A server that chooses none speaks HTTP/1.1.
        if offer == Offer::Http2 && !is_http2 {
            return Err(TlsFailure::NoCommonProtocol);
        }
        Ok((Box::new(stream), is_http2))
    }
}

impl PartialEq for Loaded {
    fn eq(&self, other: &Self) -> bool {
        (&self.settings, &self.ca, &self.identity) == (&other.settings, &other.ca, &other.identity)
    }
}

impl Eq for Loaded {}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsClient").field(&self.0.settings).finish()
    }
}
