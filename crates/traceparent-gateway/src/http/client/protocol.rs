use super::ConnectOptions;
use crate::config::Http2;

/// A protocol of connections to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// The protocols from which an upstream chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Http1,
    Http2,
    Any,
}

impl Offer {
    /// Returns the offer to an upstream. A request that asks to upgrade its connection needs HTTP/1.1.
    pub(super) fn new(options: &ConnectOptions, upgrades: bool) -> Self {
        match options.http2 {
            Http2::Always => Self::Http2,
            Http2::Auto if options.tls.is_some() && !upgrades => Self::Any,
            Http2::Auto | Http2::Never => Self::Http1,
        }
    }

    /// Returns the protocol where nothing is negotiated.
    pub(super) fn without_tls(self) -> Protocol {
        match self {
            Self::Http1 | Self::Any => Protocol::Http1,
            Self::Http2 => Protocol::Http2,
        }
    }
}
