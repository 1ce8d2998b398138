use hyper::HeaderMap;
use traceparent_http::semconv::HTTP_REQUEST_HEADER;

use super::{Attributes, semconv::cut};
use crate::config::SpanAttributes;

/// The largest number of attributes out of one request's headers, and of values of one of them.
const HEADER_LIMIT: usize = 16;

/// The headers of requests that become attributes.
#[derive(Clone, Debug)]
pub(super) struct HeaderAttributes {
    /// The beginnings of their names, such as `x-shop-`.
    prefixes: Vec<String>,
    /// The operator's prefix of the attributes: with `shop`, `x-shop-tenant-id` becomes `shop.tenant.id`.
    attribute_prefix: Option<String>,
}

impl HeaderAttributes {
    pub(super) fn new(attributes: &SpanAttributes) -> Self {
        Self { prefixes: attributes.header_prefixes.clone(), attribute_prefix: attributes.attribute_prefix.clone() }
    }

    /// Adds the attributes of headers: `http.request.header.<name>` with all values, or the operator's prefix and the rest of
    /// the name, with the first value. Neither can be taken for an attribute of another meaning.
    ///
    /// [OpenTelemetry: `http.request.header`](https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/)
    pub(super) fn push_to(&self, attributes: &mut Attributes, headers: &HeaderMap) {
        if self.prefixes.is_empty() {
            return;
        }
        let mut count = 0;
        for name in headers.keys() {
            let mut prefixes = self.prefixes.iter();
            let rest = prefixes.find_map(|prefix| name.as_str().strip_prefix(prefix.as_str()));
            let Some(rest) = rest.filter(|_| count < HEADER_LIMIT) else { continue };
            let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
            let values: Vec<&str> = values.map(|value| cut(value.trim())).take(HEADER_LIMIT).collect();
            let Some(first) = values.first() else { continue };
            let key = if let Some(prefix) = &self.attribute_prefix {
                let rest = rest.trim_start_matches('-').replace('-', ".");
                if rest.is_empty() {
                    continue;
                }
                format!("{prefix}.{rest}")
            } else {
                format!("{HTTP_REQUEST_HEADER}{name}")
            };
            let key = cut(&key);
            if attributes.get(key).is_some() {
                continue;
            }
            count += 1;
            if self.attribute_prefix.is_some() {
                attributes.push(key, first);
            } else {
                attributes.push_texts(key, &values);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hyper::Request;

    use super::*;
    use crate::config::SpanLimits;

    fn described(prefixes: &[&str], attribute_prefix: Option<&str>, headers: &HeaderMap) -> Attributes {
        let header_prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        let attribute_prefix = attribute_prefix.map(str::to_owned);
        let configured = SpanAttributes { header_prefixes, attribute_prefix, ..SpanAttributes::default() };
        let mut attributes = Attributes::new(SpanLimits::default());
        HeaderAttributes::new(&configured).push_to(&mut attributes, headers);
        attributes
    }

    #[test]
    fn attributes_of_headers_are_bounded() {
        let mut request = Request::builder();
        for number in 0..100 {
            request = request.header(format!("x-shop-{number:02}-{}", "n".repeat(900)), "v".repeat(900));
        }
        let attributes = described(&["x-shop-"], Some("shop"), request.headers_ref().unwrap());
        assert_eq!(attributes.len(), HEADER_LIMIT);
        for (key, value) in attributes.iter() {
            assert_eq!((key.len(), value.to_string().len()), (512, 512));
        }
    }

    #[test]
    fn headers_go_by_the_conventions_without_a_prefix() {
        let request = Request::builder()
            .header("x-shop-tenant-id", " acme ")
            .header("x-shop-tenant-id", "second")
            .header("otel.status_code", "ERROR")
            .header("exception.type", "forged")
            .header("x-shop-", "nothing");
        let attributes = described(&["x-shop-", "otel", "exception"], None, request.headers_ref().unwrap());
        let listed: Vec<_> = attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            listed,
            [
                "http.request.header.x-shop-tenant-id=[\"acme\",\"second\"]",
                "http.request.header.otel.status_code=[\"ERROR\"]",
                "http.request.header.exception.type=[\"forged\"]",
                "http.request.header.x-shop-=[\"nothing\"]",
            ]
        );
    }
}
