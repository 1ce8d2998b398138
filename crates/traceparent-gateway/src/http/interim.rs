use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use hyper::{
    HeaderMap, Request, Response, StatusCode, Version,
    header::{CONTENT_LENGTH, EXPECT, TRAILER},
};

use super::{
    headers::{remove_hop_by_hop, section_size},
    tokens::has_token,
};

/// The most interim responses to one request. An upstream that sends more gives no valid answer.
const MOST: usize = 256;

/// The most interim responses that wait for their client at a time. Those that find no room are lost.
const QUEUE: usize = 16;

/// The most bytes of fields that wait at a time, unless one response alone has more.
const QUEUE_BYTES: usize = 64 * 1024;

/// The sender of interim responses to the client of one request, which has an [`InterimReceiver`].
///
/// [RFC 9110, section 15.2](https://www.rfc-editor.org/rfc/rfc9110#section-15.2)
#[derive(Clone, Debug)]
pub(crate) struct Interim(Arc<Mutex<Queue>>);

/// The receiver of interim responses, in their order.
#[derive(Debug)]
pub(crate) struct InterimReceiver(Arc<Mutex<Queue>>);

#[derive(Debug)]
struct Queue {
    /// Whether the client knows interim responses, and still waits for its answer.
    is_open: bool,
    responses: VecDeque<Response<()>>,
    bytes: usize,
    /// How many responses have been sent in all.
    sent: usize,
    expectation: Expectation,
    /// Wakes the task that sends the body of the request.
    body: Option<Waker>,
    /// Wakes the task that receives.
    receiver: Option<Waker>,
}

/// Whether the client sends the body of its request unasked.
///
/// [RFC 9110, section 10.1.1](https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expectation {
    /// It expects nothing.
    None,
    /// It waits for 100 (Continue).
    Open,
    /// It has been told to go on.
    Met,
    /// It is getting its answer instead.
    Answered,
    /// It has got its answer.
    Over,
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl Interim {
    /// Creates the sender and the receiver for a request. Clients of HTTP/1.0 get no interim responses.
    pub(crate) fn channel<B>(request: &Request<B>) -> (Self, InterimReceiver) {
        let knows_interim = request.version() > Version::HTTP_10;
        let expects = knows_interim && has_token(request.headers(), &EXPECT, "100-continue");
        let queue = Arc::new(Mutex::new(Queue {
            is_open: knows_interim,
            responses: VecDeque::new(),
            bytes: 0,
            sent: 0,
            expectation: if expects { Expectation::Open } else { Expectation::None },
            body: None,
            receiver: None,
        }));
        (Self(Arc::clone(&queue)), InterimReceiver(queue))
    }

    /// Sends an interim response without the fields of its connection, and without those that frame a body. A change of
    /// the protocol is none. A client that expects 100 (Continue) gets it once. Returns whether the upstream may go on.
    pub(crate) fn send(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let mut queue = lock(&self.0);
        queue.sent += 1;
        if queue.sent > MOST {
            return false;
        }
        if status == StatusCode::CONTINUE {
            match queue.expectation {
                Expectation::None => {}
                Expectation::Open => {
                    queue.expectation = Expectation::Met;
                    wake(&mut queue.body);
                }
                Expectation::Met | Expectation::Answered | Expectation::Over => return true,
            }
        }
        if !queue.is_open || queue.responses.len() >= QUEUE || status == StatusCode::SWITCHING_PROTOCOLS {
            return true;
        }
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = headers.clone();
        remove_hop_by_hop(response.headers_mut());
        for name in [CONTENT_LENGTH, TRAILER] {
            response.headers_mut().remove(name);
        }
        let bytes = queue.bytes + section_size(response.headers());
        if bytes <= QUEUE_BYTES || queue.responses.is_empty() {
            queue.bytes = bytes;
            queue.responses.push_back(response);
            wake(&mut queue.receiver);
        }
        true
    }

    /// Returns whether the client waits until it is told to send the body.
    pub(crate) fn is_expected(&self) -> bool {
        lock(&self.0).expectation == Expectation::Open
    }

    /// Is ready when there is no more to wait for with the body, with the outcome.
    pub(super) fn poll_expectation(&self, context: &mut Context<'_>) -> Poll<Expectation> {
        let mut queue = lock(&self.0);
        match queue.expectation {
            Expectation::Open | Expectation::Answered => {
                queue.body = Some(context.waker().clone());
                Poll::Pending
            }
            outcome => Poll::Ready(outcome),
        }
    }

    /// Notes that the final answer has begun. A body that is still waited with is not sent: it ends when the answer has,
    /// and the guard is dropped.
    pub(crate) fn answered(&self) -> Answered {
        let mut queue = lock(&self.0);
        if queue.expectation == Expectation::Open {
            queue.expectation = Expectation::Answered;
        }
        Answered(Arc::clone(&self.0))
    }

    /// Returns whether the upstream has sent too many interim responses.
    pub(crate) fn is_exceeded(&self) -> bool {
        lock(&self.0).sent > MOST
    }
}

/// A guard of an answer under way.
#[derive(Debug)]
pub(crate) struct Answered(Arc<Mutex<Queue>>);

