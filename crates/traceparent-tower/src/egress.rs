use std::sync::Arc;

use traceparent_http::Egress;

use crate::attributes::normal;

/// A policy that decides which hosts get which part of the trace context.
///
/// It is asked with the host of the request's URI or, if the URI has none, of its `Host` header. The host is in lower
/// case, without port and without a dot at the end; an IPv6 address is in brackets. It is empty if nothing names a
/// host.
///
/// An [`Egress`] is the same for all hosts, a function decides for each host, and [`EgressRules`] come from
/// configuration:
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
    /// Returns the part of the trace context that a call to this host carries.
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

impl<P: EgressPolicy + ?Sized> EgressPolicy for Arc<P> {
    fn egress(&self, host: &str) -> Egress<'_> {
        (**self).egress(host)
    }
}

/// A list of rules, each of which decides for the hosts that match its pattern.
///
/// The first rule that matches counts. Rules are owned, so that they can come from configuration.
///
/// ```
/// use traceparent_tower::{Egress, EgressPolicy, EgressRules};
///
/// let partners = vec!["partner".to_owned()];
/// let rules = EgressRules::new(Egress::Strip)
///     .rule("*.internal", Egress::Inject)
///     .rule("api.partner.example", Egress::only(&partners));
/// assert_eq!(rules.egress("orders.internal"), Egress::Inject);
/// assert_eq!(rules.egress("api.partner.example"), Egress::only(&["partner"]));
/// assert_eq!(rules.egress("api.example.com"), Egress::Strip);
/// ```
#[derive(Clone, Debug)]
pub struct EgressRules {
    rules: Vec<(String, Owned)>,
    otherwise: Owned,
}

impl EgressRules {
    /// Creates a list without rules, with the egress for all hosts that no rule matches.
    pub fn new(otherwise: Egress<'_>) -> Self {
        Self { rules: Vec::new(), otherwise: otherwise.into() }
    }

    /// Adds a rule behind the rules so far.
    ///
    /// The pattern is a host, or `*.` and a domain, which matches every name below that domain. Case and a dot at the
    /// end do not count.
    #[must_use]
    pub fn rule(mut self, hosts: &str, egress: Egress<'_>) -> Self {
        self.rules.push((normal(hosts).into_owned(), egress.into()));
        self
    }
}

impl EgressPolicy for EgressRules {
    fn egress(&self, host: &str) -> Egress<'_> {
        let rule = self.rules.iter().find(|(hosts, _)| matches(hosts, host));
        rule.map_or(&self.otherwise, |(_, egress)| egress).lend()
    }
}

fn matches(hosts: &str, host: &str) -> bool {
    match hosts.strip_prefix('*') {
        Some(domain) => domain.starts_with('.') && host.len() > domain.len() && host.ends_with(domain),
        None => hosts == host,
    }
}

#[derive(Clone, Debug)]
enum Owned {
    Inject,
    Strip,
    Only(Vec<String>),
}

impl Owned {
    fn lend(&self) -> Egress<'_> {
        match self {
            Self::Inject => Egress::Inject,
            Self::Strip => Egress::Strip,
            Self::Only(keys) => Egress::only(keys),
        }
    }
}

impl From<Egress<'_>> for Owned {
    fn from(egress: Egress<'_>) -> Self {
        match egress {
            Egress::Inject => Self::Inject,
            Egress::Only(keys) => Self::Only(keys.iter().map(str::to_owned).collect()),
            _ => Self::Strip,
        }
    }
}
