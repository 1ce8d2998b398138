use hyper::{
    HeaderMap,
    body::Body,
    header::{CONTENT_LENGTH, HeaderValue, TRAILER, TRANSFER_ENCODING},
};

use super::{Failure, tokens::tokens};

/// Checks that a request has no transfer coding but `chunked`, and that once.
///
/// [RFC 9112, section 6.1](https://www.rfc-editor.org/rfc/rfc9112#section-6.1)
///
/// # Errors
///
/// [`Failure::UnknownCoding`] for another coding; [`Failure::RepeatedChunked`].
pub(crate) fn check_coding(headers: &HeaderMap) -> Result<(), Failure> {
    let mut chunked = 0;
    for coding in tokens(headers, &TRANSFER_ENCODING) {
        if !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(Failure::UnknownCoding);
        }
        chunked += 1;
    }
    if chunked > 1 { Err(Failure::RepeatedChunked) } else { Ok(()) }
}

/// Frames a body for HTTP/1.1 where the head that goes on does not: chunks carry what has no length, whatever the
/// method, and what declares trailers.
pub(crate) fn frame<B: Body>(headers: &mut HeaderMap, body: &B) {
    if body.is_end_stream() {
        return;
    }
    let length = body.size_hint().exact().filter(|_| !headers.contains_key(TRAILER));
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    } else {
        headers.remove(CONTENT_LENGTH);
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunked_is_the_only_coding() {
        let check = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(TRANSFER_ENCODING, HeaderValue::from_static(value));
            }
            check_coding(&headers)
        };
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&["Chunked"]), Ok(()));
        assert_eq!(check(&["gzip, chunked"]), Err(Failure::UnknownCoding));
        assert_eq!(check(&["gzip", "chunked"]), Err(Failure::UnknownCoding));
        assert_eq!(check(&["chunked, chunked"]), Err(Failure::RepeatedChunked));
        assert_eq!(check(&["chunked", "chunked"]), Err(Failure::RepeatedChunked));
    }
}
