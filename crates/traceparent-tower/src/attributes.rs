use std::{borrow::Cow, cell::OnceCell};

use http::{
    Extensions, HeaderMap, Uri,
    header::{HOST, USER_AGENT},
    request::Parts,
};
use traceparent::sampler::{AttributeValue, Attributes};
use traceparent_http::semconv::{self, grpc_method, known_method, protocol_version};

/// What a sampler can ask of a request, under the names of OpenTelemetry's conventions for HTTP.
///
/// [OpenTelemetry: HTTP spans](https://opentelemetry.io/docs/specs/semconv/http/http-spans/)
pub(crate) struct RequestAttributes<'a> {
    parts: &'a Parts,
    host: OnceCell<Cow<'a, str>>,
}

impl<'a> RequestAttributes<'a> {
    pub(crate) const fn new(parts: &'a Parts) -> Self {
        Self { parts, host: OnceCell::new() }
    }

    fn host(&self) -> Option<&str> {
        let host = self.host.get_or_init(|| host(&self.parts.uri, &self.parts.headers));
        Some(host.trim_start_matches('[').trim_end_matches(']')).filter(|host| !host.is_empty())
    }
}

impl Attributes for RequestAttributes<'_> {
    fn attribute(&self, key: &str) -> Option<AttributeValue<'_>> {
        let Parts { method, uri, version, headers, .. } = self.parts;
        let header = |name: &str| headers.get(name)?.to_str().ok();
        match key {
            semconv::HTTP_REQUEST_METHOD => Some(known_method(method).unwrap_or(semconv::OTHER_METHOD).into()),
            semconv::HTTP_ROUTE => route(self.parts).map(Into::into),
            semconv::NETWORK_PROTOCOL_VERSION => protocol_version(*version).map(Into::into),
            semconv::RPC_METHOD => grpc_method(&self.parts.headers, &self.parts.uri).map(Into::into),
            semconv::RPC_SYSTEM_NAME => grpc_method(&self.parts.headers, &self.parts.uri).map(|_| "grpc".into()),
            semconv::SERVER_ADDRESS => self.host().map(Into::into),
            semconv::SERVER_PORT => port(uri, headers).map(|port| i64::from(port).into()),
            semconv::URL_PATH => Some(uri.path().into()),
            semconv::URL_QUERY => uri.query().map(Into::into),
            semconv::URL_SCHEME => uri.scheme_str().map(Into::into),
            semconv::USER_AGENT_ORIGINAL => header(USER_AGENT.as_str()).map(Into::into),
            _ => header(key.strip_prefix(semconv::HTTP_REQUEST_HEADER)?).map(Into::into),
        }
    }
}

/// Returns the name of a server's span: its method and, if a router has matched one, its route.
pub(crate) fn span_name(request: &Parts) -> Cow<'_, str> {
    if let Some(method) = grpc_method(&request.headers, &request.uri) {
        return Cow::Borrowed(method);
    }
    let method = known_method(&request.method).unwrap_or("HTTP");
    route(request).map_or(Cow::Borrowed(method), |route| Cow::Owned(format!("{method} {route}")))
}

fn route(request: &Parts) -> Option<&str> {
    matched_route(&request.extensions)
}

/// Returns the route that axum's router has matched.
#[cfg(feature = "axum")]
pub(crate) fn matched_route(request: &Extensions) -> Option<&str> {
    request.get::<axum::extract::MatchedPath>().map(axum::extract::MatchedPath::as_str)
}

#[cfg(not(feature = "axum"))]
pub(crate) fn matched_route(_: &Extensions) -> Option<&str> {
    None
}

/// Returns the host that a request is for, as [`EgressPolicy`](crate::EgressPolicy) describes it.
pub(crate) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Cow<'a, str> {
    let host = uri.host().or_else(|| Some(split(authority(headers)?).0));
    normal(host.unwrap_or_default())
}

/// Returns a host in lower case and without the dot of a fully qualified name.
pub(crate) fn normal(host: &str) -> Cow<'_, str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

fn port(uri: &Uri, headers: &HeaderMap) -> Option<u16> {
    if uri.host().is_some() { uri.port_u16() } else { split(authority(headers)?).1?.parse().ok() }
}

fn authority(headers: &HeaderMap) -> Option<&str> {
    headers.get(HOST)?.to_str().ok()
}

fn split(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, Some(port)),
        _ => (authority, None),
    }
}
