use std::{net::IpAddr, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::Bytes,
    header::{
        ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue, LOCATION,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use tokio::{sync::Semaphore, task::spawn_blocking};
use traceparent::TraceId;

use super::{
    Trace, Window, api, page,
    window::{PAGE_SPANS, PAGE_TRACES},
};
use crate::{
    config::Limits,
    http::{ClientBody, Handler, Peer, is_host},
    telemetry::{Counts, Metrics, MetricsFormat, Store, Telemetry},
};

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// The admin API: health, metrics and recent traces.
#[derive(Clone, Debug)]
pub(crate) struct AdminService {
    metrics: Arc<Metrics>,
    counts: Vec<(&'static str, Arc<Counts>)>,
    store: Arc<Store>,
    /// Admits one request at a time to the thread on which pages are built.
    builder: Arc<Semaphore>,
    /// The allowed host names, in lower case.
    hosts: Vec<String>,
}

impl AdminService {
    /// Creates the service of a telemetry, or returns `None` if that keeps no traces.
    pub(crate) fn new(telemetry: &Telemetry, hosts: Vec<String>) -> Option<Self> {
        let store = Arc::clone(telemetry.store()?);
        let (metrics, counts) = (Arc::clone(telemetry.metrics()), telemetry.counts());
        Some(Self { metrics, counts, store, builder: Arc::new(Semaphore::new(1)), hosts })
    }

    /// Returns whether a request names a host that no page of another site can name: an IP address, `localhost` or an
    /// allowed name. Others may lead here by DNS rebinding.
    fn is_allowed<B>(&self, request: &Request<B>) -> bool {
        let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
        let mut hosts =
            request.headers().get_all(HOST).into_iter().map(HeaderValue::as_bytes).chain(authority).peekable();
        hosts.peek().is_some() && hosts.all(|host| is_host(host) && self.is_allowed_host(host))
    }

    fn is_allowed_host(&self, host: &[u8]) -> bool {
        let host = String::from_utf8_lossy(host).to_ascii_lowercase();
        let name = match host.rsplit_once(':') {
            Some((name, _)) if !host.ends_with(']') => name,
            _ => host.as_str(),
        };
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        name == "localhost" || address.parse::<IpAddr>().is_ok() || self.hosts.iter().any(|allowed| allowed == name)
    }

    /// Answers a request for health or metrics, or builds a page on a thread that serves no requests.
    async fn answer(&self, uri: &Uri, accept: &str) -> Response<Full<Bytes>> {
        let view = match path_of(uri)[..] {
            [""] => return redirect("/traces"),
            ["healthz"] => return found(TEXT, "ok\n"),
            ["metrics"] => {
                let format = MetricsFormat::accepted(accept);
                return found(format.content_type(), self.metrics.write(format, &self.counts));
            }
            ["traces"] => View::List,
            ["traces", id] => View::Waterfall(id.parse().ok()),
            ["api", "traces"] => View::ListJson,
            ["api", "traces", id] => View::TraceJson(id.parse().ok()),
            _ => {
                let help = "Not found. The paths are /healthz, /metrics, /traces and /api/traces.\n";
                return answer(StatusCode::NOT_FOUND, TEXT, help);
            }
        };
        let (from, store) = (from(uri), Arc::clone(&self.store));
        let Ok(permit) = Arc::clone(&self.builder).acquire_owned().await else { return not_built() };
        let built = spawn_blocking(move || {
            let response = view.build(&store, from);
            drop(permit);
            response
        });
        built.await.unwrap_or_else(|_| not_built())
    }
}

/// A page, or its data.
#[derive(Clone, Copy, Debug)]
enum View {
    List,
    Waterfall(Option<TraceId>),
    ListJson,
    TraceJson(Option<TraceId>),
}

impl View {
    fn build(self, store: &Store, from: usize) -> Response<Full<Bytes>> {
        match self {
            Self::List | Self::ListJson => {
                let window = Window::new(from, PAGE_TRACES, store.len());
                let traces = store.traces(window.range());
                let traces: Vec<Trace<'_>> = traces.iter().filter_map(|spans| Trace::new(spans)).collect();
                match self {
                    Self::List => found(HTML, page::list(&traces, window)),
                    _ => found(JSON, api::list(&traces, window)),
                }
            }
            Self::Waterfall(id) | Self::TraceJson(id) => {
                let spans = id.and_then(|id| store.trace(id)).unwrap_or_default();
                let trace = Trace::new(&spans);
                let window = Window::new(from, PAGE_SPANS, spans.len());
                match (self, trace) {
                    (Self::Waterfall(_), Some(trace)) => found(HTML, page::waterfall(&trace, window)),
                    (Self::Waterfall(_), None) => answer(StatusCode::NOT_FOUND, HTML, page::unknown()),
                    (_, Some(trace)) => found(JSON, api::trace(&trace, window)),
                    (_, None) => answer(StatusCode::NOT_FOUND, JSON, "{\"error\":\"no such trace\"}"),
                }
            }
        }
    }
}

impl Handler for AdminService {
    type Body = Full<Bytes>;

    /// Returns limits so low that descriptors are kept for this listener, whatever happens on the others.
    fn limits(&self) -> Limits {
        Limits {
            connections: 32,
            connections_per_address: 32,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            ..Limits::default()
        }
    }

    async fn handle(&self, _client: Peer, request: Request<ClientBody>) -> Response<Full<Bytes>> {
        if !self.is_allowed(&request) {
            return answer(StatusCode::FORBIDDEN, TEXT, "This host name is not allowed; see admin.hosts.\n");
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, "Only GET and HEAD are supported.\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let accept = request.headers().get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
        let accept = accept.collect::<Vec<_>>().join(",");
        self.answer(request.uri(), &accept).await
    }
}

/// Returns the segments of a path.
fn path_of(uri: &Uri) -> Vec<&str> {
    uri.path().trim_start_matches('/').split('/').collect()
}

/// Returns the place from which a page starts: the number `from` of the query, or else 0.
fn from(uri: &Uri) -> usize {
    let mut parameters = uri.query().unwrap_or_default().split('&');
    parameters.find_map(|parameter| parameter.strip_prefix("from=")?.parse().ok()).unwrap_or_default()
}

fn not_built() -> Response<Full<Bytes>> {
    answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "The page cannot be built.\n")
}

fn found(kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    answer(StatusCode::OK, kind, body)
}

fn redirect(to: &'static str) -> Response<Full<Bytes>> {
    let mut response = answer(StatusCode::FOUND, TEXT, "");
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
    response
}

/// Creates a response of which a browser loads and runs nothing but the page's own style.
fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{
        pin::pin,
        sync::mpsc::channel,
        task::{Context, Poll, Waker},
    };

    use http_body_util::BodyExt;
    use tokio::runtime;

    use super::*;
    use crate::config::{Environment, Tracing};

    /// Pages are built one at a time, by another thread; what watches the gateway does not wait for them.
    #[test]
    fn health_and_metrics_do_not_wait_for_pages() {
        let runtime = runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        runtime.block_on(check_waits());
    }

    async fn check_waits() {
        let mut telemetry = Telemetry::new(&Tracing::of_service("s"), Environment::default());
        telemetry.keep();
        let service = AdminService::new(&telemetry, Vec::new()).unwrap();
        let uri = Uri::from_static;
        let mut context = Context::from_waker(Waker::noop());

        let another = Arc::clone(&service.builder).acquire_owned().await.unwrap();
        for path in ["/traces", "/traces/1", "/api/traces", "/api/traces/1"] {
            let path = uri(path);
            let answer = pin!(service.answer(&path, ""));
            assert!(answer.poll(&mut context).is_pending(), "{path}");
        }
        for path in ["/", "/healthz", "/metrics", "/nothing"] {
            let path = uri(path);
            let answer = pin!(service.answer(&path, ""));
            assert!(matches!(answer.poll(&mut context), Poll::Ready(_)), "{path}");
        }
        drop(another);
        // The only other thread is busy, so a page that is there at once was built by this one.
        let (free, busy) = channel::<()>();
        drop(spawn_blocking(move || busy.recv()));
        let path = uri("/traces");
        let mut answer = pin!(service.answer(&path, ""));
        assert!(answer.as_mut().poll(&mut context).is_pending());
        drop(free);
        let answer = answer.await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(!answer.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}