impl Drop for Answered {
    fn drop(&mut self) {
        let mut queue = lock(&self.0);
        if queue.expectation == Expectation::Answered {
            queue.expectation = Expectation::Over;
            wake(&mut queue.body);
        }
    }
}

impl InterimReceiver {
    /// Receives the next interim response, of which there is none after the answer. Dropping the future loses none.
    pub(crate) async fn recv(&mut self) -> Response<()> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Response<()>> {
        let mut queue = lock(&self.0);
        if let Some(response) = queue.pop() {
            return Poll::Ready(response);
        }
        match &mut queue.receiver {
            Some(waker) => waker.clone_from(context.waker()),
            waker => *waker = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Returns whether the client has expected 100 (Continue).
    pub(super) fn was_expected(&self) -> bool {
        lock(&self.0).expectation != Expectation::None
    }

    /// Returns whether the client has not been told to send the body.
    pub(super) fn is_body_unwanted(&self) -> bool {
        !matches!(lock(&self.0).expectation, Expectation::None | Expectation::Met)
    }

    /// Receives an interim response that has been sent before, or `None` without one.
    pub(crate) fn try_recv(&mut self) -> Option<Response<()>> {
        lock(&self.0).pop()
    }
}

impl Queue {
    fn pop(&mut self) -> Option<Response<()>> {
        let response = self.responses.pop_front()?;
        self.bytes = self.bytes.saturating_sub(section_size(response.headers()));
        Some(response)
    }
}

impl Drop for InterimReceiver {
    fn drop(&mut self) {
        let mut queue = lock(&self.0);
        queue.is_open = false;
        queue.responses = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{CONNECTION, HeaderName, HeaderValue, LINK};

    use super::*;

    fn channel(version: Version) -> (Interim, InterimReceiver) {
        let mut request = Request::new(());
        *request.version_mut() = version;
        Interim::channel(&request)
    }

    fn headers(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[tokio::test]
    async fn responses_arrive_in_order_and_without_fields_of_the_connection() {
        let (interim, mut received) = channel(Version::HTTP_11);
        let fields =
            [(CONNECTION, "x-hop"), (HeaderName::from_static("x-hop"), "1"), (CONTENT_LENGTH, "1"), (LINK, "</a>")];
        interim.send(StatusCode::EARLY_HINTS, &headers(&fields));
        interim.send(StatusCode::SWITCHING_PROTOCOLS, &HeaderMap::new());
        interim.send(StatusCode::PROCESSING, &HeaderMap::new());
        let first = received.recv().await;
        assert_eq!((first.status(), first.headers()), (StatusCode::EARLY_HINTS, &headers(&[(LINK, "</a>")])));
        assert_eq!(received.recv().await.status(), StatusCode::PROCESSING);
        assert!(received.try_recv().is_none());
    }

    #[tokio::test]
    async fn a_receiver_that_waits_is_woken() {
        let (interim, mut received) = channel(Version::HTTP_2);
        let receiving = tokio::spawn(async move { received.recv().await.status() });
        tokio::task::yield_now().await;
        interim.send(StatusCode::PROCESSING, &HeaderMap::new());
        assert_eq!(receiving.await.ok(), Some(StatusCode::PROCESSING));
    }

    #[test]
    fn http_1_0_knows_no_interim_responses() {
        let (interim, mut received) = channel(Version::HTTP_10);
        interim.send(StatusCode::EARLY_HINTS, &HeaderMap::new());
        assert!(received.try_recv().is_none());
    }

    #[test]
    fn the_queue_is_bounded_in_number_and_in_bytes() {
        let (interim, mut received) = channel(Version::HTTP_11);
        for _ in 0..2 * QUEUE {
            interim.send(StatusCode::PROCESSING, &HeaderMap::new());
        }
        assert_eq!(std::iter::from_fn(|| received.try_recv()).count(), QUEUE);
        let mut long = HeaderMap::new();
        long.extend(HeaderValue::from_str(&"x".repeat(QUEUE_BYTES / 3)).map(|value| (LINK, value)));
        for _ in 0..QUEUE {
            interim.send(StatusCode::EARLY_HINTS, &long);
        }
        assert_eq!(std::iter::from_fn(|| received.try_recv()).count(), 2);
        interim.send(StatusCode::EARLY_HINTS, &long);
        assert!(received.try_recv().is_some());
        // What the limits of heads allow has room by itself.
        let mut longest = HeaderMap::new();
        longest.extend(HeaderValue::from_str(&"x".repeat(2 * QUEUE_BYTES)).map(|value| (LINK, value)));
        for _ in 0..QUEUE {
            interim.send(StatusCode::EARLY_HINTS, &longest);
        }
        assert_eq!(std::iter::from_fn(|| received.try_recv()).count(), 1);
    }

    #[test]
    fn an_upstream_may_not_send_them_for_ever() {
        let (interim, mut received) = channel(Version::HTTP_10);
        for _ in 0..MOST {
            assert!(interim.send(StatusCode::PROCESSING, &HeaderMap::new()));
            while received.try_recv().is_some() {}
        }
        assert!(!interim.is_exceeded());
        assert!(!interim.send(StatusCode::PROCESSING, &HeaderMap::new()));
        assert!(interim.is_exceeded());
    }
}
