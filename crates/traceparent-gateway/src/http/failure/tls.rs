use std::{error::Error, fmt};

/// The failure of a TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "tls"), allow(dead_code))]
pub(crate) enum TlsFailure {
    Expired,
    NotYetValid,
    WrongName,
    UnknownAuthority,
    InvalidCertificate,
    ClientCertificateRequired,
    GatewayCertificateRefused,
    UnknownName,
    Incompatible,
    NoCommonProtocol,
    NotTls,
    Closed,
    Late,
    Broken,
}

/// The other side of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsPeer {
    Client,
    Upstream,
    Collector,
}

impl TlsFailure {
    /// The failures of handshakes with clients.
    pub(crate) const OF_CLIENTS: [Self; 12] = [
        Self::Expired,
        Self::NotYetValid,
        Self::UnknownAuthority,
        Self::InvalidCertificate,
        Self::ClientCertificateRequired,
        Self::GatewayCertificateRefused,
        Self::Incompatible,
        Self::NoCommonProtocol,
        Self::NotTls,
        Self::Closed,
        Self::Late,
        Self::Broken,
    ];

    /// Returns a text about the failure of a handshake with this peer.
    pub(crate) fn of(self, peer: TlsPeer) -> impl fmt::Display {
        Described(self, peer)
    }

    /// Returns a short, stable name for metric labels and `error.type`, where the peer is an upstream.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "upstream_certificate_expired",
            Self::NotYetValid => "upstream_certificate_not_yet_valid",
            Self::WrongName => "upstream_certificate_wrong_name",
            Self::UnknownAuthority => "upstream_certificate_unknown_authority",
            Self::InvalidCertificate => "upstream_certificate_invalid",
            Self::ClientCertificateRequired => "upstream_client_certificate_required",
            Self::GatewayCertificateRefused => "upstream_client_certificate_refused",
            Self::UnknownName => "upstream_tls_unknown_name",
            Self::Incompatible => "upstream_tls_incompatible",
            Self::NoCommonProtocol => "upstream_tls_no_common_protocol",
            Self::NotTls => "upstream_tls_not_spoken",
            Self::Closed => "upstream_tls_closed",
            Self::Late => "upstream_tls_late",
            Self::Broken => "upstream_tls_broken",
        }
    }

    /// Returns the name where the peer is a client: that for an upstream without its first word, except that the gateway's
    /// certificate is the server's.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::GatewayCertificateRefused => "server_certificate_refused",
            other => other.as_str().trim_start_matches("upstream_"),
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
        self.of(TlsPeer::Upstream).fmt(f)
    }
}

impl Error for TlsFailure {}

/// A failure in words, with a word for the peer.
struct Described(TlsFailure, TlsPeer);

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(failure, peer) = *self;
        let is_client = peer == TlsPeer::Client;
        let (before, after) = match failure {
            TlsFailure::Expired => ("the ", "'s certificate has expired"),
            TlsFailure::NotYetValid => ("the ", "'s certificate is not valid yet"),
            TlsFailure::WrongName => ("the ", "'s certificate is for another name"),
            TlsFailure::UnknownAuthority => ("the ", "'s certificate is of an authority that is not trusted"),
            TlsFailure::InvalidCertificate => ("the ", "'s certificate is not valid"),
            TlsFailure::ClientCertificateRequired if is_client => ("the ", " has no certificate"),
            TlsFailure::ClientCertificateRequired => ("the ", " asks for a client certificate"),
            TlsFailure::GatewayCertificateRefused if is_client => ("the ", " refuses the server certificate"),
            TlsFailure::GatewayCertificateRefused => ("the ", " refuses the client certificate"),
            TlsFailure::UnknownName => ("the ", " has no certificate for the name"),
            TlsFailure::Incompatible => ("the ", " and the gateway have no TLS version and cipher in common"),
            TlsFailure::NoCommonProtocol if is_client => {
                ("the ", " offers none of the listener's HTTP versions over TLS")
            }
            TlsFailure::NoCommonProtocol => ("the ", " does not offer the route's HTTP version over TLS"),
            TlsFailure::NotTls => ("the ", " does not speak TLS at this port"),
            TlsFailure::Closed => ("the ", " closed the connection during the TLS handshake"),
            TlsFailure::Late => ("the TLS handshake with the ", " took too long"),
            TlsFailure::Broken => ("the TLS handshake with the ", " failed"),
        };
        let peer = match peer {
            TlsPeer::Client => "client",
            TlsPeer::Upstream => "upstream",
            TlsPeer::Collector => "collector",
        };
        write!(f, "{before}{peer}{after}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_and_upstreams_fail_in_the_same_words() {
        for failure in TlsFailure::OF_CLIENTS {
            let same = failure.as_str() == format!("upstream_{}", failure.reason());
            assert_eq!(same, failure != TlsFailure::GatewayCertificateRefused, "{failure:?}");
        }
        let mut reasons = TlsFailure::OF_CLIENTS.map(TlsFailure::reason).to_vec();
        reasons.sort_unstable();
        reasons.dedup();
        assert_eq!(reasons.len(), TlsFailure::OF_CLIENTS.len());
    }
}
