use std::path::PathBuf;

/// A certificate chain and its private key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The certificate, followed by those that lead to its authority.
    pub(crate) certificate: PathBuf,
    /// The private key of the certificate.
    pub(crate) key: PathBuf,
}

impl Identity {
    fn files(&self) -> [&PathBuf; 2] {
        [&self.certificate, &self.key]
    }
}

/// The TLS settings of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerTls {
    /// The certificate of the listener.
    pub(crate) identity: Identity,
    /// The PEM file of the authorities of clients. With it, every client needs a certificate.
    pub(crate) client_ca: Option<PathBuf>,
}

impl ServerTls {
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.identity.files().into_iter().chain(&self.client_ca)
    }
}

/// The TLS settings of connections to an upstream or a collector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientTls {
    /// The PEM file of the trusted authorities, instead of those of the system.
    pub(crate) ca: Option<PathBuf>,
    /// The certificate of this side, for servers that ask for one.
    pub(crate) identity: Option<Identity>,
    /// The name that the server's certificate must have, instead of the URL's host.
    pub(crate) server_name: Option<String>,
}

impl ClientTls {
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.ca.iter().chain(self.identity.iter().flat_map(Identity::files))
    }
}
