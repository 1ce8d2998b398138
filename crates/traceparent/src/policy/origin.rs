use core::fmt;

/// Where the trace of an outgoing context comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The request has no context, and the trace starts here.
    Started,
    /// The caller's trace continues.
    Continued,
    /// The request has a context that is invalid or not trusted, and a new trace starts here.
    Restarted,
}

impl Origin {
    /// Returns a short, stable name, made for metric labels: `started`, `continued` or `restarted`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Continued => "continued",
            Self::Restarted => "restarted",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
