//! TLS by rustls: certificates and keys out of files, and handshakes.

mod client;
mod failure;
mod files;

pub(crate) use self::{
    client::{ClientStream, TlsClient},
    failure::failure,
    files::TlsError,
};
