use std::time::Duration;

use hyper::{HeaderMap, header::HeaderName};

use crate::http::tokens::tokens;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// The time that a request needs to arrive before the upstream closes the connection.
const MARGIN: Duration = Duration::from_secs(1);

/// Returns the time after an answer in which a connection can be used again, if the upstream says when it closes it.
///
/// [RFC 2068, section 19.7.1.1](https://www.rfc-editor.org/rfc/rfc2068#section-19.7.1.1)
pub(super) fn reusable_for(headers: &HeaderMap) -> Option<Duration> {
    let seconds = tokens(headers, &KEEP_ALIVE).find_map(|parameter| {
        let (name, value) = std::str::from_utf8(parameter).ok()?.split_once('=')?;
        let value = value.trim_start();
        let is_timeout =
            name.trim_end().eq_ignore_ascii_case("timeout") && value.bytes().all(|byte| byte.is_ascii_digit());
        is_timeout.then(|| value.parse::<u32>().ok()).flatten()
    })?;
    let kept = Duration::from_secs(seconds.into());
    Some(kept.saturating_sub(MARGIN).max(kept / 2))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn upstreams_say_how_long_they_keep_connections() {
        let millis = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(KEEP_ALIVE, HeaderValue::from_static("max=100"));
            headers.append(KEEP_ALIVE, HeaderValue::from_static(value));
            reusable_for(&headers).map(|time| time.as_millis())
        };
        for (value, expected) in [
            ("timeout=5", Some(4000)),
            ("timeout=5, max=99", Some(4000)),
            ("max=99,Timeout = 5", Some(4000)),
            ("timeout=2", Some(1000)),
            ("timeout=1", Some(500)),
            ("timeout=0", Some(0)),
            ("timeout=4294967295", Some(4_294_967_294_000)),
            ("timeout=4294967296", None),
            ("timeout=-1", None),
            ("timeout=+1", None),
            ("timeout=", None),
            ("timeout", None),
            ("5", None),
        ] {
            assert_eq!(millis(value), expected, "{value}");
        }
        assert_eq!(reusable_for(&HeaderMap::new()), None);
    }
}
