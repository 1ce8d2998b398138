use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant, SystemTime},
};

use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    body::{Body, Bytes, Frame, SizeHint},
    header::{HOST, HeaderName, REFERER, USER_AGENT},
};

use super::body::RequestProgress;
use crate::{
    config::Forwarded,
    http::{BoxError, Departure, Failure, Peer, host},
    span::{
        client_address,
        semconv::{canonical, cut, redacted},
    },
    telemetry::{AccessLog, AccessRecord},
    tracer::OpenSpan,
};

/// The entry of a request in the access log, written when it is dropped. Without a log, it holds nothing.
#[derive(Debug)]
pub(super) struct LogEntry(Option<Box<OpenEntry>>);

#[derive(Debug)]
struct OpenEntry {
    log: AccessLog,
    started: Instant,
    /// The beginning of the call to the upstream.
    called: Option<Instant>,
    progress: Option<Arc<RequestProgress>>,
    departure: Departure,
    record: Box<AccessRecord>,
}

impl LogEntry {
    /// Opens the entry of a request that is served within a span.
    pub(super) fn open<B>(
        log: Option<&AccessLog>,
        client: &Peer,
        forwarded: Forwarded,
        request: &Request<B>,
        span: &OpenSpan,
    ) -> Self {
        Self(log.map(|log| {
            let (uri, headers) = (request.uri(), request.headers());
            let record = Box::new(AccessRecord {
                client: client_address(client.address, forwarded, headers),
                method: Some(request.method().clone()),
                target: Some(target(uri)),
                version: Some(request.version()),
                host: uri
                    .authority()
                    .map(|host| host.as_str().to_owned())
                    .or_else(|| text(headers, HOST))
                    .map(|name| short(host(&name).to_owned())),
                referer: text(headers, REFERER).map(|url| short(redacted_url(&url))),
                user_agent: text(headers, USER_AGENT).map(short),
                trace: span.trace_record(),
                ..without_head(client.address)
            });
            let departure = client.departure.clone();
            Box::new(OpenEntry {
                log: log.clone(),
                started: Instant::now(),
                called: None,
                progress: None,
                departure,
                record,
            })
        }))
    }

    /// Writes the entry of a request that was refused before its head had ended.
    pub(super) fn refused(log: &AccessLog, client: SocketAddr, failure: Failure) {
        let status = Some(failure.status().as_u16());
        log.offer(Box::new(AccessRecord { status, failure: Some(failure), ..without_head(client) }));
    }

    /// Records the beginning of the call to the upstream.
    pub(super) fn called(&mut self, progress: &Arc<RequestProgress>) {
        if let Some(entry) = &mut self.0 {
            entry.called = Some(Instant::now());
            entry.progress = Some(Arc::clone(progress));
        }
    }

    /// Records the address of the connection to the upstream.
    pub(super) fn connected(&mut self, peer: SocketAddr) {
        if let Some(entry) = &mut self.0 {
            entry.record.upstream = Some(peer);
        }
    }

    /// Records the head of the upstream's answer.
    pub(super) fn upstream_answered(&mut self) {
        if let Some(entry) = &mut self.0 {
            entry.record.upstream_duration = entry.called.map(|called| called.elapsed());
        }
    }

    /// Records the status of the response.
    pub(super) fn answered(&mut self, status: StatusCode) {
        if let Some(entry) = &mut self.0 {
            entry.record.status = Some(status.as_u16());
        }
    }

    /// Sets the failure, unless there is one.
    pub(super) fn failed(&mut self, failure: Failure) {
        if let Some(entry) = &mut self.0 {
            entry.record.failure.get_or_insert(failure);
        }
    }

    /// Records that the client gets no more of its response.
    fn left(&mut self) {
        if let Some(entry) = &mut self.0 {
            entry.record.failure.get_or_insert_with(|| entry.departure.failure());
        }
    }

    fn sent(&mut self, bytes: usize) {
        if let Some(entry) = &mut self.0 {
            entry.record.sent += bytes as u64;
        }
    }
}

