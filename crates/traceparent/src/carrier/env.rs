use std::{
    env,
    ffi::{OsStr, OsString},
    process::Command,
    string::ToString,
};

use crate::{Incoming, Outgoing, trim_ows};

const TRACEPARENT: &str = "TRACEPARENT";
const TRACESTATE: &str = "TRACESTATE";

/// The context that a process has received in its environment, as `TRACEPARENT` and `TRACESTATE`.
///
/// A variable that is empty counts as not set.
///
/// [OpenTelemetry: environment variables](https://opentelemetry.io/docs/specs/otel/context/env-carriers/)
///
/// ```
/// use std::process::Command;
/// use traceparent::{Policy, RandomIdGenerator, carrier::{CommandExt, EnvContext}, sampler::AlwaysOn};
///
/// let environment = EnvContext::of_process();
/// let span = Policy::new(AlwaysOn).apply(environment.incoming(), &RandomIdGenerator);
/// let child = Command::new("make").trace_context(&span);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvContext {
    traceparent: OsString,
    tracestate: OsString,
}

impl EnvContext {
    /// Returns the context in the environment of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self::from_fn(|name| env::var_os(name))
    }

    /// Creates a context from a function that returns the value of a variable.
    ///
    /// ```
    /// use traceparent::{ErrorKind, Incoming, carrier::EnvContext};
    ///
    /// let environment = EnvContext::from_fn(|name| (name == "TRACEPARENT").then(|| "00-abc".into()));
    /// assert_eq!(environment.incoming().error().unwrap().kind(), ErrorKind::TooShort);
    ///
    /// let environment = EnvContext::from_fn(|_| Some("".into()));
    /// assert_eq!(environment.incoming(), Incoming::Absent);
    /// ```
    pub fn from_fn(mut variable: impl FnMut(&str) -> Option<OsString>) -> Self {
        let mut value = |name| variable(name).unwrap_or_default();
        Self { traceparent: value(TRACEPARENT), tracestate: value(TRACESTATE) }
    }

    /// Parses the context.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming::from_values(value(&self.traceparent), value(&self.tracestate))
    }
}

fn value(variable: &OsStr) -> Option<&[u8]> {
    Some(trim_ows(variable.as_encoded_bytes())).filter(|value| !value.is_empty())
}

/// Commands that pass a context on.
pub trait CommandExt {
    /// Sets the variables `TRACEPARENT` and `TRACESTATE` of the child process.
    ///
    /// Without a `tracestate` to send, the child does not inherit the variable of this process.
    ///
    /// ```
    /// use std::{ffi::OsStr, process::Command};
    /// use traceparent::{Incoming, Policy, RandomIdGenerator, carrier::CommandExt, sampler::AlwaysOn};
    ///
    /// let span = Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator);
    /// let mut command = Command::new("make");
    /// command.arg("test").trace_context(&span);
    /// assert!(command.get_envs().any(|variable| variable == (OsStr::new("TRACESTATE"), None)));
    /// ```
    fn trace_context(&mut self, span: &Outgoing<'_>) -> &mut Self;
}

impl CommandExt for Command {
    fn trace_context(&mut self, span: &Outgoing<'_>) -> &mut Self {
        for (name, (_, value)) in [TRACEPARENT, TRACESTATE].into_iter().zip(span.fields()) {
            match value {
                Some(value) => self.env(name, value.to_string()),
                None => self.env_remove(name),
            };
        }
        self
    }
}
