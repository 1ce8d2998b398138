use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{config::Keep, span::Span, telemetry::Recorder};

/// The attribute of kept spans, with the reason.
const KEPT: &str = "traceparent.kept";

/// The spans of a request that is not sampled, until its end decides whether they are kept.
#[derive(Clone, Debug, Default)]
pub(super) struct HeldSpans(Arc<Mutex<State>>);

#[derive(Debug)]
enum State {
    /// The request has not ended. Its calls have.
    Open(Vec<Span>),
    /// The request has ended, and its spans are kept for this reason.
    Ended(Option<&'static str>),
}

impl Default for State {
    fn default() -> Self {
        Self::Open(Vec::new())
    }
}

impl HeldSpans {
    /// Adds the span of a call.
    pub(super) fn push(&self, call: Span, recorder: &Recorder) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Open(spans) => spans.push(call),
            State::Ended(reason) => recorder.record(marked(call, *reason)),
        }
    }

    /// Records all spans at the end of the request, and returns the reason if they are kept.
    pub(super) fn end(&self, request: Span, keep: Keep, recorder: &Recorder) -> Option<&'static str> {
        let reason = reason(&request, keep);
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Open(calls) = mem::replace(&mut *state, State::Ended(reason)) {
            for call in calls {
                recorder.record(marked(call, reason));
            }
        }
        recorder.record(marked(request, reason));
        reason
    }
}

/// Returns the reason for which a request is kept, or `None` if it is not.
fn reason(request: &Span, keep: Keep) -> Option<&'static str> {
    match keep.slower_than {
        _ if keep.errors && request.is_error() => Some("error"),
        Some(limit) if request.duration > limit => Some("slow"),
        _ => None,
    }
}

fn marked(mut span: Span, reason: Option<&'static str>) -> Span {
    if let Some(reason) = reason {
        span.kept = true;
        span.attributes.push(KEPT, reason);
    }
    span
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{http::Failure, telemetry::example};

    #[test]
    fn errors_and_slow_requests_are_kept() {
        let (second, longer) = (Duration::from_secs(1), Duration::from_millis(1001));
        let all = Keep { errors: true, slower_than: Some(second) };
        for (status, failure, duration, keep, expected) in [
            (200, None, second, all, None),
            (404, None, second, all, None),
            (503, None, second, all, Some("error")),
            (503, None, longer, all, Some("error")),
            (200, Some(Failure::AnswerCut), second, all, Some("error")),
            (200, None, longer, all, Some("slow")),
            (503, None, second, Keep { errors: false, ..all }, None),
            (503, None, longer, Keep { errors: false, ..all }, Some("slow")),
            (200, None, longer, Keep { slower_than: None, ..all }, None),
        ] {
            let request = Span { status: Some(status), failure, duration, ..example::span(1, 1) };
            assert_eq!(reason(&request, keep), expected, "{status} {failure:?} {duration:?} {keep:?}");
        }
    }
}
