use std::{error::Error, fmt};

/// The failure of a TLS handshake with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "tls"), allow(dead_code))]
pub(crate) enum TlsFailure {
    Expired,
    NotYetValid,
    WrongName,
    UnknownAuthority,
    InvalidCertificate,
    ClientCertificateRequired,
    ClientCertificateRefused,
    UnknownName,
    Incompatible,
    NoCommonProtocol,
    NotTls,
    Closed,
    Late,
    Broken,
}

impl TlsFailure {
    /// Writes the failure in words, with a word for the server.
    pub(crate) fn describe(self, server: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = match self {
            Self::Expired => ("the ", "'s certificate has expired"),
            Self::NotYetValid => ("the ", "'s certificate is not valid yet"),
            Self::WrongName => ("the ", "'s certificate is for another name"),
            Self::UnknownAuthority => ("the ", "'s certificate is of an authority that is not trusted"),
            Self::InvalidCertificate => ("the ", "'s certificate is not valid"),
            Self::ClientCertificateRequired => ("the ", " asks for a client certificate"),
            Self::ClientCertificateRefused => ("the ", " refuses the client certificate"),
            Self::UnknownName => ("the ", " has no certificate for the name"),
            Self::Incompatible => ("the ", " and the gateway have no TLS version and cipher in common"),
            Self::NoCommonProtocol => ("the ", " does not offer the route's HTTP version over TLS"),
            Self::NotTls => ("the ", " does not speak TLS at this port"),
            Self::Closed => ("the ", " closed the connection during the TLS handshake"),
            Self::Late => ("the TLS handshake with the ", " took too long"),
            Self::Broken => ("the TLS handshake with the ", " failed"),
        };
        write!(f, "{before}{server}{after}")
    }

    /// Returns a short, stable name for metric labels and `error.type`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "upstream_certificate_expired",
            Self::NotYetValid => "upstream_certificate_not_yet_valid",
            Self::WrongName => "upstream_certificate_wrong_name",
            Self::UnknownAuthority => "upstream_certificate_unknown_authority",
            Self::InvalidCertificate => "upstream_certificate_invalid",
            Self::ClientCertificateRequired => "upstream_client_certificate_required",
            Self::ClientCertificateRefused => "upstream_client_certificate_refused",
            Self::UnknownName => "upstream_tls_unknown_name",
            Self::Incompatible => "upstream_tls_incompatible",
            Self::NoCommonProtocol => "upstream_tls_no_common_protocol",
            Self::NotTls => "upstream_tls_not_spoken",
            Self::Closed => "upstream_tls_closed",
            Self::Late => "upstream_tls_late",
            Self::Broken => "upstream_tls_broken",
        }
    }

    /// Returns whether it is about the certificate of the upstream.
    pub(super) const fn is_about_certificate(self) -> bool {
        matches!(
            self,
            Self::Expired | Self::NotYetValid | Self::WrongName | Self::UnknownAuthority | Self::InvalidCertificate
        )
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe("upstream", f)
    }
}

impl Error for TlsFailure {}
