use std::net::IpAddr;

use hyper::{
    HeaderMap, Uri, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
    },
    http::request,
};

use super::{
    fields::FieldRules,
    target::is_whole_server,
    tokens::{has_token, is_token, tokens},
    via::Pseudonym,
};
use crate::config::Forwarded;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The fields of a single connection, besides those that `Connection` names.
///
/// [RFC 9110, section 7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    KEEP_ALIVE,
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// How to forward the head of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForwardOptions<'a> {
    /// The client's address, as [`address`] writes it.
    pub(crate) client: &'a HeaderValue,
    /// The scheme of the received request: `http` or `https`.
    pub(crate) scheme: &'static str,
    pub(crate) forwarded: Forwarded,
    /// The protocols to which the client wants to upgrade.
    pub(crate) upgrade: Option<&'a HeaderValue>,
    /// The fields that do not go on.
    pub(crate) rules: &'a FieldRules,
    pub(crate) pseudonym: &'a Pseudonym,
}

/// The protocols that a connection may not become: requests in them would pass every rule unseen.
const TUNNELS: [&str; 4] = ["h2c", "h2", "http", "tls"];

/// Returns an address in the form of fields: IPv4 in its own form, even if the system has mapped it to IPv6.
pub(crate) fn address(address: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_canonical().to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

/// Turns the received headers of a request into those that are forwarded.
pub(crate) fn forward_request(parts: &mut request::Parts, options: ForwardOptions<'_>) {
    let trailers = has_token(&parts.headers, &TE, "trailers");
    remove_hop_by_hop(&mut parts.headers);
    if parts.version < Version::HTTP_11 {
        // Such a client cannot wait for an interim response (RFC 9110, section 10.1.1).
        parts.headers.remove(EXPECT);
    }
    options.rules.apply(&mut parts.headers);
    // The host of an absolute target overrules the field (RFC 9112, section 3.2.2).
    let authority = parts.uri.authority().map(|authority| host(authority.as_str()));
    if let Some(Ok(host)) = authority.map(HeaderValue::from_str) {
        parts.headers.insert(HOST, host);
    }
    add_forwarded(&mut parts.headers, options);
    if trailers {
        parts.headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(upgrade) = options.upgrade {
        parts.headers.insert(UPGRADE, upgrade.clone());
    }
    options.pseudonym.append(parts.version, &mut parts.headers);
    if is_whole_server(parts) {
        parts.uri = Uri::from_static("*");
    }
}

/// Turns a forwarded head, of the received version, into one of HTTP/1.1.
pub(super) fn suit_http1(parts: &mut request::Parts) {
    if parts.headers.contains_key(UPGRADE) {
        parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    } else if parts.headers.contains_key(TE) {
        parts.headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    if parts.version == Version::HTTP_2 {
        join_cookies(&mut parts.headers);
    }
    parts.version = Version::HTTP_11;
}

/// Turns a forwarded head into one of HTTP/2.
pub(super) fn suit_http2(parts: &mut request::Parts) {
    // HTTP/2 has `:authority` in its place.
    parts.headers.remove(HOST);
    parts.version = Version::HTTP_2;
}

/// Joins the cookies, which HTTP/2 may split.
///
/// [RFC 9113, section 8.2.3](https://www.rfc-editor.org/rfc/rfc9113#section-8.2.3)
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<_> = headers.get_all(COOKIE).into_iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(mut joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        joined.set_sensitive(true);
        headers.insert(COOKIE, joined);
    }
}

/// Removes the fields of this connection.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // Most heads name none besides those that go anyway.
    let named = tokens(headers, &CONNECTION).filter(|name| !KEEP_ALIVE.as_str().as_bytes().eq_ignore_ascii_case(name));
    let named = named.filter_map(|name| HeaderName::from_bytes(name).ok());
    // What is meant for the end of the way, or frames the body, is not about a connection.
    let named: Vec<HeaderName> = named.filter(|name| *name != HOST && *name != CONTENT_LENGTH).collect();
    for name in &named {
        headers.remove(name);
    }
    while let Some(name) = HOP_BY_HOP.iter().find(|name| headers.keys().any(|other| other == *name)) {
        headers.remove(name);
    }
}

/// Returns the size of a field section.
///
/// [RFC 9113, section 6.5.2](https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2)
pub(crate) fn section_size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}

