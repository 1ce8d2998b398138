//! What a trusted proxy says about the request that it has received.

use std::net::{IpAddr, SocketAddr};

use hyper::{
    HeaderMap,
    header::{FORWARDED, HeaderName, HeaderValue},
};

use super::semconv::canonical;
use crate::{config::Forwarded, http::is_host};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The request as the first proxy has received it, as far as the proxies say so.
///
/// For each of them, the first member of the list counts. `Forwarded` comes before the fields that it replaces. A value
/// that breaks its grammar counts as absent, and so does a whole `Forwarded` whose first member does.
///
/// [RFC 7239](https://www.rfc-editor.org/rfc/rfc7239) and
/// [OpenTelemetry: `client.address`](https://opentelemetry.io/docs/specs/semconv/http/http-spans/#setting-serveraddress-and-serverport-attributes)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ForwardedRequest {
    /// `http` or `https`.
    pub(super) scheme: Option<&'static str>,
    /// The host with or without a port.
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    /// The client's address; `None` for an unknown or obfuscated one.
    pub(super) client: Option<IpAddr>,
}

/// Returns the address of the client that has sent a request over the connection of a peer, which may be a proxy.
pub(crate) fn client_address(peer: SocketAddr, forwarded: Forwarded, headers: &HeaderMap) -> IpAddr {
    let named = match forwarded {
        Forwarded::Append => ForwardedRequest::new(headers).client,
        Forwarded::Replace => None,
    };
    named.unwrap_or(canonical(peer).ip())
}

impl ForwardedRequest {
    pub(super) fn new(headers: &HeaderMap) -> Self {
        // Most clients are no proxies, and one pass over the names takes less time than five look-ups.
        if !headers.keys().any(|name| name == FORWARDED || name.as_str().starts_with("x-forwarded-")) {
            return Self::default();
        }
        let forwarded = list(headers, &FORWARDED).and_then(|list| first_element(&list)).unwrap_or_default();
        let first = |name: &HeaderName| list(headers, name).map(|list| first_member(&list).to_owned());
        let x_host = || first(&X_FORWARDED_HOST).filter(|host| is_host(host.as_bytes()));
        Self {
            scheme: forwarded.scheme.or_else(|| scheme(&first(&X_FORWARDED_PROTO)?)),
            port: if forwarded.host.as_deref().is_some_and(has_port) {
                None
            } else {
                first(&X_FORWARDED_PORT).and_then(|port| port_of(&port))
            },
            host: forwarded.host.or_else(x_host),
            client: forwarded.client.or_else(|| address(&first(&X_FORWARDED_FOR)?)),
        }
    }
}

/// Returns all fields of a name as one list, or `None` without any or if one is no text.
fn list(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Option<Vec<&str>> =
        headers.get_all(name).into_iter().map(|value| HeaderValue::to_str(value).ok()).collect();
    values.filter(|values| !values.is_empty()).map(|values| values.join(","))
}

/// Returns the first member of a list that is not empty.
fn first_member(list: &str) -> &str {
    list.split(',').map(str::trim).find(|member| !member.is_empty()).unwrap_or_default()
}

/// Parses the first element of `Forwarded`: pairs of a token and a token or a quoted text.
///
/// [RFC 7239, section 4](https://www.rfc-editor.org/rfc/rfc7239#section-4)
fn first_element(list: &str) -> Option<ForwardedRequest> {
    let mut request = ForwardedRequest::default();
    let mut seen: Vec<String> = Vec::new();
    let mut rest = list.trim_start_matches([' ', '\t', ',']);
    loop {
        rest = rest.trim_start_matches([' ', '\t', ';']);
        if rest.is_empty() || rest.starts_with(',') {
            break;
        }
        let (name, after) = rest.split_once('=')?;
        let name = name.to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(is_token) || seen.contains(&name) {
            return None;
        }
        let (value, after) = value(after)?;
        rest = after.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with([';', ',']) {
            return None;
        }
        match name.as_str() {
            "for" => request.client = address(&value),
            "proto" => request.scheme = scheme(&value),
            "host" => request.host = Some(value).filter(|host| is_host(host.as_bytes())),
            _ => {}
        }
        seen.push(name);
    }
    Some(request)
}

/// Parses a token or a quoted text, and returns what follows.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        // Practice leaves out the quotes around addresses with colons.
        let end = text.find([';', ',', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return if value.is_empty() || value.contains('"') { None } else { Some((value.to_owned(), rest)) };
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(chars.next()?),
            character => value.push(character),
        }
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn scheme(text: &str) -> Option<&'static str> {
    ["http", "https"].into_iter().find(|scheme| scheme.eq_ignore_ascii_case(text))
}

