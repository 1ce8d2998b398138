use std::{
    fmt::Display,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore,
    crypto::{CryptoProvider, ring},
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

use crate::config::Identity;

/// The error returned when TLS cannot be set up: the file, if it is about one, and the reason.
#[derive(Debug, thiserror::Error)]
#[error("{}{what}", file.as_ref().map(|file| format!("{}: ", file.display())).unwrap_or_default())]
pub(crate) struct TlsError {
    file: Option<PathBuf>,
    what: String,
}

impl TlsError {
    pub(super) fn new(what: impl Display) -> Self {
        Self { file: None, what: what.to_string() }
    }

    pub(super) fn of_file(file: &Path, what: impl Display) -> Self {
        Self { file: Some(file.to_owned()), what: what.to_string() }
    }
}

/// A certificate chain and its key, as read from files.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Pair {
    pub(super) fn read(files: &Identity) -> Result<Self, TlsError> {
        let chain = read_certificates(&files.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsError::of_file(&files.key, "no private key without a password in PEM form"),
            _ => not_pem(&files.key),
        })?;
        Ok(Self { chain, key })
    }

    /// Returns the error for a pair that rustls does not take.
    pub(super) fn refused(files: &Identity, error: &rustls::Error) -> TlsError {
        match error {
            rustls::Error::InconsistentKeys(_) => {
                let certificate = files.certificate.display();
                TlsError::of_file(&files.key, format_args!("the key is not that of the certificate in {certificate}"))
            }
            rustls::Error::InvalidCertificate(_) => TlsError::of_file(&files.certificate, error),
            _ => TlsError::of_file(&files.key, error),
        }
    }
}

/// Reads the certificates of a PEM file: at least one.
pub(super) fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(file)?;
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(|_| not_pem(file))?;
    if certificates.is_empty() {
        return Err(TlsError::of_file(file, "no certificate in PEM form"));
    }
    Ok(certificates)
}

/// Returns the authorities of a file.
pub(super) fn authorities(file: &Path, certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone()).map_err(|error| TlsError::of_file(file, error))?;
    }
    Ok(roots)
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|error| TlsError::of_file(file, format_args!("cannot be read: {error}")))
}

fn not_pem(file: &Path) -> TlsError {
    TlsError::of_file(file, "not valid PEM")
}