/// Returns the protocols that a client wants its connection to become, such as a WebSocket, or `None` if it does not ask
/// properly: one that is no protocol, or that would tunnel requests past the gateway, spoils the list.
///
/// [RFC 9110, section 7.8](https://www.rfc-editor.org/rfc/rfc9110#section-7.8)
pub(crate) fn upgrade(parts: &request::Parts) -> Option<HeaderValue> {
    if parts.version != Version::HTTP_11 || !has_token(&parts.headers, &CONNECTION, "upgrade") {
        return None;
    }
    let protocols: Vec<&[u8]> = tokens(&parts.headers, &UPGRADE).collect();
    if protocols.is_empty() || !protocols.iter().all(|protocol| may_become(protocol)) {
        return None;
    }
    HeaderValue::from_bytes(&protocols.join(&b", "[..])).ok()
}

fn may_become(protocol: &[u8]) -> bool {
    let mut parts = protocol.splitn(2, |byte| *byte == b'/');
    let is_tunnel = |name: &[u8]| TUNNELS.iter().any(|tunnel| name.eq_ignore_ascii_case(tunnel.as_bytes()));
    parts.next().is_some_and(|name| is_token(name) && !is_tunnel(name)) && parts.next().is_none_or(is_token)
}

/// Returns whether an upstream switches to protocols that it was asked for, and names them.
pub(crate) fn is_asked_for(upgrade: &HeaderValue, response: &HeaderMap) -> bool {
    let asked: Vec<&[u8]> = upgrade.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect();
    let mut chosen = tokens(response, &UPGRADE).peekable();
    chosen.peek().is_some() && chosen.all(|protocol| asked.iter().any(|other| other.eq_ignore_ascii_case(protocol)))
}

fn is_claim(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-forwarded-") || *name == FORWARDED || *name == X_REAL_IP
}

/// Adds the fields about the origin of the request.
fn add_forwarded(headers: &mut HeaderMap, options: ForwardOptions<'_>) {
    match options.forwarded {
        Forwarded::Replace => {
            let claims = headers.keys().filter(|name| is_claim(name));
            for claim in claims.cloned().collect::<Vec<_>>() {
                headers.remove(claim);
            }
            headers.insert(X_FORWARDED_FOR, options.client.clone());
        }
        Forwarded::Append => {
            let client = options.client.to_str().unwrap_or_default();
            let is_ipv6 = client.contains(':');
            if let Some(so_far) = joined(headers, &FORWARDED) {
                let node = if is_ipv6 { format!("\"[{client}]\"") } else { client.to_owned() };
                set(headers, FORWARDED, so_far, &format!("for={node};proto={}", options.scheme));
            }
            match joined(headers, &X_FORWARDED_FOR) {
                Some(so_far) => set(headers, X_FORWARDED_FOR, so_far, client),
                None => drop(headers.insert(X_FORWARDED_FOR, options.client.clone())),
            }
        }
    }
    headers.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static(options.scheme));
    if let Some(host) = headers.get(HOST).cloned() {
        headers.entry(X_FORWARDED_HOST).or_insert(host);
    }
}

/// Returns all fields of this name as one list, or `None` without any.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let values: Vec<_> = headers.get_all(name).into_iter().map(HeaderValue::as_bytes).collect();
    if values.is_empty() { None } else { Some(values.join(&b", "[..])) }
}

/// Sets a list and a last member.
fn set(headers: &mut HeaderMap, name: HeaderName, mut list: Vec<u8>, member: &str) {
    list.extend(b", ");
    list.extend(member.as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&list) {
        headers.insert(name, value);
    }
}

