use hyper::{
    HeaderMap, Version,
    header::{HeaderValue, VIA},
};
use traceparent::{IdGenerator, RandomIdGenerator};

use super::tokens::tokens;

/// The name under which a gateway adds itself to `Via`. Every gateway, and every listener of one, has its own, so that a
/// request that meets a name twice goes in a circle, and several gateways in a row do not.
///
/// [RFC 9110, section 7.6.3](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.3)
#[derive(Clone, Debug)]
pub(crate) struct Pseudonym {
    name: String,
    /// The members of the field for HTTP/1.0, HTTP/1.1 and HTTP/2.
    members: [HeaderValue; 3],
}

impl Pseudonym {
    /// Creates a name that no other gateway has.
    pub(crate) fn random() -> Self {
        let name = format!("traceparent-gateway-{}", RandomIdGenerator.new_span_id());
        let members = ["1.0", "1.1", "2.0"].map(|version| {
            // All of its characters may stand in a field.
            HeaderValue::try_from(format!("{version} {name}"))
                .unwrap_or(HeaderValue::from_static("1.1 traceparent-gateway"))
        });
        Self { name, members }
    }

    /// Returns whether a request has been here.
    pub(crate) fn is_in(&self, headers: &HeaderMap) -> bool {
        tokens(headers, &VIA).any(|member| {
            let mut words = member.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            words.nth(1) == Some(self.name.as_bytes())
        })
    }

    /// Adds the name, with the version in which the message was received.
    pub(crate) fn append(&self, version: Version, headers: &mut HeaderMap) {
        let [http10, http11, http2] = &self.members;
        let member = match version {
            Version::HTTP_10 => http10,
            Version::HTTP_2 => http2,
            _ => http11,
        };
        headers.append(VIA, member.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_found_and_a_row_is_none() {
        let (one, other) = (Pseudonym::random(), Pseudonym::random());
        let mut headers = HeaderMap::new();
        headers.append(VIA, HeaderValue::from_static("1.0 fred, 1.1 p.example (Apache/1.1)"));
        one.append(Version::HTTP_2, &mut headers);
        assert!(one.is_in(&headers));
        assert!(!other.is_in(&headers));
        other.append(Version::HTTP_11, &mut headers);
        assert!(one.is_in(&headers) && other.is_in(&headers));
    }
}
