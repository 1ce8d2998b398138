use std::{borrow::Cow, net::Ipv6Addr};

use hyper::{
    Method, Uri, Version,
    header::{HOST, HeaderValue},
    http::{
        request,
        uri::{PathAndQuery, Scheme},
    },
};

use super::Failure;
use crate::config::percent_encoded;

/// Checks that a request names one host, validly, and has a target that its method may have.
///
/// [RFC 9112, section 3.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2) and
/// [RFC 9113, section 8.3.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.3.1)
///
/// # Errors
///
/// [`Failure::NotOneHost`] without a host where one is needed, with several fields, or with a field and an authority of
/// HTTP/2 that differ. [`Failure::InvalidTarget`] for a host or a target that breaks its grammar.
pub(crate) fn check_target(parts: &request::Parts) -> Result<(), Failure> {
    let mut hosts = parts.headers.get_all(HOST).into_iter();
    let (host, more) = (hosts.next(), hosts.next());
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let is_http2 = parts.version == Version::HTTP_2;
    let is_missing = match parts.version {
        Version::HTTP_2 => host.is_none() && authority.is_none(),
        version => host.is_none() && version == Version::HTTP_11,
    };
    if is_missing || more.is_some() {
        return Err(Failure::NotOneHost);
    }
    let host = host.map(HeaderValue::as_bytes);
    if host.is_some_and(|host| !is_host(host)) || authority.is_some_and(|authority| !is_host(authority)) {
        return Err(Failure::InvalidTarget);
    }
    if let (true, Some(host), Some(authority)) = (is_http2, host, authority)
        && !is_same(host, authority, parts.uri.scheme())
    {
        return Err(Failure::NotOneHost);
    }
    // Only an absolute target may have a query without a path.
    let has_path = !is_http2 || parts.uri.path_and_query().is_none_or(|path| !path.as_str().starts_with('?'));
    if has_path && is_target(&parts.method, &parts.uri) { Ok(()) } else { Err(Failure::InvalidTarget) }
}

/// Percent-encodes the characters of a target that no URI has, such as those beyond ASCII: clients send them, and upstreams may
/// refuse them. Whatever looks at the target later sees what goes on.
///
/// The library refuses what it cannot read: bytes that are not UTF-8, `<` and `>`, `"` in a query and `` ` `` in a path.
///
/// # Errors
///
/// [`Failure::TargetTooLong`] if the target does not fit a URI any more.
pub(crate) fn encode_target(target: &mut Uri) -> Result<(), Failure> {
    let Some(path) = target.path_and_query() else { return Ok(()) };
    let Cow::Owned(encoded) = percent_encoded(path.as_str()) else { return Ok(()) };
    let path = PathAndQuery::try_from(encoded).map_err(|_| Failure::TargetTooLong)?;
    let mut parts = target.clone().into_parts();
    parts.path_and_query = Some(path);
    *target = Uri::from_parts(parts).map_err(|_| Failure::TargetTooLong)?;
    Ok(())
}

/// Returns whether the target is that of `OPTIONS` for the whole server: an absolute one of HTTP/1.1 without a path.
///
/// A path of `/` cannot be told from none after parsing, and counts as none in an absolute target.
///
/// [RFC 9112, section 3.2.4](https://www.rfc-editor.org/rfc/rfc9112#section-3.2.4-3)
pub(crate) fn is_whole_server(parts: &request::Parts) -> bool {
    let is_absolute = parts.uri.scheme().is_some() && parts.version != Version::HTTP_2;
    parts.method == Method::OPTIONS && is_absolute && parts.uri.path_and_query().is_none_or(|path| path == "/")
}

fn is_target(method: &Method, target: &Uri) -> bool {
    let is_http = |scheme: &Scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS;
    match (target.scheme(), target.authority()) {
        (Some(scheme), _) if !is_http(scheme) => return false,
        // The form of CONNECT.
        (None, Some(_)) => return false,
        _ => {}
    }
    target.path().starts_with('/') || (*method == Method::OPTIONS && target.path() == "*")
}

/// Returns whether this is a host with or without a port, and without user information.
///
/// A comma is legal in a registered name. It is refused, because it ends a member in the lists that repeat hosts.
///
/// [RFC 3986, section 3.2.2](https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2)
pub(crate) fn is_host(text: &[u8]) -> bool {
    let (host, rest) = match text.strip_prefix(b"[") {
        Some(literal) => {
            let Some(end) = literal.iter().position(|byte| *byte == b']') else { return false };
            let (address, rest) = literal.split_at(end);
            if !is_ip_literal(address) {
                return false;
            }
            (address, rest.get(1..).unwrap_or_default())
        }
        None => text.split_at(text.iter().position(|byte| *byte == b':').unwrap_or(text.len())),
    };
    let is_name = text.starts_with(b"[") || is_registered_name(host);
    is_name && (rest.is_empty() || rest.strip_prefix(b":").is_some_and(is_port))
}

/// [RFC 3986, section 2](https://www.rfc-editor.org/rfc/rfc3986#section-2)
const fn is_unreserved_or_delimiter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'='
        )
}

/// Whether a byte stands for itself in a name.
const IS_PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = is_unreserved_or_delimiter(byte as u8);
        byte += 1;
    }
    table
};

fn is_registered_name(mut name: &[u8]) -> bool {
    if name.is_empty() {
        return false;
    }
    // Hardly any name is encoded.
    while let Some(end) = name.iter().position(|byte| !IS_PLAIN[usize::from(*byte)]) {
        name = match &name[end..] {
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            _ => return false,
        };
    }
    true
}

