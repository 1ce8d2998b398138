/// The failure of a TLS handshake with an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(not(feature = "tls"), allow(dead_code))]
pub(crate) enum TlsFailure {
    #[error("the upstream's certificate has expired")]
    Expired,
    #[error("the upstream's certificate is not valid yet")]
    NotYetValid,
    #[error("the upstream's certificate is for another name")]
    WrongName,
    #[error("the upstream's certificate is of an authority that is not trusted")]
    UnknownAuthority,
    #[error("the upstream's certificate is not valid")]
    InvalidCertificate,
    #[error("the upstream asks for a client certificate")]
    ClientCertificateRequired,
    #[error("the upstream refuses the client certificate")]
    ClientCertificateRefused,
    #[error("the upstream has no certificate for the name")]
    UnknownName,
    #[error("the upstream and the gateway have no TLS version and cipher in common")]
    Incompatible,
    #[error("the upstream does not offer the route's HTTP version over TLS")]
    NoCommonProtocol,
    #[error("the upstream does not speak TLS at this port")]
    NotTls,
    #[error("the upstream closed the connection during the TLS handshake")]
    Closed,
    #[error("the TLS handshake with the upstream took too long")]
    Late,
    #[error("the TLS handshake with the upstream failed")]
    Broken,
}

impl TlsFailure {
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
