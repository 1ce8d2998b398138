use std::path::PathBuf;

/// A certificate chain and its private key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The certificate, followed by those that lead to its authority.
    pub(crate) certificate: PathBuf,
    /// The private key of the certificate.
    pub(crate) key: PathBuf,
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