fn is_ip_literal(address: &[u8]) -> bool {
    std::str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// A port may be empty.
fn is_port(port: &[u8]) -> bool {
    let number = port.iter().try_fold(0_u32, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        Some(number * 10 + digit).filter(|number| u16::try_from(*number).is_ok())
    });
    number.is_some()
}

/// Returns whether two hosts are the same, with the scheme's port or without one.
fn is_same(one: &[u8], other: &[u8], scheme: Option<&Scheme>) -> bool {
    let port: &[u8] = if scheme == Some(&Scheme::HTTPS) { b":443" } else { b":80" };
    let bare = |host| {
        <[u8]>::strip_suffix(host, port).or_else(|| host.strip_suffix(b":")).unwrap_or(host).to_ascii_lowercase()
    };
    bare(one) == bare(other)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hyper::Request;

    use super::*;

    fn check(request: request::Builder) -> Result<(), Failure> {
        check_target(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn hosts_follow_their_grammar() {
        for host in ["a", "a.example:81", "a:", "[::1]", "[::1]:80", "127.0.0.1:65535", "a_b", "x%20y", "a;b", "~"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            ":80",
            "a/b",
            "u@a",
            "a,b",
            "a b",
            "a:b",
            "a:80:80",
            "a:65536",
            "a:-1",
            "[::1",
            "::1",
            "[::1]x",
            "[a]",
            "[]",
            "a%2",
            "a%zz",
            "a\\b",
            "a?b",
            "a#b",
            "a\"b",
            "<a>",
            "a\tb",
            "[::1%25eth0]",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
        assert!(!is_host(b"a\x80"));
    }

    #[test]
    fn requests_name_one_host() {
        let missing = Err(Failure::NotOneHost);
        assert_eq!(check(Request::get("/")), missing);
        assert_eq!(check(Request::get("/").version(Version::HTTP_10)), Ok(()));
        assert_eq!(check(Request::get("/").header("host", "a").header("host", "a")), missing);
        assert_eq!(check(Request::get("/").version(Version::HTTP_2)), missing);
        let http2 = |host| Request::get("http://a.example/").version(Version::HTTP_2).header("host", host);
        for host in ["a.example", "A.EXAMPLE", "a.example:80", "a.example:"] {
            assert_eq!(check(http2(host)), Ok(()), "{host}");
        }
        for host in ["b.example", "a.example:443"] {
            assert_eq!(check(http2(host)), missing, "{host}");
        }
        // In HTTP/1.1, the target overrules the field.
        assert_eq!(check(Request::get("http://a/").header("host", "b")), Ok(()));
    }

    #[test]
    fn targets_have_a_form_that_the_method_allows() {
        let check =
            |method: Method, target: &str| check(Request::builder().method(method).uri(target).header("host", "h"));
        for (method, target) in
            [(Method::GET, "/"), (Method::GET, "http://a/b"), (Method::OPTIONS, "*"), (Method::OPTIONS, "http://a")]
        {
            assert_eq!(check(method, target), Ok(()), "{target}");
        }
        for target in ["a:80", "a", "ftp://a/", "*", "http://u@a/", "http://u:p@a/"] {
            assert_eq!(check(Method::GET, target), Err(Failure::InvalidTarget), "{target}");
        }
    }

    #[test]
    fn only_an_absolute_target_has_a_query_without_a_path() {
        assert_eq!(check(Request::get("http://a?b").header("host", "a")), Ok(()));
        assert_eq!(check(Request::get("http://a?b").version(Version::HTTP_2)), Err(Failure::InvalidTarget));
        assert_eq!(check(Request::get("http://a/?b").version(Version::HTTP_2)), Ok(()));
    }

    #[test]
    fn targets_are_encoded_in_place() {
        for (target, encoded) in [
            ("/a?b", "/a?b"),
            ("*", "*"),
            ("a:80", "a:80"),
            ("/é?é", "/%C3%A9?%C3%A9"),
            ("/\"\\^{|}?\\^`{|}", "/%22%5C%5E%7B%7C%7D?%5C%5E%60%7B%7C%7D"),
            ("http://a:81/é", "http://a:81/%C3%A9"),
            ("https://a?é", "https://a/?%C3%A9"),
        ] {
            let mut target: Uri = target.parse().unwrap();
            assert_eq!(encode_target(&mut target), Ok(()));
            assert_eq!(target.to_string(), encoded);
        }
        let long = format!("/{}", "é".repeat(20_000));
        let mut target: Uri = long.parse().unwrap();
        assert_eq!(encode_target(&mut target), Err(Failure::TargetTooLong));
        assert_eq!(target.path(), long);
    }

    #[test]
    fn an_absolute_target_without_a_path_is_the_whole_server() {
        for (method, target, version, expected) in [
            (Method::OPTIONS, "http://a", Version::HTTP_11, true),
            (Method::OPTIONS, "http://a:80", Version::HTTP_10, true),
            (Method::OPTIONS, "http://a", Version::HTTP_2, false),
            (Method::OPTIONS, "http://a?b", Version::HTTP_11, false),
            (Method::OPTIONS, "http://a/b", Version::HTTP_11, false),
            (Method::OPTIONS, "/", Version::HTTP_11, false),
            (Method::GET, "http://a", Version::HTTP_11, false),
        ] {
            let request = Request::builder().method(method).uri(target).version(version).body(()).unwrap();
            assert_eq!(is_whole_server(&request.into_parts().0), expected, "{target}");
        }
    }
}
