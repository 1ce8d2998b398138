use core::{fmt, str::FromStr};

/// How far a caller's valid context is trusted.
///
/// [W3C: security considerations](https://www.w3.org/TR/trace-context-2/#security-considerations)
///
/// ```
/// use traceparent::Trust;
///
/// // The value of a setting.
/// let trust: Trust = "restart".parse()?;
/// assert_eq!(trust, Trust::Restart);
/// assert_eq!(trust.to_string(), "restart");
/// # Ok::<(), traceparent::UnknownTrust>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Trust {
    /// Continues the trace and follows the caller's sampled flag. The sampler decides about traces
    /// that start here.
    #[default]
    Continue,
    /// Continues the trace; the sampler decides, and sees the parent.
    Resample,
    /// Starts a new trace that links to the caller's. No byte of the caller's goes on: for the edge
    /// of a trust zone.
    Restart,
    /// Starts a new trace as if the caller had sent no valid context.
    Ignore,
}

impl Trust {
    /// Returns a short, stable name, made for settings: `continue`, `resample`, `restart` or `ignore`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Resample => "resample",
            Self::Restart => "restart",
            Self::Ignore => "ignore",
        }
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Trust {
    type Err = UnknownTrust;

    /// Parses one of the names that [`as_str`](Self::as_str) returns, in lower case.
    fn from_str(name: &str) -> Result<Self, UnknownTrust> {
        match name {
            "continue" => Ok(Self::Continue),
            "resample" => Ok(Self::Resample),
            "restart" => Ok(Self::Restart),
            "ignore" => Ok(Self::Ignore),
            _ => Err(UnknownTrust),
        }
    }
}

/// The error returned when a name is not the name of a [`Trust`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UnknownTrust;

impl fmt::Display for UnknownTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown trust, expected one of continue, resample, restart, ignore")
    }
}

impl core::error::Error for UnknownTrust {}
