use std::{
    cell::RefCell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hyper::header::HeaderValue;

/// The date that a thread has written last: it changes once a second.
struct Cached {
    second: u64,
    value: HeaderValue,
}

/// Returns the date and time for a `Date` field.
///
/// [RFC 9110, section 6.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-6.6.1)
pub(super) fn now() -> HeaderValue {
    thread_local! {
        static CACHED: RefCell<Option<Cached>> = const { RefCell::new(None) };
    }
    let second = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    CACHED.with_borrow_mut(|cached| match cached {
        Some(cached) if cached.second == second => cached.value.clone(),
        _ => cached.insert(Cached { second, value: format(second) }).value.clone(),
    })
}

fn format(second: u64) -> HeaderValue {
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_fixed_form() {
        assert_eq!(format(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(now().len(), 29);
    }
}
