use core::{fmt, str::FromStr};

use crate::{format::Format, propagators::Propagators};

/// The error returned when a list of propagators' names does not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PropagatorsError {
    /// A name that is not the name of a propagator.
    Unknown {
        /// The position of the name in the list, starting at 1.
        position: usize,
    },
    /// The name `none` beside others.
    NoneBesideOthers,
}

impl fmt::Display for PropagatorsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { position } => write!(f, "unknown propagator at position {position}"),
            Self::NoneBesideOthers => f.write_str("none beside other propagators"),
        }
    }
}

impl core::error::Error for PropagatorsError {}

impl FromStr for Propagators {
    type Err = PropagatorsError;

    /// Parses the value of `OTEL_PROPAGATORS`: the formats' names, with commas in between, in the order of reading.
    ///
    /// All of them are written too. `b3` and `b3multi` read both forms of B3, the single field first, and write their
    /// own. `baggage` is allowed and changes nothing; `none` stands alone. An empty list is [`Propagators::default`].
    ///
    /// [OpenTelemetry: environment variables](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration)
    ///
    /// ```
    /// use traceparent_formats::{Format, Propagators, PropagatorsError};
    ///
    /// let propagators: Propagators = "xray, tracecontext, baggage".parse()?;
    /// assert!(propagators.extracted().eq([Format::XRay, Format::TraceContext]));
    /// assert_eq!("b3,sw8".parse::<Propagators>(), Err(PropagatorsError::Unknown { position: 2 }));
    /// # Ok::<(), PropagatorsError>(())
    /// ```
    fn from_str(list: &str) -> Result<Self, PropagatorsError> {
        let names = || list.split(',').map(str::trim);
        if names().all(str::is_empty) {
            return Ok(Self::default());
        }
        if names().any(|name| name == "none") {
            let is_alone = names().all(|name| matches!(name, "none" | ""));
            return if is_alone { Ok(Self::NONE) } else { Err(PropagatorsError::NoneBesideOthers) };
        }
        let mut propagators = Self::new(&[], &[]);
        for (i, name) in names().enumerate().filter(|(_, name)| !name.is_empty() && *name != "baggage") {
            let format: Format = name.parse().map_err(|_| PropagatorsError::Unknown { position: i + 1 })?;
            propagators = match format {
                Format::B3 | Format::B3Multi => propagators.extracting(Format::B3).extracting(Format::B3Multi),
                other => propagators.extracting(other),
            };
            propagators = propagators.injecting(format);
        }
        Ok(propagators)
    }
}
