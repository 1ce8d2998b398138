use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Response,
    body::Bytes,
    header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, MAX_FORWARDS, PROXY_AUTHORIZATION},
    http::request,
};

use super::Failure;

/// The fields of a request that `TRACE` does not repeat, because they hold secrets.
///
/// [RFC 9110, section 9.3.8](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.8-2)
const SECRETS: [HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];

/// Answers a `TRACE` or `OPTIONS` whose `Max-Forwards` is used up, and counts it down in any other.
///
/// [RFC 9110, section 7.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.2)
///
/// # Errors
///
/// [`Failure::InvalidMaxForwards`] if the field is no number, or there are several.
pub(crate) fn answer_last_hop(parts: &mut request::Parts) -> Result<Option<Response<Full<Bytes>>>, Failure> {
    if parts.method != Method::TRACE && parts.method != Method::OPTIONS {
        return Ok(None);
    }
    let Some(hops) = max_forwards(&parts.headers)? else { return Ok(None) };
    match hops.checked_sub(1) {
        Some(hops) => {
            parts.headers.insert(MAX_FORWARDS, HeaderValue::from(hops));
            Ok(None)
        }
        None if parts.method == Method::TRACE => Ok(Some(repeated(parts))),
        None => Ok(Some(Response::default())),
    }
}

/// A number that is too large counts as the largest.
fn max_forwards(headers: &HeaderMap) -> Result<Option<u64>, Failure> {
    let mut values = headers.get_all(MAX_FORWARDS).into_iter();
    match (values.next().map(HeaderValue::as_bytes), values.next()) {
        (None, _) => Ok(None),
        (Some(digits), None) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            let hops =
                digits.iter().fold(0_u64, |hops, digit| hops.saturating_mul(10).saturating_add((digit - b'0').into()));
            Ok(Some(hops))
        }
        _ => Err(Failure::InvalidMaxForwards),
    }
}

/// The request as it was received.
fn repeated(parts: &request::Parts) -> Response<Full<Bytes>> {
    let target = parts.uri.path_and_query().map_or("*", |target| target.as_str());
    let mut message = format!("{} {target} {:?}\r\n", parts.method, parts.version).into_bytes();
    for (name, value) in parts.headers.iter().filter(|(name, _)| !SECRETS.contains(name)) {
        message.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    message.extend(b"\r\n");
    let mut response = Response::new(Full::from(message));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("message/http"));
    response
}
