use std::io;

use rustls::{AlertDescription, CertificateError, Error};

use crate::http::TlsFailure;

/// Returns the failure of a handshake.
pub(super) fn handshake_failure(error: &io::Error) -> TlsFailure {
    failure(error).unwrap_or(TlsFailure::Closed)
}

/// Returns why a connection has ended, as far as TLS says. With TLS 1.3, a server refuses a client's certificate only after the
/// handshake.
pub(crate) fn failure(error: &io::Error) -> Option<TlsFailure> {
    error.get_ref().and_then(|error| error.downcast_ref::<Error>()).map(of_error)
}

fn of_error(error: &Error) -> TlsFailure {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::NoCertificatesPresented => TlsFailure::ClientCertificateRequired,
        Error::NoApplicationProtocol => TlsFailure::NoCommonProtocol,
        Error::PeerIncompatible(_) => TlsFailure::Incompatible,
        Error::InvalidMessage(_) => TlsFailure::NotTls,
        _ => TlsFailure::Broken,
    }
}

fn of_certificate(error: &CertificateError) -> TlsFailure {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFailure::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFailure::NotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsFailure::WrongName,
        // The second is what an authority looks like that has the name of a trusted one, but not its key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFailure::UnknownAuthority,
        _ => TlsFailure::InvalidCertificate,
    }
}

/// [RFC 8446, section 6.2](https://www.rfc-editor.org/rfc/rfc8446#section-6.2)
fn of_alert(alert: AlertDescription) -> TlsFailure {
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            TlsFailure::ClientCertificateRequired
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => TlsFailure::GatewayCertificateRefused,
        AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity
        | AlertDescription::HandshakeFailure => TlsFailure::Incompatible,
        AlertDescription::NoApplicationProtocol => TlsFailure::NoCommonProtocol,
        AlertDescription::UnrecognisedName => TlsFailure::UnknownName,
        AlertDescription::CloseNotify | AlertDescription::UserCanceled => TlsFailure::Closed,
        _ => TlsFailure::Broken,
    }
}
