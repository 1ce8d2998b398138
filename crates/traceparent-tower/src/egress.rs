use std::borrow::Cow;

use http::{Request, header::HOST};
use traceparent_http::Egress;

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
/// let policy = |host: &str| if host.ends_with(".internal") { Egress::Inject } else { Egress::Strip };
/// assert_eq!(policy.egress("orders.internal"), Egress::Inject);
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
