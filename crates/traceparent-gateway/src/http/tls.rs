//! TLS by rustls: certificates and keys out of files, and handshakes.

mod client;
mod failure;
mod files;
mod server;
mod subject;

pub(crate) use self::{
    client::{ClientStream, TlsClient},
    failure::failure,
    files::TlsError,
    server::{Accepted, TlsServer},
};

/// The names of the protocols.
///
/// [TLS application-layer protocol negotiation protocol IDs](https://www.iana.org/assignments/tls-extensiontype-values/#alpn-protocol-ids)
const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";
