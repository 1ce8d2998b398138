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
pub(crate) struct Pseudonym(String);

impl Pseudonym {
    /// Creates a name that no other gateway has.
    pub(crate) fn random() -> Self {
        Self(format!("traceparent-gateway-{}", RandomIdGenerator.new_span_id()))
    }

    /// Returns whether a request has been here.
    pub(crate) fn is_in(&self, headers: &HeaderMap) -> bool {
        tokens(headers, &VIA).any(|member| {
            let mut words = member.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            words.nth(1) == Some(self.0.as_bytes())
        })
    }

    /// Adds the name, with the version in which the message was received.
    pub(crate) fn append(&self, version: Version, headers: &mut HeaderMap) {
        let version = match version {
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2.0",
            _ => "1.1",
        };
        if let Ok(value) = HeaderValue::try_from(format!("{version} {}", self.0)) {
            headers.append(VIA, value);
        }
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
