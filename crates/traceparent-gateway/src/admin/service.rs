use std::{net::IpAddr, sync::Arc};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue, LOCATION,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use serde_json::json;

use super::{page, trace::Trace};
use crate::{
    http::{Handler, Peer, is_host},
    span::Span,
    telemetry::{Counts, Metrics, Store, Telemetry},
};

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The admin API: health, metrics and recent traces.
#[derive(Clone, Debug)]
pub(crate) struct AdminService {
    metrics: Arc<Metrics>,
    counts: Vec<(&'static str, Arc<Counts>)>,
    store: Arc<Store>,
    /// The allowed host names, in lower case.
    hosts: Vec<String>,
}

impl AdminService {
    /// Creates the service of a telemetry, or returns `None` if that keeps no traces.
    pub(crate) fn new(telemetry: &Telemetry, hosts: Vec<String>) -> Option<Self> {
        let store = Arc::clone(telemetry.store()?);
        Some(Self { metrics: Arc::clone(telemetry.metrics()), counts: telemetry.counts(), store, hosts })
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

    fn answer(&self, path: &str) -> Response<Full<Bytes>> {
        match path.trim_start_matches('/').split('/').collect::<Vec<_>>()[..] {
            [""] => redirect("/traces"),
            ["healthz"] => found(TEXT, "ok\n"),
            ["metrics"] => found(PROMETHEUS, self.metrics.write(&self.counts)),
            ["traces"] => {
                let traces = self.store.traces();
                let traces: Vec<Trace<'_>> = traces.iter().filter_map(|spans| Trace::new(spans)).collect();
                found(HTML, page::list(&traces))
            }
            ["traces", id] => match self.trace(id).as_deref().and_then(Trace::new) {
                Some(trace) => found(HTML, page::waterfall(&trace)),
                None => answer(StatusCode::NOT_FOUND, HTML, page::unknown()),
            },
            ["api", "traces"] => {
                let traces = self.store.traces();
                let traces: Vec<Trace<'_>> = traces.iter().filter_map(|spans| Trace::new(spans)).collect();
                found(JSON, json!({ "traces": traces }).to_string())
            }
            ["api", "traces", id] => match self.trace(id).as_deref().and_then(Trace::new) {
                Some(trace) => {
                    let spans: Vec<&Span> = trace.rows.iter().map(|row| row.span).collect();
                    found(JSON, json!({ "trace": trace, "spans": spans }).to_string())
                }
                None => answer(StatusCode::NOT_FOUND, JSON, json!({ "error": "no such trace" }).to_string()),
            },
            _ => answer(
                StatusCode::NOT_FOUND,
                TEXT,
                "Not found. The paths are /healthz, /metrics, /traces and /api/traces.\n",
            ),
        }
    }

    fn trace(&self, id: &str) -> Option<Vec<Arc<Span>>> {
        self.store.trace(id.parse().ok()?)
    }
}

impl Handler for AdminService {
    type Body = Full<Bytes>;

    async fn handle(&self, _client: Peer, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if !self.is_allowed(&request) {
            return answer(StatusCode::FORBIDDEN, TEXT, "This host name is not allowed; see admin.hosts.\n");
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, "Only GET and HEAD are supported.\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        self.answer(request.uri().path())
    }
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
