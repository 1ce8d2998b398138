use std::net::IpAddr;

use hyper::{
    HeaderMap, Version,
    header::{
        CONNECTION, FORWARDED, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
        TRANSFER_ENCODING, UPGRADE, VIA,
    },
    http::request,
};

use crate::config::Forwarded;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The fields of a single connection, besides those that `Connection` names.
///
/// [RFC 9110, section 7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
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
    pub(crate) forwarded: Forwarded,
    /// Whether the upstream's protocol is HTTP/2.
    pub(crate) http2: bool,
    /// The protocols to which the client wants to upgrade.
    pub(crate) upgrade: Option<&'a HeaderValue>,
}

/// Returns an address in the form of fields: IPv4 in its own form, even if the system has mapped it to IPv6.
pub(crate) fn address(address: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_canonical().to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

/// Turns the received headers of a request into those that are forwarded.
pub(crate) fn forward_request(parts: &mut request::Parts, options: ForwardOptions<'_>) {
    let trailers = accepts_trailers(&parts.headers);
    remove_hop_by_hop(&mut parts.headers);
    // The host of an absolute target overrules the field (RFC 9112, section 3.2.2).
    let authority = parts.uri.authority().map(|authority| host(authority.as_str()));
    if let Some(Ok(host)) = authority.map(HeaderValue::from_str) {
        parts.headers.insert(HOST, host);
    }
    add_forwarded(&mut parts.headers, options);
    if trailers {
        parts.headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if options.http2 {
        // HTTP/2 has `:authority` in its place.
        parts.headers.remove(HOST);
    } else if let Some(upgrade) = options.upgrade {
        parts.headers.insert(UPGRADE, upgrade.clone());
        parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    } else if trailers {
        parts.headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    let via = match parts.version {
        Version::HTTP_10 => "1.0 traceparent-gateway",
        Version::HTTP_2 => "2.0 traceparent-gateway",
        _ => "1.1 traceparent-gateway",
    };
    parts.headers.append(VIA, HeaderValue::from_static(via));
}

/// Returns whether a request names exactly one host, or none in HTTP/1.0 and HTTP/2.
///
/// [RFC 9112, section 3.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2-6)
pub(crate) fn names_one_host(parts: &request::Parts) -> bool {
    let mut hosts = parts.headers.get_all(HOST).into_iter();
    let needed = parts.version == Version::HTTP_11;
    (hosts.next().is_some() || !needed) && hosts.next().is_none()
}

/// Removes the fields of this connection.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named = tokens(headers, &CONNECTION).filter_map(|name| name.parse().ok());
    // `Host` is for the end of the way and never about a connection.
    let named: Vec<HeaderName> = named.filter(|name| *name != HOST).collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Returns the protocols to which a client wants to upgrade its connection, such as `websocket`.
///
/// Returns `None` for `h2c`, which would tunnel requests past the gateway.
pub(crate) fn upgrade(parts: &request::Parts) -> Option<HeaderValue> {
    let asked = parts.version == Version::HTTP_11 && tokens(&parts.headers, &CONNECTION).any(is("upgrade"));
    if !asked || tokens(&parts.headers, &UPGRADE).any(is("h2c")) {
        return None;
    }
    parts.headers.get(UPGRADE).cloned()
}

/// Adds the fields about the origin of the request.
fn add_forwarded(headers: &mut HeaderMap, options: ForwardOptions<'_>) {
    match options.forwarded {
        Forwarded::Replace => {
            let claims = headers.keys().filter(|name| name.as_str().starts_with("x-forwarded-") || **name == FORWARDED);
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
                set(headers, FORWARDED, &format!("{so_far}, for={node};proto=http"));
            }
            match joined(headers, &X_FORWARDED_FOR) {
                Some(so_far) => set(headers, X_FORWARDED_FOR, &format!("{so_far}, {client}")),
                None => drop(headers.insert(X_FORWARDED_FOR, options.client.clone())),
            }
        }
    }
    if !headers.contains_key(X_FORWARDED_PROTO) {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
    if let Some(host) = headers.get(HOST).filter(|_| !headers.contains_key(X_FORWARDED_HOST)).cloned() {
        headers.insert(X_FORWARDED_HOST, host);
    }
}

/// Returns all fields of this name as one list, or `None` without any.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok()).collect();
    if values.is_empty() { None } else { Some(values.join(", ")) }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn is(token: &'static str) -> impl Fn(&str) -> bool {
    move |other| other.eq_ignore_ascii_case(token)
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &TE).any(is("trailers"))
}

/// Returns an iterator over the list members in all fields of this name.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Returns an authority without user name and password.
pub(crate) fn host(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hyper::Request;

    use super::*;

    static CLIENT: HeaderValue = HeaderValue::from_static("192.0.2.1");

    const OPTIONS: ForwardOptions<'_> =
        ForwardOptions { client: &CLIENT, forwarded: Forwarded::Replace, http2: false, upgrade: None };

    fn forwarded(request: request::Builder) -> HeaderMap {
        passed(request, OPTIONS)
    }

    fn passed(request: request::Builder, options: ForwardOptions<'_>) -> HeaderMap {
        let mut parts = request.body(()).unwrap().into_parts().0;
        forward_request(&mut parts, options);
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
        let headers = forwarded(Request::get("http://user@shop.example:81/").header("host", "other.example"));
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
                .header("forwarded", "for=10.0.0.1"),
        );
        let fields: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let mut expected = [
            ("host", "shop.example"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "shop.example"),
            ("via", "1.1 traceparent-gateway"),
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
        let headers = passed(request(), ForwardOptions { forwarded: Forwarded::Append, ..OPTIONS });
        assert_eq!(headers[X_FORWARDED_FOR], "10.0.0.1, 10.0.0.2, 192.0.2.1");
        assert_eq!(headers.get_all(X_FORWARDED_FOR).iter().count(), 1);
        assert_eq!(
            (&headers[X_FORWARDED_HOST], &headers[X_FORWARDED_PROTO]),
            (&HeaderValue::from_static("shop.example"), &HeaderValue::from_static("https"))
        );
        assert_eq!(headers[FORWARDED], "for=10.0.0.1;proto=https, for=192.0.2.1;proto=http");

        let client = &address("2001:db8::1".parse().unwrap());
        let headers = passed(request(), ForwardOptions { client, forwarded: Forwarded::Append, ..OPTIONS });
        assert_eq!(headers[FORWARDED], "for=10.0.0.1;proto=https, for=\"[2001:db8::1]\";proto=http");
        let client = &address("::ffff:192.0.2.7".parse().unwrap());
        let headers = passed(Request::get("/"), ForwardOptions { client, forwarded: Forwarded::Append, ..OPTIONS });
        assert_eq!(headers[X_FORWARDED_FOR], "192.0.2.7");
        assert!(!headers.contains_key(FORWARDED));
    }

    #[test]
    fn http_2_has_no_fields_about_connections() {
        let request = Request::get("http://shop.example/").version(Version::HTTP_2).header("te", "trailers");
        let headers = passed(request, ForwardOptions { http2: true, ..OPTIONS });
        assert_eq!(
            (&headers[TE], headers.get(CONNECTION), headers.get(HOST)),
            (&HeaderValue::from_static("trailers"), None, None)
        );
        assert_eq!(
            (&headers[X_FORWARDED_HOST], &headers[VIA]),
            (&HeaderValue::from_static("shop.example"), &HeaderValue::from_static("2.0 traceparent-gateway"))
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
}
