use hyper::{HeaderMap, header::HeaderName};

/// Returns an iterator over the members of a list in all fields of a name, without empty ones.
///
/// It reads bytes, because a field may hold others than ASCII's, which must not hide the members beside them.
///
/// [RFC 9110, section 5.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1)
pub(crate) fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let values = headers.get_all(name).into_iter();
    let members = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// Returns whether a list has this member, in any case of letters.
pub(crate) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
}

/// Returns whether a text is a token.
///
/// [RFC 9110, section 5.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2)
pub(crate) fn is_token(text: &[u8]) -> bool {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_tchar)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hyper::header::{CONNECTION, HeaderValue};

    use super::*;

    #[test]
    fn bytes_that_are_no_text_hide_no_member() {
        let mut headers = HeaderMap::new();
        headers.append(CONNECTION, HeaderValue::from_bytes(b"\x80, x-one ,,\tX-Two").unwrap());
        headers.append(CONNECTION, HeaderValue::from_static("close"));
        let found: Vec<_> = tokens(&headers, &CONNECTION).collect();
        assert_eq!(found, [&b"\x80"[..], b"x-one", b"X-Two", b"close"]);
        assert!(has_token(&headers, &CONNECTION, "x-two"));
        assert!(!has_token(&headers, &CONNECTION, "x-three"));
    }

    #[test]
    fn tokens_have_no_separators() {
        for (text, expected) in
            [(&b"websocket"[..], true), (b"a~!", true), (b"", false), (b"a b", false), (b"\x80", false)]
        {
            assert_eq!(is_token(text), expected, "{text:?}");
        }
    }
}