impl Drop for LogEntry {
    fn drop(&mut self) {
        let Some(OpenEntry { log, started, progress, departure, mut record, .. }) = self.0.take().map(|entry| *entry)
        else {
            return;
        };
        if record.status.is_none() {
            record.failure.get_or_insert_with(|| departure.failure());
        }
        record.duration = started.elapsed();
        record.received = progress.map_or(0, |progress| progress.received());
        log.offer(record);
    }
}

/// Returns the record of a request that begins now, and of which nothing is known.
fn without_head(client: SocketAddr) -> AccessRecord {
    let peer = canonical(client);
    AccessRecord {
        time: SystemTime::now(),
        duration: Duration::ZERO,
        client: peer.ip(),
        peer,
        method: None,
        target: None,
        version: None,
        host: None,
        referer: None,
        user_agent: None,
        status: None,
        failure: None,
        received: 0,
        sent: 0,
        upstream: None,
        upstream_duration: None,
        trace: None,
    }
}

/// Returns a path and a query, without the values of the latter.
fn target(uri: &Uri) -> String {
    let mut target = cut(uri.path()).to_owned();
    if let Some(query) = uri.query() {
        target.push('?');
        target.push_str(&redacted(query));
    }
    target
}

/// Returns the value of a field, with replacements for what is not UTF-8.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn short(mut text: String) -> String {
    text.truncate(cut(&text).len());
    text.shrink_to_fit();
    text
}

/// Returns a URL without user name, password, the values of its query, and fragment, because they may be secrets.
fn redacted_url(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let (url, query) = url.split_once('?').map_or((url, None), |(url, query)| (url, Some(query)));
    let (scheme, rest) = url.split_once("//").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let separator = if scheme.len() + rest.len() < url.len() { "//" } else { "" };
    let query = query.map(|query| format!("?{}", redacted(query))).unwrap_or_default();
    format!("{scheme}{separator}{}{path}{query}", host(authority))
}

/// A body of a response that keeps the entry of its request.
#[derive(Debug)]
pub(crate) struct LoggedBody<B: Body> {
    inner: B,
    ended: bool,
    entry: LogEntry,
}

impl<B: Body> LoggedBody<B> {
    pub(super) fn new(inner: B, entry: LogEntry) -> Self {
        Self { inner, ended: false, entry }
    }
}

impl<B: Body<Data = Bytes, Error = BoxError> + Unpin> Body for LoggedBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                self.entry.sent(frame.data_ref().map_or(0, Bytes::len));
                // Trailers are the last frame, and what sends them does not ask for another.
                self.ended |= frame.is_trailers();
            }
            Some(Err(error)) => self.entry.failed(Failure::of_answer(&**error)),
            None => self.ended = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: Body> Drop for LoggedBody<B> {
    fn drop(&mut self) {
        if !self.ended && !self.inner.is_end_stream() {
            self.entry.left();
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[test]
    fn a_client_of_ipv4_is_one_at_a_socket_of_ipv6() {
        let record = without_head(([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0201], 4711).into());
        assert_eq!((record.client, record.peer), ([192, 0, 2, 1].into(), ([192, 0, 2, 1], 4711).into()));
    }

    /// The server frames a response by what its body says.
    #[test]
    fn a_logged_body_has_its_length() {
        for text in ["", "text"] {
            let body = Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {});
            let body = LoggedBody::new(body, LogEntry(None));
            assert_eq!((body.is_end_stream(), body.size_hint().exact()), (text.is_empty(), Some(text.len() as u64)));
        }
    }

    #[test]
    fn urls_keep_no_secrets() {
        for (url, expected) in [
            ("https://u:p@shop.example/a?token=1&b=2#c", "https://shop.example/a?token=REDACTED&b=REDACTED"),
            ("http://shop.example", "http://shop.example"),
            ("//u@h/a@b", "//h/a@b"),
            ("/a?b", "/a?REDACTED"),
            ("about:blank", "about:blank"),
            ("http://h?a=http://u:p@h", "http://h?a=REDACTED"),
            ("http://h/a//u:p@b", "http://h/a//u:p@b"),
            ("", ""),
        ] {
            assert_eq!(redacted_url(url), expected);
        }
    }
}
