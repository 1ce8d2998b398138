//! The attributes of a request's span, by OpenTelemetry's semantic conventions.
//!
//! [HTTP spans](https://opentelemetry.io/docs/specs/semconv/http/http-spans/)

use std::net::SocketAddr;

use hyper::{
    Method, Request, Uri, Version,
    header::{HOST, USER_AGENT},
    http::uri::Authority,
};
use traceparent_formats::Format;
use traceparent_http::semconv::{
    CLIENT_ADDRESS, HTTP_REQUEST_METHOD, HTTP_REQUEST_METHOD_ORIGINAL, HTTP_ROUTE, KNOWN_METHODS, NETWORK_PEER_ADDRESS,
    NETWORK_PEER_PORT, NETWORK_PROTOCOL_VERSION, OTHER_METHOD, SERVER_ADDRESS, SERVER_PORT, TRACEPARENT_CONFLICT,
    TRACEPARENT_FORMAT, URL_FULL, URL_PATH, URL_QUERY, URL_SCHEME, USER_AGENT_ORIGINAL, protocol_version,
};

use super::{Attributes, address::AddressText, forwarded::ForwardedRequest, headers::HeaderAttributes};
use crate::{
    config::{Forwarded, SpanLimits, Tracing},
    http::{PeerTls, host, is_host},
};

/// The length at which received texts are cut, in bytes.
const TEXT_LIMIT: usize = 512;

/// The room for the attributes of an ordinary request, in bytes.
const SERVER_BYTES: usize = 512;

/// The room for the attributes of an ordinary call, in bytes.
const CLIENT_BYTES: usize = 384;

/// [OpenTelemetry: `tls.client.subject`](https://opentelemetry.io/docs/specs/semconv/registry/attributes/tls/)
const TLS_CLIENT_SUBJECT: &str = "tls.client.subject";

/// The facts about a request that are not in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestInfo<'a> {
    /// The other end of the connection.
    pub(crate) peer: Option<SocketAddr>,
    /// The TLS of the connection, if it has any.
    pub(crate) tls: Option<&'a PeerTls>,
    /// Whether to believe the fields of other proxies.
    pub(crate) forwarded: Forwarded,
    pub(crate) route: Option<&'a str>,
}

/// The conventions for the spans of requests, as the operator has configured them.
#[derive(Clone, Debug)]
pub(crate) struct Conventions {
    /// The methods that spans name.
    methods: &'static [&'static str],
    headers: HeaderAttributes,
    /// The attributes of every span.
    fixed: Attributes,
    limits: SpanLimits,
}

impl Conventions {
    pub(crate) fn new(tracing: &Tracing, limits: SpanLimits) -> Self {
        let configured = &tracing.span_attributes;
        let mut fixed = Attributes::new(limits);
        for (key, value) in &configured.fixed {
            fixed.push(key, value);
        }
        Self {
            methods: tracing.known_methods.unwrap_or(&KNOWN_METHODS),
            headers: HeaderAttributes::new(configured),
            fixed,
            limits,
        }
    }

