use std::fmt;

use traceparent::{
    Policy, UnknownTrust,
    sampler::{SamplerConfig, SamplerConfigError},
};

/// Creates the policy of the filter's `configuration`: lines of a name, an equals sign and a value. The names are
/// `trust`, `sampler` and `sampler_arg`, all optional.
pub(crate) fn parse(configuration: &[u8]) -> Result<Policy<SamplerConfig>, Error> {
    let text = str::from_utf8(configuration).map_err(|_| Error::NotText)?;
    let (mut trust, mut sampler, mut argument) = (None, None, None);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once('=').ok_or(Error::UnknownName)?;
        let setting = match name.trim_end() {
            "trust" => &mut trust,
            "sampler" => &mut sampler,
            "sampler_arg" => &mut argument,
            _ => return Err(Error::UnknownName),
        };
        if setting.replace(value.trim_start()).is_some() {
            return Err(Error::Repeated);
        }
    }
    let policy = Policy::new(SamplerConfig::parse(sampler, argument).map_err(Error::Sampler)?);
    Ok(policy.with_trust(trust.map_or(Ok(policy.trust()), str::parse).map_err(Error::Trust)?))
}

/// The error returned when the filter's configuration is invalid. Envoy does not start with it.
#[derive(Debug)]
pub(crate) enum Error {
    NotText,
    UnknownName,
    Repeated,
    Sampler(SamplerConfigError),
    Trust(UnknownTrust),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => f.write_str("not UTF-8"),
            Self::UnknownName => f.write_str("unknown line, expected trust=, sampler= or sampler_arg="),
            Self::Repeated => f.write_str("repeated name"),
            Self::Sampler(error) => error.fmt(f),
            Self::Trust(error) => error.fmt(f),
        }
    }
}
