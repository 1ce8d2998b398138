use std::path::Path;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Contradiction;
use crate::config::{
    ClientTls, Identity, ServerTls,
    scalar::{FilePath, Name},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerTlsEntry {
    certificate: FilePath,
    key: FilePath,
    client_ca: Option<FilePath>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientTlsEntry {
    ca: Option<FilePath>,
    certificate: Option<Spanned<FilePath>>,
    key: Option<Spanned<FilePath>>,
    server_name: Option<Name>,
}

impl ServerTlsEntry {
    /// Fills in the folder of relative paths.
    pub(super) fn resolve(self, folder: &Path) -> ServerTls {
        let path = |file: FilePath| folder.join(file.0);
        let identity = Identity { certificate: path(self.certificate), key: path(self.key) };
        ServerTls { identity, client_ca: self.client_ca.map(path) }
    }
}

impl ClientTlsEntry {
    /// Fills in the folder of relative paths.
    pub(super) fn resolve(self, folder: &Path) -> Result<ClientTls, Contradiction> {
        let path = |file: FilePath| folder.join(file.0);
        let identity = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => {
                Some(Identity { certificate: path(certificate.value), key: path(key.value) })
            }
            (Some(certificate), None) => {
                let value = certificate.referenced;
                return Err(Contradiction { key: "tls.certificate", value, what: "the certificate needs its key" });
            }
            (None, Some(key)) => {
                let value = key.referenced;
                return Err(Contradiction { key: "tls.key", value, what: "the key needs its certificate" });
            }
            (None, None) => None,
        };
        Ok(ClientTls { ca: self.ca.map(path), identity, server_name: self.server_name.map(|name| name.0) })
    }
}
