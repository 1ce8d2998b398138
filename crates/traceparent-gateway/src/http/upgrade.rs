use hyper::{
    HeaderMap, Version,
    header::{CONNECTION, HeaderValue, UPGRADE},
    http::request,
};

use super::tokens::{has_token, is_token, tokens};

/// The protocols that a connection may not become: requests in them would pass every rule unseen.
const TUNNELS: [&str; 4] = ["h2c", "h2", "http", "tls"];

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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hyper::Request;

    use super::*;

    fn wanted(request: request::Builder) -> Option<HeaderValue> {
        upgrade(&request.body(()).unwrap().into_parts().0)
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
}
