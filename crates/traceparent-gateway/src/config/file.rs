//! The file's own form.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_saphyr::{Location, MessageFormatter, Spanned, UserMessageFormatter};
use traceparent::Trust;
use traceparent_formats::Propagators;

use self::{
    propagation::{EgressEntry, PropagatorsEntry},
    tls::{ClientTlsEntry, ServerTlsEntry},
    tracing::{TraceFieldsEntry, TracingEntry},
};
use super::{
    AccessLog, Admin, ClientTls, Config, ConfigError, Environment, Forwarded, Limits, Listener, LogFormat,
    RequestTracing, Route, Routes, Underscores,
    error::Place,
    references::within,
    scalar::{
        Address, BaggageUse, Connections, Flag, ForwardedUse, HeaderBytes, HeaderFields, Http2Use, List, LogForm, Name,
        Percentage, Period, Prefix, Retries, TrustLevel, UnderscoresUse, UpstreamUrl,
    },
};

mod propagation;
mod tls;
mod tracing;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    listeners: List<ListenerEntry>,
    tracing: Option<TracingEntry>,
    admin: Option<AdminEntry>,
    access_log: Option<AccessLogEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListenerEntry {
    address: Spanned<Address>,
    tls: Option<ServerTlsEntry>,
    trust: Option<TrustLevel>,
    forwarded: Option<ForwardedUse>,
    underscores: Option<UnderscoresUse>,
    propagators: Option<PropagatorsEntry>,
    limits: Option<LimitsEntry>,
    routes: List<RouteEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsEntry {
    header_bytes: Option<HeaderBytes>,
    header_fields: Option<HeaderFields>,
    header_timeout: Option<Period>,
    idle_timeout: Option<Period>,
    connections: Option<Connections>,
    connections_per_address: Option<Connections>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteEntry {
    prefix: Spanned<Prefix>,
    upstream: Spanned<UpstreamUrl>,
    tls: Option<ClientTlsEntry>,
    http2: Option<Http2Use>,
    connect_timeout: Option<Period>,
    timeout: Option<Period>,
    idle_timeout: Option<Period>,
    pool_idle_timeout: Option<Period>,
    retries: Option<Retries>,
    ping_interval: Option<Period>,
    ping_timeout: Option<Period>,
    header_bytes: Option<HeaderBytes>,
    header_fields: Option<HeaderFields>,
    egress: Option<EgressEntry>,
    baggage: Option<BaggageUse>,
    trace: Option<Flag>,
    random_sampling: Option<Percentage>,
    propagators: Option<PropagatorsEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdminEntry {
    address: Spanned<Address>,
    #[serde(default)]
    hosts: Vec<Name>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessLogEntry {
    path: Name,
    format: Option<LogForm>,
}

/// Parses a file's text.
pub(super) fn parse(path: &Path, text: &str) -> Result<File, ConfigError> {
    let mut track = serde_path_to_error::Track::new();
    let options = serde_saphyr::options! { with_snippet: false };
    let parsed = within(path.parent().unwrap_or(Path::new("")), || {
        serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
            File::deserialize(serde_path_to_error::Deserializer::new(deserializer, &mut track))
        })
    });
    parsed.map_err(|error| {
        let position = error.location().map(|location| (location.line(), location.column()));
        // In a path, a mark stands for what is unknown, a point for the whole file, and `value` for what has a position.
        let path_of_key = track.path().to_string();
        let key = path_of_key.strip_suffix(".value").unwrap_or(&path_of_key);
        let key = Some(key.trim_end_matches(['?', '.']).to_owned()).filter(|key| !key.is_empty());
        let what = UserMessageFormatter.format_message(error.without_snippet());
        ConfigError::new(path, Place { position, key }, what)
    })
}

impl File {
    /// Fills in the defaults, and refuses values that contradict each other.
    pub(super) fn resolve(self, path: &Path, environment: &Environment) -> Result<Config, ConfigError> {
        let refuse = |key: String, value: &Location, what: &str| {
            let place = Place { position: Some((value.line(), value.column())), key: Some(key) };
            Err(ConfigError::new(path, place, what))
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let trace_fields = self.tracing.as_ref().and_then(|tracing| tracing.trace_fields.as_ref());
        let trace_fields = trace_fields.map(TraceFieldsEntry::resolve).unwrap_or_default();
        let propagators = self.tracing.as_ref().and_then(|tracing| tracing.propagators.as_ref());
        let propagators = propagators.map(PropagatorsEntry::resolve).or(environment.propagators).unwrap_or_default();
        let mut listeners: Vec<Listener> = Vec::new();
        for (number, entry) in self.listeners.0.into_iter().enumerate() {
            let address = entry.address.value.0;
            if address.port() != 0 && listeners.iter().any(|listener| listener.address == address) {
                let key = format!("listeners[{number}].address");
                return refuse(key, &entry.address.referenced, "another listener has this address");
            }
            let propagators = entry.propagators.as_ref().map_or(propagators, PropagatorsEntry::resolve);
            let mut routes: Vec<Route> = Vec::new();
            for (route, entry) in entry.routes.0.into_iter().enumerate() {
                if routes.iter().any(|other| other.prefix == entry.prefix.value.0) {
                    let key = format!("listeners[{number}].routes[{route}].prefix");
                    return refuse(key, &entry.prefix.referenced, "another route has this prefix");
                }
                let resolved = entry.resolve(folder, propagators);
                routes.push(match resolved {
                    Ok(route) => route,
                    Err(Contradiction { key, value, what }) => {
                        return refuse(format!("listeners[{number}].routes[{route}].{key}"), &value, what);
                    }
                });
            }
            listeners.push(Listener {
                address,
                tls: entry.tls.map(|tls| tls.resolve(folder)),
                trust: entry.trust.map_or_else(Trust::default, |level| level.0),
                forwarded: entry.forwarded.map_or_else(Forwarded::default, |forwarded| forwarded.0),
                underscores: entry.underscores.map_or_else(Underscores::default, |underscores| underscores.0),
                trace_fields: trace_fields.clone(),
                tracing: RequestTracing { propagators, ..RequestTracing::default() },
                limits: entry.limits.map_or_else(Limits::default, LimitsEntry::resolve),
                routes: Routes::new(routes),
            });
        }
        if let Some(admin) = &self.admin {
            let address = admin.address.value.0;
            if address.port() != 0 && listeners.iter().any(|listener| listener.address == address) {
                return refuse("admin.address".into(), &admin.address.referenced, "a listener has this address");
            }
        }
        let tracing = match self.tracing.unwrap_or_default().resolve(environment, folder) {
            Ok(tracing) => tracing,
            Err(Contradiction { key, value, what }) => return refuse(format!("tracing.otlp.{key}"), &value, what),
        };
        Ok(Config {
            listeners,
            tracing,
            admin: self.admin.map(AdminEntry::resolve),
            access_log: self.access_log.map(AccessLogEntry::resolve),
        })
    }
}

/// A value that contradicts another one of the same entry.
struct Contradiction {
    key: &'static str,
    value: Location,
    what: &'static str,
}

impl AdminEntry {
    fn resolve(self) -> Admin {
        let hosts = self.hosts.into_iter().map(|host| host.0.to_ascii_lowercase());
        Admin { address: self.address.value.0, hosts: hosts.collect() }
    }
}

impl AccessLogEntry {
    fn resolve(self) -> AccessLog {
        AccessLog {
            path: Some(self.path.0.into()).filter(|path: &PathBuf| path.as_os_str() != "-"),
            format: self.format.map_or_else(LogFormat::default, |format| format.0),
        }
    }
}

impl LimitsEntry {
    fn resolve(self) -> Limits {
        let default = Limits::default();
        Limits {
            header_bytes: self.header_bytes.map_or(default.header_bytes, |bytes| bytes.0),
            header_fields: self.header_fields.map_or(default.header_fields, |fields| fields.0),
            header_timeout: self.header_timeout.map_or(default.header_timeout, |period| period.0),
            idle_timeout: self.idle_timeout.map_or(default.idle_timeout, |period| period.0),
            connections: self.connections.map_or(default.connections, |connections| connections.0),
            connections_per_address: self
                .connections_per_address
                .map_or(default.connections_per_address, |connections| connections.0),
        }
    }
}

impl RouteEntry {
    fn resolve(self, folder: &Path, propagators: Propagators) -> Result<Route, Contradiction> {
        let Spanned { value: UpstreamUrl(upstream), referenced, .. } = self.upstream;
        if self.tls.is_some() && !upstream.is_tls() {
            return Err(Contradiction { key: "upstream", value: referenced, what: "tls is set, so write https://" });
        }
        let default = Route::to(upstream);
        Ok(Route {
            prefix: self.prefix.value.0,
            tls: self.tls.map_or(Ok(ClientTls::default()), |tls| tls.resolve(folder))?,
            http2: self.http2.map_or(default.http2, |http2| http2.0),
            connect_timeout: self.connect_timeout.map_or(default.connect_timeout, |period| period.0),
            timeout: self.timeout.map(|period| period.0),
            idle_timeout: self.idle_timeout.map(|period| period.0),
            pool_idle_timeout: self.pool_idle_timeout.map_or(default.pool_idle_timeout, |period| period.0),
            retries: self.retries.map_or(default.retries, |retries| retries.0),
            ping_interval: self.ping_interval.map_or(default.ping_interval, |period| period.0),
            ping_timeout: self.ping_timeout.map_or(default.ping_timeout, |period| period.0),
            header_bytes: self.header_bytes.map_or(default.header_bytes, |bytes| bytes.0),
            header_fields: self.header_fields.map_or(default.header_fields, |fields| fields.0),
            egress: self.egress.map_or(default.egress, |egress| egress.0),
            baggage: self.baggage.map_or(default.baggage, |baggage| baggage.0),
            tracing: RequestTracing {
                is_traced: self.trace.is_none_or(|trace| trace.0),
                random_sampling: self.random_sampling.map(|percentage| percentage.0),
                propagators: self.propagators.as_ref().map_or(propagators, PropagatorsEntry::resolve),
            },
            ..default
        })
    }
}