    /// Returns the name of a method that the conventions know: names of spans hold no client's invention.
    ///
    /// [OpenTelemetry: `http.request.method`](https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/)
    pub(crate) fn known_method(&self, method: &Method) -> Option<&'static str> {
        self.methods.iter().find(|known| **known == method.as_str()).copied()
    }

    /// Returns the attributes of the span that serves a request, with the known name of its method.
    pub(crate) fn of_server<B>(
        &self,
        request: &Request<B>,
        known: Option<&'static str>,
        info: RequestInfo<'_>,
    ) -> Attributes {
        let (uri, headers) = (request.uri(), request.headers());
        let mut attributes = Attributes::with_capacity(self.limits, SERVER_BYTES);
        push_method(&mut attributes, request.method(), known);
        let forwarded = match info.forwarded {
            Forwarded::Append => ForwardedRequest::new(headers),
            Forwarded::Replace => ForwardedRequest::default(),
        };
        let scheme = forwarded.scheme.unwrap_or(if info.tls.is_some() { "https" } else { "http" });
        attributes.push(URL_SCHEME, scheme);
        attributes.push(URL_PATH, cut(uri.path()));
        if let Some(query) = uri.query() {
            attributes.push(URL_QUERY, &redacted(query));
        }
        if let Some(route) = info.route {
            attributes.push(HTTP_ROUTE, route);
        }
        let named = || headers.get(HOST)?.to_str().ok();
        let authority = forwarded.host.as_deref().or_else(|| uri.authority().map(Authority::as_str)).or_else(named);
        if let Some(host) = authority.map(host).filter(|host| is_host(host.as_bytes())) {
            push_server(&mut attributes, scheme, host, forwarded.port);
        }
        if let Some(peer) = info.peer {
            let peer = canonical(peer);
            let text = AddressText::new(peer.ip());
            let client = forwarded.client.map_or(text, AddressText::new);
            attributes.push_ascii(CLIENT_ADDRESS, client.as_bytes());
            push_peer_as(&mut attributes, text, peer.port());
        }
        if let Some(subject) = info.tls.and_then(|tls| tls.subject.as_deref()) {
            attributes.push(TLS_CLIENT_SUBJECT, cut(subject));
        }
        push_version(&mut attributes, request.version());
        if let Some(agent) = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()) {
            attributes.push(USER_AGENT_ORIGINAL, cut(agent));
        }
        attributes.extend(&self.fixed);
        self.headers.push_to(&mut attributes, headers);
        attributes
    }

    /// Returns the attributes that all requests to an upstream share.
    pub(crate) fn of_upstream(&self, scheme: &str, authority: Option<&Authority>) -> Attributes {
        let mut attributes = Attributes::new(self.limits);
        if let Some(authority) = authority {
            push_server(&mut attributes, scheme, host(authority.as_str()), None);
        }
        attributes
    }

    /// Returns the attributes of the span that makes a request to this URL, with the known name of its method, and the
    /// attributes of the upstream.
    pub(crate) fn of_client(
        &self,
        method: &Method,
        known: Option<&'static str>,
        target: &Uri,
        upstream: &Attributes,
    ) -> Attributes {
        let mut attributes = Attributes::with_capacity(self.limits, CLIENT_BYTES);
        push_method(&mut attributes, method, known);
        attributes.extend(upstream);
        if let Some(authority) = target.authority() {
            let scheme = target.scheme_str().unwrap_or("http");
            let host = host(authority.as_str());
            let query = target.query().map(redacted);
            let (mark, query) = query.as_ref().map_or(("", ""), |query| ("?", query));
            push_cut(&mut attributes, URL_FULL, &[scheme, "://", host, target.path(), mark, query]);
        }
        attributes.extend(&self.fixed);
        attributes
    }
}

/// Adds the method, with its name if it is known.
fn push_method(attributes: &mut Attributes, method: &Method, known: Option<&'static str>) {
    attributes.push(HTTP_REQUEST_METHOD, known.unwrap_or(OTHER_METHOD));
    if known.is_none() {
        attributes.push(HTTP_REQUEST_METHOD_ORIGINAL, cut(method.as_str()));
    }
}

/// Returns an address of IPv4 as such, however the socket has it.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Adds the address of the other end of a connection.
pub(crate) fn push_peer(attributes: &mut Attributes, peer: SocketAddr) {
    let peer = canonical(peer);
    push_peer_as(attributes, AddressText::new(peer.ip()), peer.port());
}

fn push_peer_as(attributes: &mut Attributes, address: AddressText, port: u16) {
    attributes.push_ascii(NETWORK_PEER_ADDRESS, address.as_bytes());
    attributes.push_number(NETWORK_PEER_PORT, port);
}

/// Adds the version of HTTP.
pub(crate) fn push_version(attributes: &mut Attributes, version: Version) {
    if let Some(version) = protocol_version(version) {
        attributes.push(NETWORK_PROTOCOL_VERSION, version);
    }
}

/// Adds the format of the received context that is used, and that of one that names another trace.
pub(crate) fn push_formats(attributes: &mut Attributes, format: Option<Format>, conflict: Option<Format>) {
    if let Some(format) = format {
        attributes.push(TRACEPARENT_FORMAT, format.as_str());
    }
    if let Some(conflict) = conflict {
        attributes.push(TRACEPARENT_CONFLICT, conflict.as_str());
    }
}

