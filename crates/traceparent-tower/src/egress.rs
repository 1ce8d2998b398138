use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, Request, header::HOST};
use traceparent_http::TRACESTATE;

/// What of the trace context a call carries to somebody else.
///
/// [W3C: privacy considerations](https://www.w3.org/TR/trace-context-2/#privacy-considerations)
///
/// ```
/// use traceparent_tower::{Egress, InjectTraceContextLayer};
///
/// // A client of third parties alone.
/// let layer = InjectTraceContextLayer::new().egress(Egress::Strip);
/// assert_eq!(Egress::default(), Egress::Send);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Egress<'a> {
    /// Both headers.
    #[default]
    Send,
    /// Neither. Headers that the request already has go, too.
    Strip,
    /// `traceparent`, and of `tracestate` the members with these keys: what a third party may know that takes part
    /// in the trace.
    Only(&'a [&'a str]),
}

/// Says what goes to which host.
///
/// It is asked with the host of the request's URI or, where it has none, of its `Host` header: in lower case,
/// without port and without a dot at the end, an IPv6 address in brackets; empty where nothing names a host.
///
/// An [`Egress`] is the same for all hosts, a function decides for each:
///
/// ```
/// use traceparent_tower::{Egress, EgressPolicy};
///
/// let policy = |host: &str| if host.ends_with(".internal") { Egress::Send } else { Egress::Strip };
/// assert_eq!(policy.egress("orders.internal"), Egress::Send);
/// assert_eq!(policy.egress("api.example.com"), Egress::Strip);
/// assert_eq!(Egress::Strip.egress("orders.internal"), Egress::Strip);
/// ```
pub trait EgressPolicy {
    /// Says what a call to this host carries.
    fn egress(&self, host: &str) -> Egress<'_>;
}

impl EgressPolicy for Egress<'_> {
    fn egress(&self, _: &str) -> Egress<'_> {
        *self
    }
}

impl<F: Fn(&str) -> Egress<'static>> EgressPolicy for F {
    fn egress(&self, host: &str) -> Egress<'_> {
        self(host)
    }
}

impl Egress<'_> {
    /// Takes out of a call's headers what is not to go.
    pub(crate) fn apply(self, headers: &mut HeaderMap) {
        match self {
            Self::Send => {}
            Self::Strip => traceparent_http::strip(headers),
            Self::Only(keys) => keep(keys, headers),
        }
    }
}

/// What cannot be read does not go either.
fn keep(keys: &[&str], headers: &mut HeaderMap) {
    let incoming = traceparent_http::extract(headers);
    let Some(context) = incoming.context() else {
        return traceparent_http::strip(headers);
    };
    let members = context.tracestate.iter().filter(|member| keys.contains(&member.key()));
    let list = members.map(|member| format!("{}={}", member.key(), member.value())).collect::<Vec<_>>().join(",");
    headers.remove(&TRACESTATE);
    if let Some(list) = HeaderValue::try_from(list).ok().filter(|list| !list.is_empty()) {
        headers.insert(&TRACESTATE, list);
    }
}

/// The host that a request goes to, as [`EgressPolicy`] describes it.
pub(crate) fn host<B>(request: &Request<B>) -> Cow<'_, str> {
    let header = || request.headers().get(HOST)?.to_str().ok();
    normal(request.uri().host().or_else(|| Some(without_port(header()?))).unwrap_or_default())
}

pub(crate) fn normal(host: &str) -> Cow<'_, str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}
