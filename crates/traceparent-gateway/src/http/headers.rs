use hyper::{
    HeaderMap, Uri, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
    },
    http::request,
};

use super::{
    fields::FieldRules,
    forwarded::add_forwarded,
    target::is_whole_server,
    tokens::{has_token, tokens},
    via::Pseudonym,
};
use crate::config::Forwarded;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

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
    /// The client's address, as [`address`](super::forwarded::address) writes it.
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
    add_forwarded(&mut parts.headers, options.client, options.scheme, options.forwarded);
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
    fn http_2_has_no_fields_about_connections() {
        let request = Request::get("http://shop.example/").version(Version::HTTP_2).header("te", "trailers");
        let headers = passed_over_http2(request);
        assert_eq!(
            (&headers[TE], headers.get(CONNECTION), headers.get(HOST)),
            (&HeaderValue::from_static("trailers"), None, None)
        );
        assert_eq!(
            (&headers["x-forwarded-host"], headers[VIA].to_str().unwrap().starts_with("2.0 traceparent-gateway-")),
            (&HeaderValue::from_static("shop.example"), true)
        );
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
