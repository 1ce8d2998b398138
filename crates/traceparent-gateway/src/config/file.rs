//! The file's own form.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use hyper::http::uri::Scheme;
use serde::Deserialize;
use serde_saphyr::{Location, MessageFormatter, Spanned, UserMessageFormatter};
use traceparent::{Trust, sampler::PercentageSampler};
use traceparent_formats::Propagators;

use self::propagation::{EgressEntry, PropagatorsEntry};
use super::{
    AccessLog, Admin, ClientTls, Config, ConfigError, Environment, Forwarded, Identity, Keep, Limits, Listener,
    LogFormat, Otlp, RequestTracing, Route, Routes, Sampling, ServerTls, SpanAttributes, TraceFields, Tracing,
    Underscores,
    error::Place,
    references::within,
    scalar::{
        Address, AttributeKey, AttributePrefix, BaggageUse, Collector, Connections, Field, FilePath, Flag,
        ForwardedUse, HeaderBytes, HeaderFields, Http2Use, List, LogForm, Name, Percentage, Period, Prefix, Protocol,
        Retries, Secret, Text, TrustLevel, UnderscoresUse, UpstreamUrl,
    },
};

mod propagation;

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
struct ServerTlsEntry {
    certificate: FilePath,
    key: FilePath,
    client_ca: Option<FilePath>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientTlsEntry {
    ca: Option<FilePath>,
    certificate: Option<Spanned<FilePath>>,
    key: Option<Spanned<FilePath>>,
    server_name: Option<Name>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TracingEntry {
    random_sampling: Option<Percentage>,
    client_sampling: Option<Percentage>,
    overall_sampling: Option<Percentage>,
    service_name: Option<Name>,
    keep: Option<KeepEntry>,
    span_attributes: Option<SpanAttributesEntry>,
    trace_fields: Option<TraceFieldsEntry>,
    propagators: Option<PropagatorsEntry>,
    otlp: Option<OtlpEntry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeepEntry {
    errors: Option<Flag>,
    slower_than: Option<Period>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TraceFieldsEntry {
    #[serde(default)]
    remove: Vec<Field>,
    #[serde(default)]
    keep: Vec<Field>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpanAttributesEntry {
    #[serde(default)]
    header_prefixes: Vec<Field>,
    attribute_prefix: Option<AttributePrefix>,
    #[serde(default, rename = "static")]
    fixed: BTreeMap<AttributeKey, Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OtlpEntry {
    endpoint: Option<Spanned<Collector>>,
    tls: Option<ClientTlsEntry>,
    protocol: Option<Protocol>,
    #[serde(default)]
    headers: HashMap<Field, Secret>,
    timeout: Option<Period>,
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

impl ServerTlsEntry {
    /// Fills in the folder of relative paths.
    fn resolve(self, folder: &Path) -> ServerTls {
        let path = |file: FilePath| folder.join(file.0);
        let identity = Identity { certificate: path(self.certificate), key: path(self.key) };
        ServerTls { identity, client_ca: self.client_ca.map(path) }
    }
}

impl ClientTlsEntry {
    /// Fills in the folder of relative paths.
    fn resolve(self, folder: &Path) -> Result<ClientTls, Contradiction> {
        let path = |file: FilePath| folder.join(file.0);
        let identity = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => {
                Some(Identity { certificate: path(certificate.value), key: path(key.value) })
            }
            (Some(certificate), None) => {
                let value = certificate.referenced;
                return Err(Contradiction { key: "tls.certificate", value, what: "the certificate needs its key" });
            }
            (None, Some(key)) => {
                let value = key.referenced;
                return Err(Contradiction { key: "tls.key", value, what: "the key needs its certificate" });
            }
            (None, None) => None,
        };
        Ok(ClientTls { ca: self.ca.map(path), identity, server_name: self.server_name.map(|name| name.0) })
    }
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

impl TraceFieldsEntry {
    fn resolve(&self) -> TraceFields {
        let names = |fields: &[Field]| fields.iter().map(|field| field.0.clone()).collect();
        TraceFields { remove: names(&self.remove), keep: names(&self.keep) }
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

impl TracingEntry {
    fn resolve(self, environment: &Environment, folder: &Path) -> Result<Tracing, Contradiction> {
        let percentages = [self.random_sampling, self.client_sampling, self.overall_sampling];
        let sampling = match environment.sampler {
            Some(sampler) if percentages.iter().all(Option::is_none) => Sampling::Environment(sampler),
            _ => {
                let [random, client, overall] = percentages.map(|percentage| percentage.unwrap_or_default().0);
                Sampling::Percentages(
                    PercentageSampler::new()
                        .with_random_sampling(random)
                        .with_client_sampling(client)
                        .with_overall_sampling(overall),
                )
            }
        };
        let tracing = Tracing::new(self.service_name.map(|name| name.0), sampling, environment);
        let keep = self.keep.unwrap_or_default();
        let span_attributes = self.span_attributes.unwrap_or_default();
        Ok(Tracing {
            keep: Keep {
                errors: keep.errors.is_some_and(|errors| errors.0),
                slower_than: keep.slower_than.map(|period| period.0),
            },
            span_attributes: SpanAttributes {
                header_prefixes: span_attributes.header_prefixes.iter().map(|field| field.0.to_string()).collect(),
                attribute_prefix: span_attributes.attribute_prefix.map(|prefix| prefix.0),
                fixed: span_attributes.fixed.into_iter().map(|(key, value)| (key.0, value.0)).collect(),
            },
            otlp: self.otlp.map(|otlp| otlp.resolve(folder)).transpose()?,
            ..tracing
        })
    }
}

impl OtlpEntry {
    fn resolve(self, folder: &Path) -> Result<Otlp, Contradiction> {
        if let Some(Spanned { value: Collector(url), referenced, .. }) = &self.endpoint
            && self.tls.is_some()
            && url.scheme() != Some(&Scheme::HTTPS)
        {
            let value = *referenced;
            return Err(Contradiction { key: "endpoint", value, what: "tls is set, so write https://" });
        }
        let mut headers: Vec<_> = self.headers.into_iter().map(|(name, value)| (name.0, value.0)).collect();
        headers.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        Ok(Otlp {
            endpoint: self.endpoint.map(|collector| collector.value.0),
            protocol: self.protocol.map(|protocol| protocol.0),
            headers,
            timeout: self.timeout.map(|period| period.0),
            tls: self.tls.map(|tls| tls.resolve(folder)).transpose()?,
        })
    }
}
