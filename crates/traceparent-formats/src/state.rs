use core::fmt;

/// The decision of a caller about sampling.
///
/// The state is not stored in trace flags, because no flag of W3C Trace Context means "debug" or "not decided". The enum
/// is complete and gets no further variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the formats know no other state")]
pub enum SamplingState {
    /// The caller does not sample the trace.
    Deny,
    /// The caller samples the trace.
    Accept,
    /// The caller samples the trace and wants every service to.
    Debug,
    /// The caller leaves the decision to this service.
    Defer,
}

impl SamplingState {
    /// Returns a short, stable name for the labels of metrics: `deny`, `accept`, `debug` or `defer`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Accept => "accept",
            Self::Debug => "debug",
            Self::Defer => "defer",
        }
    }

    /// Returns the caller's decision, or `None` if it was deferred.
    pub const fn is_sampled(self) -> Option<bool> {
        match self {
            Self::Deny => Some(false),
            Self::Accept | Self::Debug => Some(true),
            Self::Defer => None,
        }
    }

    pub(crate) const fn from_sampled(sampled: bool) -> Self {
        if sampled { Self::Accept } else { Self::Deny }
    }
}

impl fmt::Display for SamplingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
