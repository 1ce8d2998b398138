use hyper::Method;

use crate::http::Failure;

/// How an attempt to get an answer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AttemptError {
    pub(super) failure: Failure,
    pub(super) progress: Progress,
}

/// What may have become of a request that got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The upstream has not processed it, and its connection has ended or is ending.
    ///
    /// [RFC 9113, section 8.7](https://www.rfc-editor.org/rfc/rfc9113#section-8.7)
    Unprocessed,
    /// The upstream has refused to process it, on a connection that goes on.
    Refused,
    /// A connection that had been used before ended without a byte of an answer.
    Silent,
    /// It may have been processed.
    Unknown,
}

impl Progress {
    /// Returns whether the upstream has certainly not processed the request.
    pub(super) const fn is_unprocessed(self) -> bool {
        matches!(self, Self::Unprocessed | Self::Refused)
    }
}

impl AttemptError {
    pub(super) const fn new(failure: Failure, progress: Progress) -> Self {
        Self { failure, progress }
    }
}

/// Counts how often a request may still be sent.
#[derive(Debug)]
pub(super) struct Repeats {
    unprocessed: u8,
    silent: u8,
}

impl Repeats {
    /// How often a request is sent again that the upstream has not processed.
    const UNPROCESSED: u8 = 4;

    pub(super) fn new(method: &Method, retries: u8) -> Self {
        Self { unprocessed: Self::UNPROCESSED, silent: if is_idempotent(method) { retries } else { 0 } }
    }

    /// Returns whether a request is sent again, if its body can be.
    pub(super) fn allow(&mut self, progress: Progress) -> bool {
        let left = match progress {
            Progress::Unprocessed | Progress::Refused => &mut self.unprocessed,
            Progress::Silent => &mut self.silent,
            Progress::Unknown => return false,
        };
        let allowed = *left > 0;
        *left = left.saturating_sub(1);
        allowed
    }
}

/// Returns whether a request does the same when it arrives twice.
///
/// [RFC 9110, section 9.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2)
fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE)
        || method.as_str() == "QUERY"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_idempotent_requests_outlive_silence() {
        assert!(Repeats::new(&Method::GET, 1).allow(Progress::Silent));
        assert!(Repeats::new(&Method::PUT, 1).allow(Progress::Silent));
        assert!(!Repeats::new(&Method::GET, 0).allow(Progress::Silent));
        for method in [Method::POST, Method::PATCH, Method::CONNECT] {
            assert!(!Repeats::new(&method, 1).allow(Progress::Silent), "{method}");
        }
    }

    #[test]
    fn repeats_end() {
        let mut repeats = Repeats::new(&Method::POST, 1);
        assert_eq!((0..9).filter(|_| repeats.allow(Progress::Unprocessed)).count(), 4);
        let mut repeats = Repeats::new(&Method::GET, 1);
        assert_eq!((0..9).filter(|_| repeats.allow(Progress::Silent)).count(), 1);
        assert!(!repeats.allow(Progress::Unknown));
    }
}
