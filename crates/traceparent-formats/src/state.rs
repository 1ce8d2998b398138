use core::fmt;

/// What a caller decided about sampling.
///
/// A type of its own: no flag bit of W3C Trace Context means "debug" or "not decided". It will not grow.
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
    /// Returns a short, stable name, made for metric labels: `deny`, `accept`, `debug` or `defer`.
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