/// Returns an authority without user name and password.
pub(crate) fn host(authority: &str) -> &str {
    let end = authority.bytes().rposition(|byte| byte == b'@');
    end.and_then(|end| authority.get(end + 1..)).unwrap_or(authority)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::LazyLock;

    use hyper::{Method, Request, header::VIA};

    use super::*;

    static CLIENT: HeaderValue = HeaderValue::from_static("192.0.2.1");

    static RULES: LazyLock<FieldRules> = LazyLock::new(FieldRules::default);
    static PSEUDONYM: LazyLock<Pseudonym> = LazyLock::new(Pseudonym::random);

    fn options() -> ForwardOptions<'static> {
        ForwardOptions {
            client: &CLIENT,
            scheme: "http",
            forwarded: Forwarded::Replace,
            upgrade: None,
            rules: &RULES,
            pseudonym: &PSEUDONYM,
        }
    }

    fn forwarded(request: request::Builder) -> HeaderMap {
        passed(request, options())
    }

    fn passed(request: request::Builder, options: ForwardOptions<'_>) -> HeaderMap {
        let mut parts = request.body(()).unwrap().into_parts().0;
        forward_request(&mut parts, options);
        suit_http1(&mut parts);
        parts.headers
    }

    fn passed_over_http2(request: request::Builder) -> HeaderMap {
        let mut parts = request.body(()).unwrap().into_parts().0;
        forward_request(&mut parts, options());
        suit_http2(&mut parts);
        parts.headers
    }

    fn wanted(request: request::Builder) -> Option<HeaderValue> {
        upgrade(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn what_connection_names_is_removed() {
        let headers = forwarded(
            Request::get("/")
                .header("connection", "close, X-One")
                .header("connection", "x-two , not a name")
                .header("x-one", "1")
                .header("x-two", "2")
                .header("x-three", "3")
                .header("keep-alive", "timeout=5")
                .header("upgrade", "websocket")
                .header("te", "gzip"),
        );
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["via", "x-forwarded-for", "x-forwarded-proto", "x-three"]);
    }

    #[test]
    fn the_host_is_about_no_connection() {
        let headers = forwarded(Request::get("/").header("connection", "Host").header("host", "shop.example"));
        assert_eq!(headers[HOST], "shop.example");
    }

    #[test]
    fn trailers_stay_asked_for() {
        let headers = forwarded(Request::get("/").header("te", "gzip, Trailers").header("connection", "te"));
        assert_eq!(headers[TE], "trailers");
        assert_eq!(headers[CONNECTION], "te");
    }

    #[test]
    fn an_absolute_target_overrules_the_host() {
        let headers = forwarded(Request::get("http://shop.example:81/").header("host", "other.example"));
        assert_eq!(headers[HOST], "shop.example:81");
    }

    #[test]
    fn what_clients_claim_gives_way() {
        let headers = forwarded(
            Request::get("/")
                .header("host", "shop.example")
                .header("x-forwarded-for", "10.0.0.1")
                .header("x-forwarded-for", "10.0.0.2")
                .header("x-forwarded-host", "bank.example")
                .header("x-forwarded-proto", "https")
                .header("x-forwarded-port", "443")
                .header("x-real-ip", "10.0.0.1")
                .header("forwarded", "for=10.0.0.1"),
        );
        let fields = headers.iter().filter(|(name, _)| **name != VIA);
        let fields: Vec<_> = fields.map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let mut expected = [
            ("host", "shop.example"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "shop.example"),
        ];
        expected.sort_unstable();
        let mut fields = fields;
        fields.sort_unstable();
        assert_eq!(fields, expected);
    }

    #[test]
    fn what_trusted_proxies_say_is_added_to() {
        let request = || {
            Request::get("/")
                .header("host", "inside.example")
                .header("x-forwarded-for", "10.0.0.1")
                .header("x-forwarded-for", "10.0.0.2")
                .header("x-forwarded-host", "shop.example")
                .header("x-forwarded-proto", "https")
                .header("forwarded", "for=10.0.0.1;proto=https")
        };
        let headers = passed(request(), ForwardOptions { forwarded: Forwarded::Append, ..options() });
        assert_eq!(headers[X_FORWARDED_FOR], "10.0.0.1, 10.0.0.2, 192.0.2.1");
        assert_eq!(headers.get_all(X_FORWARDED_FOR).iter().count(), 1);
        assert_eq!(
            (&headers[X_FORWARDED_HOST], &headers[X_FORWARDED_PROTO]),
            (&HeaderValue::from_static("shop.example"), &HeaderValue::from_static("https"))
        );
        assert_eq!(headers[FORWARDED], "for=10.0.0.1;proto=https, for=192.0.2.1;proto=http");

        let client = &address("2001:db8::1".parse().unwrap());
        let headers = passed(request(), ForwardOptions { client, forwarded: Forwarded::Append, ..options() });
        assert_eq!(headers[FORWARDED], "for=10.0.0.1;proto=https, for=\"[2001:db8::1]\";proto=http");
        let client = &address("::ffff:192.0.2.7".parse().unwrap());
        let headers = passed(Request::get("/"), ForwardOptions { client, forwarded: Forwarded::Append, ..options() });
        assert_eq!(headers[X_FORWARDED_FOR], "192.0.2.7");
        assert!(!headers.contains_key(FORWARDED));
    }

    #[test]
    fn http_2_has_no_fields_about_connections() {
        let request = Request::get("http://shop.example/").version(Version::HTTP_2).header("te", "trailers");
        let headers = passed_over_http2(request);
        assert_eq!(
            (&headers[TE], headers.get(CONNECTION), headers.get(HOST)),
            (&HeaderValue::from_static("trailers"), None, None)
        );
        assert_eq!(
            (&headers[X_FORWARDED_HOST], headers[VIA].to_str().unwrap().starts_with("2.0 traceparent-gateway-")),
            (&HeaderValue::from_static("shop.example"), true)
        );
    }

    #[test]
    fn connections_become_what_is_asked_for_but_not_http_2() {
        let request =
            |connection, upgrade| Request::get("/").header("connection", connection).header("upgrade", upgrade);
        assert_eq!(wanted(request("keep-alive, Upgrade", "websocket")), Some("websocket".parse().unwrap()));
        assert_eq!(wanted(request("keep-alive", "websocket")), None);
        assert_eq!(wanted(request("upgrade, http2-settings", "h2c")), None);
        assert_eq!(wanted(request("upgrade", "websocket, H2C")), None);
        assert_eq!(wanted(Request::get("/").header("connection", "upgrade")), None);
        assert_eq!(wanted(request("upgrade", "websocket").version(Version::HTTP_10)), None);
    }

    #[test]
    fn what_is_no_protocol_is_asked_for_in_vain() {
        let request = |upgrade: &[u8]| {
            let upgrade = HeaderValue::from_bytes(upgrade).unwrap();
            Request::get("/").header("connection", "upgrade").header("upgrade", upgrade)
        };
        for upgrade in
            [&b"\x80, h2c"[..], b"\x80", b"websocket, \x80", b"a b", b"H2C/1", b"HTTP/2.0", b"TLS/1.0", b"", b","]
        {
            assert_eq!(wanted(request(upgrade)), None, "{upgrade:?}");
        }
        assert_eq!(wanted(request(b"websocket").header("upgrade", "h2c")), None);
        assert_eq!(wanted(request(b"chat/1, websocket")), Some(HeaderValue::from_static("chat/1, websocket")));
    }

    #[test]
    fn upstreams_switch_to_what_was_asked_for() {
        let asked = HeaderValue::from_static("chat/1, websocket");
        for (chosen, expected) in
            [("WebSocket", true), ("chat/1", true), ("h2c", false), ("websocket, h2c", false), ("", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(UPGRADE, HeaderValue::from_static(chosen));
            assert_eq!(is_asked_for(&asked, &headers), expected, "{chosen}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_hide_no_name_in_connection() {
        let connection = HeaderValue::from_bytes(b"\x80, X-Hop").unwrap();
        let headers = forwarded(Request::get("/").header("connection", connection).header("x-hop", "1"));
        assert!(!headers.contains_key("x-hop"));
    }

    #[test]
    fn cookies_that_http_2_splits_are_joined() {
        let request =
            || Request::get("http://h/").version(Version::HTTP_2).header("cookie", "a=1").header("cookie", "b=2");
        let headers = forwarded(request());
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
        let headers = passed_over_http2(request());
        assert_eq!(headers.get_all(COOKIE).iter().count(), 2);
    }

    #[test]
    fn an_absolute_target_without_a_path_means_the_whole_server() {
        let request = Request::builder().method(Method::OPTIONS).uri("http://shop.example").header("host", "other");
        let mut parts = request.body(()).unwrap().into_parts().0;
        forward_request(&mut parts, options());
        assert_eq!((parts.uri.path(), &parts.headers[HOST]), ("*", &HeaderValue::from_static("shop.example")));
    }
}
