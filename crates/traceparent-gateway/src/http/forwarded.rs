use std::net::IpAddr;

use hyper::{
    HeaderMap,
    header::{FORWARDED, HOST, HeaderName, HeaderValue},
};

use crate::config::Forwarded;

const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Returns an address in the form of fields: IPv4 in its own form, even if the system has mapped it to IPv6.
pub(crate) fn address(address: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_canonical().to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

fn is_claim(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-forwarded-") || *name == FORWARDED || *name == X_REAL_IP
}

/// Adds the fields about the origin of the request.
pub(super) fn add_forwarded(headers: &mut HeaderMap, client: &HeaderValue, scheme: &'static str, forwarded: Forwarded) {
    match forwarded {
        Forwarded::Replace => {
            let claims = headers.keys().filter(|name| is_claim(name));
            for claim in claims.cloned().collect::<Vec<_>>() {
                headers.remove(claim);
            }
            headers.insert(X_FORWARDED_FOR, client.clone());
        }
        Forwarded::Append => {
            let name = client.to_str().unwrap_or_default();
            let is_ipv6 = name.contains(':');
            if let Some(so_far) = joined(headers, &FORWARDED) {
                let node = if is_ipv6 { format!("\"[{name}]\"") } else { name.to_owned() };
                set(headers, FORWARDED, so_far, &format!("for={node};proto={scheme}"));
            }
            match joined(headers, &X_FORWARDED_FOR) {
                Some(so_far) => set(headers, X_FORWARDED_FOR, so_far, name),
                None => drop(headers.insert(X_FORWARDED_FOR, client.clone())),
            }
        }
    }
    headers.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static(scheme));
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    static CLIENT: HeaderValue = HeaderValue::from_static("192.0.2.1");

    /// Returns the fields of a request with those about its origin.
    fn forwarded(fields: &[(&'static str, &'static str)], client: &HeaderValue, forwarded: Forwarded) -> HeaderMap {
        let fields =
            fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value);
        }
        add_forwarded(&mut headers, client, "http", forwarded);
        headers
    }

    #[test]
    fn what_clients_claim_gives_way() {
        let received = [
            ("host", "shop.example"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "10.0.0.2"),
            ("x-forwarded-host", "bank.example"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "443"),
            ("x-real-ip", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
        ];
        let headers = forwarded(&received, &CLIENT, Forwarded::Replace);
        let fields: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
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
        let received = [
            ("host", "inside.example"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "10.0.0.2"),
            ("x-forwarded-host", "shop.example"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=10.0.0.1;proto=https"),
        ];
        let headers = forwarded(&received, &CLIENT, Forwarded::Append);
        assert_eq!(headers[X_FORWARDED_FOR], "10.0.0.1, 10.0.0.2, 192.0.2.1");
        assert_eq!(headers.get_all(X_FORWARDED_FOR).iter().count(), 1);
        assert_eq!(
            (&headers[X_FORWARDED_HOST], &headers[X_FORWARDED_PROTO]),
            (&HeaderValue::from_static("shop.example"), &HeaderValue::from_static("https"))
        );
        assert_eq!(headers[FORWARDED], "for=10.0.0.1;proto=https, for=192.0.2.1;proto=http");

        let client = &address("2001:db8::1".parse().unwrap());
        let headers = forwarded(&received, client, Forwarded::Append);
        assert_eq!(headers[FORWARDED], "for=10.0.0.1;proto=https, for=\"[2001:db8::1]\";proto=http");
        let client = &address("::ffff:192.0.2.7".parse().unwrap());
        let headers = forwarded(&[], client, Forwarded::Append);
        assert_eq!(headers[X_FORWARDED_FOR], "192.0.2.7");
        assert!(!headers.contains_key(FORWARDED));
    }
}