/// Adds a host and a port, which is the given one, that of the host, or the default of the scheme.
fn push_server(attributes: &mut Attributes, scheme: &str, host: &str, port: Option<u16>) {
    let (name, own) = match host.strip_prefix('[') {
        Some(literal) => literal.split_once(']').unwrap_or((literal, "")),
        None => host.split_at(host.bytes().position(|byte| byte == b':').unwrap_or(host.len())),
    };
    attributes.push(SERVER_ADDRESS, cut(name));
    let own = || own.strip_prefix(':')?.parse().ok();
    let default = if scheme == "https" { 443 } else { 80 };
    attributes.push_number(SERVER_PORT, port.or_else(own).unwrap_or(default));
}

/// Adds the text that is made of these parts, up to the limit.
fn push_cut(attributes: &mut Attributes, key: &str, parts: &[&str]) {
    if parts.iter().map(|part| part.len()).sum::<usize>() > TEXT_LIMIT {
        attributes.push(key, cut(&parts.concat()));
    } else {
        attributes.push_joined(key, parts);
    }
}

/// Returns a query with all its values removed, because they may be secrets.
pub(crate) fn redacted(query: &str) -> String {
    let mut out = String::with_capacity(query.len().min(TEXT_LIMIT));
    for parameter in query.split('&') {
        let name = parameter.split_once('=').map(|(name, _)| name);
        let separator = if out.is_empty() { "" } else { "&" };
        if out.len() + separator.len() + name.map_or(0, |name| name.len() + 1) + "REDACTED".len() > TEXT_LIMIT {
            break;
        }
        out.push_str(separator);
        if let Some(name) = name {
            out.push_str(name);
            out.push('=');
        }
        if !parameter.is_empty() {
            out.push_str("REDACTED");
        }
    }
    out
}

