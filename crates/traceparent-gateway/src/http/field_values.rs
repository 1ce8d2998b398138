use hyper::{HeaderMap, header::HeaderValue};

/// Returns whether no value begins or ends with white space, with which a message of HTTP/2 is malformed.
///
/// The library checks the other rules.
///
/// [RFC 9113, section 8.2.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.2.1-3.3)
pub(super) fn are_valid(fields: &HeaderMap) -> bool {
    fields.values().map(HeaderValue::as_bytes).all(|value| {
        let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        !is_space(value.first()) && !is_space(value.last())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_no_white_space_around_them() {
        let check = |value: &'static str| {
            let mut fields = HeaderMap::new();
            fields.append("x-a", HeaderValue::from_static("a"));
            fields.append("x-a", HeaderValue::from_static(value));
            are_valid(&fields)
        };
        for value in ["", "b", "b c", "b\tc"] {
            assert!(check(value), "{value:?}");
        }
        for value in [" ", "\t", " b", "b ", "\tb", "b\t"] {
            assert!(!check(value), "{value:?}");
        }
    }
}
