use hyper::{
    HeaderMap, Version,
    header::{
        CONNECTION, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING,
        UPGRADE, VIA,
    },
    http::request,
};

/// The fields that are about one connection, besides those that `Connection` names.
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

/// Makes the headers that came with a request those that go on.
pub(crate) fn forward_request(parts: &mut request::Parts) {
    let trailers = accepts_trailers(&parts.headers);
    remove_hop_by_hop(&mut parts.headers);
    if trailers {
        parts.headers.insert(TE, HeaderValue::from_static("trailers"));
        parts.headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    // The host of an absolute target overrules the field (RFC 9112, section 3.2.2).
    let authority = parts.uri.authority().map(|authority| host(authority.as_str()));
    if let Some(Ok(host)) = authority.map(HeaderValue::from_str) {
        parts.headers.insert(HOST, host);
    }
    let via = match parts.version {
        Version::HTTP_10 => "1.0 traceparent-gateway",
        _ => "1.1 traceparent-gateway",
    };
    parts.headers.append(VIA, HeaderValue::from_static(via));
}

/// Removes what is not for the next connection.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, &CONNECTION).filter_map(|name| name.parse().ok()).collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &TE).any(|coding| coding.eq_ignore_ascii_case("trailers"))
}

/// The members of a list in all fields of this name.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// An authority without user name and password.
fn host(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hyper::Request;

    use super::*;

    fn forwarded(request: request::Builder) -> HeaderMap {
        let mut parts = request.body(()).unwrap().into_parts().0;
        forward_request(&mut parts);
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
        assert_eq!(names, ["via", "x-three"]);
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
}