fn port_of(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port != 0)
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| port_of(port).is_some())
}

/// Parses an address in the forms of both fields: with or without a port, with or without brackets.
fn address(node: &str) -> Option<IpAddr> {
    let node = node.trim_matches('"');
    if let Ok(address) = node.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (bare, port) = match node.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => node.split_once(':').map_or((node, ""), |(bare, _)| (bare, &node[bare.len()..])),
    };
    // A port can be obfuscated, too.
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| port.starts_with('_') || port.parse::<u16>().is_ok());
    let address = bare.parse::<IpAddr>().ok().or_else(|| node.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.filter(|_| is_port).map(|address| address.to_canonical())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn request(fields: &[(&'static str, &[u8])]) -> ForwardedRequest {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        ForwardedRequest::new(&headers)
    }

    #[test]
    fn addresses_have_many_forms() {
        for (node, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:4711", Some("192.0.2.1")),
            ("192.0.2.1:_hidden", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:4711", Some("2001:db8::1")),
            ("\"[2001:db8::1]:4711\"", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("unknown", None),
            ("_hidden", None),
            ("_SEVKISEK:80", None),
            ("192.0.2.1:x", None),
            ("192.0.2.1:99999", None),
            ("192.0.2.256", None),
            ("[192.0.2.1", None),
            ("[2001:db8::1]x", None),
            ("", None),
        ] {
            assert_eq!(address(node).map(|address| address.to_string()).as_deref(), expected, "{node}");
            assert_eq!(request(&[("x-forwarded-for", node.as_bytes())]).client, address(node), "{node}");
        }
    }

    #[test]
    fn the_first_element_of_forwarded_counts() {
        let all = ForwardedRequest {
            scheme: Some("https"),
            host: Some("shop.example:8443".to_owned()),
            port: None,
            client: Some("2001:db8::1".parse().unwrap()),
        };
        for value in [
            "for=\"[2001:db8::1]:4711\";proto=https;host=\"shop.example:8443\";by=_x",
            "For=\"[2001:db8::1]\" ; PROTO=HTTPS ; Host=\"shop.example:8443\", for=192.0.2.9;proto=http",
            " , for=\"[2001:db8::1]\";proto=\"https\";host=shop.example:8443;ext=\"a,b;c=\\\"d\\\"\"",
            "for=2001:db8::1;proto=https;host=shop.example:8443",
        ] {
            assert_eq!(request(&[("forwarded", value.as_bytes())]), all, "{value}");
        }
        let fields: [(&str, &[u8]); 2] = [("forwarded", b"for=192.0.2.1"), ("forwarded", b"for=192.0.2.2;proto=https")];
        let first = ForwardedRequest { client: Some("192.0.2.1".parse().unwrap()), ..ForwardedRequest::default() };
        assert_eq!(request(&fields), first);
    }

    #[test]
    fn what_breaks_its_grammar_is_absent() {
        for value in [
            &b""[..],
            b",",
            b"for",
            b"for=",
            b"=x",
            b"for=\"192.0.2.1",
            b"for=\"192.0.2.1\"x;proto=https",
            b"for=192.0.2.1;for=192.0.2.2",
            b"f or=192.0.2.1",
            b"for=\x80",
            b"proto=ftp;host=a/b",
            b"for=_hidden;proto=gopher",
        ] {
            assert_eq!(request(&[("forwarded", value)]), ForwardedRequest::default(), "{value:?}");
        }
        for (name, value) in [
            ("x-forwarded-proto", "javascript"),
            ("x-forwarded-host", "a b"),
            ("x-forwarded-port", "0"),
            ("x-forwarded-port", "+80"),
        ] {
            assert_eq!(request(&[(name, value.as_bytes())]), ForwardedRequest::default(), "{name}");
        }
    }

    #[test]
    fn forwarded_comes_before_the_fields_that_it_replaces() {
        let found = request(&[
            ("x-forwarded-for", b"192.0.2.7, 10.0.0.1"),
            ("x-forwarded-proto", b"http, https"),
            ("x-forwarded-host", b"inner.example, proxy.example"),
            ("x-forwarded-port", b"8080"),
            ("forwarded", b"proto=https;for=unknown"),
        ]);
        let expected = ForwardedRequest {
            scheme: Some("https"),
            host: Some("inner.example".to_owned()),
            port: Some(8080),
            client: Some("192.0.2.7".parse().unwrap()),
        };
        assert_eq!(found, expected);
    }
}