/// Returns the text up to the limit.
pub(crate) fn cut(text: &str) -> &str {
    if text.len() <= TEXT_LIMIT {
        return text;
    }
    let end = (0..=TEXT_LIMIT).rev().find(|end| text.is_char_boundary(*end));
    end.map_or("", |end| &text[..end])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::SpanAttributes;

    fn conventions(span_attributes: SpanAttributes) -> Conventions {
        Conventions::new(&Tracing { span_attributes, ..Tracing::of_service("s") }, SpanLimits::default())
    }

    fn listed(attributes: &Attributes) -> Vec<String> {
        attributes.iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    #[test]
    fn unknown_methods_have_no_name() {
        let conventions = conventions(SpanAttributes::default());
        for known in ["PATCH", "QUERY"] {
            assert_eq!(conventions.known_method(&known.parse().unwrap()), Some(known));
        }
        let tracing = Tracing { known_methods: Some(&["BREW"]), ..Tracing::of_service("s") };
        let brewing = Conventions::new(&tracing, SpanLimits::default());
        assert_eq!(brewing.known_method(&Method::from_bytes(b"BREW").unwrap()), Some("BREW"));
        assert_eq!(brewing.known_method(&Method::PATCH), None);
        assert_eq!(conventions.known_method(&Method::from_bytes(b"get").unwrap()), None);
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("/a"), "/a");
        assert_eq!(cut(&"a".repeat(TEXT_LIMIT + 1)).len(), TEXT_LIMIT);
        assert_eq!(cut(&"\u{20ac}".repeat(TEXT_LIMIT)).len(), TEXT_LIMIT - TEXT_LIMIT % 3);
    }

    #[test]
    fn the_values_of_queries_are_redacted() {
        let cases = [
            ("", ""),
            ("secret", "REDACTED"),
            ("a=secret", "a=REDACTED"),
            ("a=secret&b=&secret", "a=REDACTED&b=REDACTED&REDACTED"),
            ("a=secret=secret", "a=REDACTED"),
        ];
        for (query, expected) in cases {
            assert_eq!(redacted(query), expected);
        }
        assert!(redacted(&"a=1&".repeat(1000)).len() <= TEXT_LIMIT);
        assert_eq!(redacted(&format!("{}=1", "a".repeat(TEXT_LIMIT))), "");
    }

    #[test]
    fn a_served_request_is_described_by_the_conventions() {
        let request = Request::builder()
            .method("POST")
            .uri("/orders/7?token=1")
            .header("host", "shop.example:81")
            .header("user-agent", "curl/8")
            .header("x-forwarded-for", "192.0.2.1, 10.0.0.1")
            .header("x-shop-tenant-id", " acme ")
            .header("x-shop-tenant-id", "second")
            .header("x-shop-http-route", "forged")
            .header("x-shop-environment", "forged")
            .header("x-shop-", "nothing")
            .body(())
            .unwrap();
        let info = |forwarded| RequestInfo {
            tls: None,
            peer: Some("127.0.0.1:4000".parse().unwrap()),
            forwarded,
            route: Some("/orders"),
        };
        let conventions = conventions(SpanAttributes {
            header_prefixes: vec!["x-shop-".to_owned()],
            attribute_prefix: Some("shop".to_owned()),
            fixed: vec![("environment".to_owned(), "test".to_owned())],
        });
        assert_eq!(
            listed(&conventions.of_server(&request, Some("POST"), info(Forwarded::Append))),
            [
                "http.request.method=POST",
                "url.scheme=http",
                "url.path=/orders/7",
                "url.query=token=REDACTED",
                "http.route=/orders",
                "server.address=shop.example",
                "server.port=81",
                "client.address=192.0.2.1",
                "network.peer.address=127.0.0.1",
                "network.peer.port=4000",
                "network.protocol.version=1.1",
                "user_agent.original=curl/8",
                "environment=test",
                "shop.tenant.id=acme",
                "shop.http.route=forged",
                "shop.environment=forged",
            ]
        );
        let disbelieved = listed(&conventions.of_server(&request, Some("POST"), info(Forwarded::Replace)));
        assert!(disbelieved.contains(&"client.address=127.0.0.1".to_owned()));
    }

    #[test]
    fn a_call_is_described_by_the_conventions() {
        let (method, target) = (Method::from_bytes(b"BREW").unwrap(), Uri::from_static("http://u:p@[::1]/pot?a=b"));
        let conventions = conventions(SpanAttributes::default());
        let upstream = conventions.of_upstream("http", target.authority());
        let attributes = conventions.of_client(&method, None, &target, &upstream);
        assert_eq!(
            listed(&attributes),
            [
                "http.request.method=_OTHER",
                "http.request.method_original=BREW",
                "server.address=::1",
                "server.port=80",
                "url.full=http://[::1]/pot?a=REDACTED",
            ]
        );
    }

    #[test]
    fn what_a_trusted_proxy_says_holds() {
        let described = |fields: &[(&str, &str)], forwarded| {
            let mut request = Request::builder().uri("/").header("host", "inner.example:8080");
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let peer = Some("10.0.0.1:4000".parse().unwrap());
            let info = RequestInfo { peer, tls: None, forwarded, route: None };
            let request = request.body(()).unwrap();
            let attributes = conventions(SpanAttributes::default()).of_server(&request, Some("GET"), info);
            let keys = [URL_SCHEME, SERVER_ADDRESS, SERVER_PORT, CLIENT_ADDRESS];
            keys.map(|key| attributes.get(key).unwrap().to_string())
        };
        let x_fields =
            [("x-forwarded-proto", "https"), ("x-forwarded-host", "shop.example"), ("x-forwarded-for", "192.0.2.1")];
        let own = ["http", "inner.example", "8080", "10.0.0.1"];
        assert_eq!(described(&x_fields, Forwarded::Replace), own);
        for (fields, expected) in [
            (&[][..], own),
            (&x_fields, ["https", "shop.example", "443", "192.0.2.1"]),
            (
                &[("forwarded", "for=192.0.2.1;proto=https;host=shop.example")],
                ["https", "shop.example", "443", "192.0.2.1"],
            ),
            (&[("forwarded", "host=\"shop.example:81\"")], ["http", "shop.example", "81", "10.0.0.1"]),
            (&[("forwarded", "host=\"[2001:db8::1]\";proto=https")], ["https", "2001:db8::1", "443", "10.0.0.1"]),
            (
                &[("x-forwarded-host", "shop.example"), ("x-forwarded-port", "8443")],
                ["http", "shop.example", "8443", "10.0.0.1"],
            ),
            (&[("x-forwarded-proto", "https")], ["https", "inner.example", "8080", "10.0.0.1"]),
        ] {
            assert_eq!(described(fields, Forwarded::Append), expected, "{fields:?}");
        }
    }
}
