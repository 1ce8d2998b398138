use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// The bytes of ASCII that no URI has.
///
/// The grammar has no place for `[`, `]` and a `%` without two digits in a path or a query, either. They stay: each has another
/// meaning once it is encoded.
///
/// [RFC 3986, section 2](https://www.rfc-editor.org/rfc/rfc3986#section-2)
const FOREIGN: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// Returns a path, or a path and a query, with all characters that no URI has percent-encoded.
///
/// [RFC 3987, section 3.1](https://www.rfc-editor.org/rfc/rfc3987#section-3.1)
pub(crate) fn percent_encoded(target: &str) -> Cow<'_, str> {
    utf8_percent_encode(target, FOREIGN).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_uri_has_is_encoded() {
        let uri = "/aZ0-._~:/?#[]@!$&'()*+,;=%41%zz%";
        assert!(matches!(percent_encoded(uri), Cow::Borrowed(same) if same == uri));
        for (target, encoded) in [
            ("/é?é=봈9", "/%C3%A9?%C3%A9=%EB%B4%889"),
            ("/%c3%A9é", "/%c3%A9%C3%A9"),
            ("/\"<>\\^`{|}", "/%22%3C%3E%5C%5E%60%7B%7C%7D"),
            ("/\t \u{7f}", "/%09%20%7F"),
        ] {
            assert_eq!(percent_encoded(target), encoded);
        }
    }
}
