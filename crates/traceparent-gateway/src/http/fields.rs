use std::borrow::Cow;

use hyper::{HeaderMap, header::HeaderName};
use traceparent_formats::{KNOWN_FIELDS, is_trace_field};
use traceparent_http::{TRACEPARENT, TRACESTATE};

use crate::config::{TraceFields, Underscores};

/// The fields that the gateway sets, reads or removes, and whose names can be written with `_`. Those of traces are
/// [known](is_trace_field) elsewhere.
const OURS: [&str; 8] = [
    "content-length",
    "keep-alive",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "transfer-encoding",
    "x-real-ip",
];

/// The fields of a request that do not go on, in its head and in its trailers.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldRules {
    /// Whether the trace that the client has sent ends here.
    pub(crate) ends_trace: bool,
    /// Whether `traceparent` and `tracestate` go on even where the trace ends, in part.
    pub(crate) spares_trace_context: bool,
    /// Whether `baggage` does not go on.
    pub(crate) strips_baggage: bool,
    pub(crate) underscores: Underscores,
    pub(crate) trace_fields: TraceFields,
    /// The fields that the gateway writes or removes in a head, with the contexts in their formats. Trailers have none.
    pub(crate) contexts: Vec<&'static str>,
}

impl FieldRules {
    /// Removes the fields that do not go on.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        let removed: Vec<HeaderName> = headers.keys().filter(|name| self.removes(name)).cloned().collect();
        for name in removed {
            headers.remove(name);
        }
    }

    /// Removes the fields of trailers that do not go on: those of a head, and the contexts that a head gets anew.
    pub(super) fn apply_to_trailers(&self, trailers: &mut HeaderMap) {
        self.apply(trailers);
        for name in &self.contexts {
            trailers.remove(*name);
        }
    }

    fn removes(&self, name: &HeaderName) -> bool {
        let has_underscore = name.as_str().contains('_');
        if self.strips_baggage && name == "baggage" {
            return true;
        }
        if self.spares_trace_context && (*name == TRACEPARENT || *name == TRACESTATE) {
            return false;
        }
        if !has_underscore && !self.ends_trace {
            return false;
        }
        let is_trace = self.is_of_trace(name);
        if !has_underscore || KNOWN_FIELDS.contains(&name.as_str()) {
            return self.ends_trace && is_trace;
        }
        // A service that turns names into variables reads `X_Real_IP` as `X-Real-IP`.
        self.underscores == Underscores::Drop || is_trace || is_ours(&folded(name))
    }

    fn is_of_trace(&self, name: &HeaderName) -> bool {
        let is_listed = |list: &[HeaderName], folded: &str| list.iter().any(|other| other.as_str() == folded);
        let folded = folded(name);
        if is_listed(&self.trace_fields.keep, &folded) || is_listed(&self.trace_fields.keep, name.as_str()) {
            return false;
        }
        is_trace_field(name.as_str())
            || is_trace_field(&folded)
            || is_listed(&self.trace_fields.remove, &folded)
            || is_listed(&self.trace_fields.remove, name.as_str())
    }
}

fn is_ours(folded: &str) -> bool {
    OURS.contains(&folded) || folded.starts_with("x-forwarded-")
}

/// Returns a name as services read it that do not tell `_` from `-`.
fn folded(name: &HeaderName) -> Cow<'_, str> {
    let name = name.as_str();
    if name.contains('_') { name.replace('_', "-").into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    /// The names that go on, sorted.
    fn kept(rules: &FieldRules, names: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for name in names {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        rules.apply(&mut headers);
        let mut kept: Vec<_> = headers.keys().map(ToString::to_string).collect();
        kept.sort_unstable();
        kept
    }

    #[test]
    fn names_that_are_read_as_ours_are_dropped() {
        let names = [
            "x_forwarded_for",
            "x-forwarded_proto",
            "x_real_ip",
            "content_length",
            "_x_amzn_trace_id",
            "keep_alive",
            "max_forwards",
            "proxy_authenticate",
            "proxy_authorization",
            "proxy_connection",
            "transfer_encoding",
            "x_tenant",
            "host",
        ];
        assert_eq!(kept(&FieldRules::default(), &names), ["_x_amzn_trace_id", "host", "x_tenant"]);
        let rules = FieldRules { underscores: Underscores::Drop, ..FieldRules::default() };
        assert_eq!(kept(&rules, &names), ["_x_amzn_trace_id", "host"]);
    }

    #[test]
    fn a_trace_that_ends_leaves_nothing() {
        let names = [
            "traceparent",
            "tracestate",
            "baggage",
            "b3",
            "x-b3-traceid",
            "x-b3-new",
            "x_b3_traceid",
            "x-amzn-trace-id",
            "_x_amzn_trace_id",
            "x-datadog-tags",
            "uber-trace-id",
            "uberctx-user",
            "x-cloud-trace-context",
            "grpc-trace-bin",
            "sentry-trace",
            "sw8",
            "newrelic",
            "traceresponse",
            "ot-tracer-traceid",
            "x-request-id",
        ];
        let ends = FieldRules { ends_trace: true, ..FieldRules::default() };
        assert_eq!(kept(&ends, &names), ["x-request-id"]);
        let trace_fields = TraceFields {
            remove: vec![HeaderName::from_static("x-request-id")],
            keep: vec![HeaderName::from_static("baggage")],
        };
        assert_eq!(kept(&FieldRules { trace_fields, ..ends }, &names), ["baggage"]);
        assert_eq!(kept(&FieldRules::default(), &["baggage", "b3", "sw8"]), ["b3", "baggage", "sw8"]);
    }

    #[test]
    fn a_trace_that_ends_in_part_leaves_its_own_fields() {
        let rules = FieldRules { ends_trace: true, spares_trace_context: true, ..FieldRules::default() };
        let names = ["traceparent", "tracestate", "b3", "baggage", "x-request-id"];
        assert_eq!(kept(&rules, &names), ["traceparent", "tracestate", "x-request-id"]);
    }

    #[test]
    fn listed_names_are_those_of_both_spellings() {
        let names = |names: &[&'static str]| names.iter().map(|name| HeaderName::from_static(name)).collect();
        let trace_fields = TraceFields {
            remove: names(&["x-trace-one", "x_trace_two"]),
            keep: names(&["x-b3-traceid", "x_b3_spanid", "b3"]),
        };
        let rules = FieldRules { ends_trace: true, trace_fields, ..FieldRules::default() };
        let names = [
            "x-trace-one",
            "x_trace_one",
            "x_trace_two",
            "x-trace-two",
            "x-b3-traceid",
            "x_b3_traceid",
            "x-b3-spanid",
            "x_b3_spanid",
            "b3",
        ];
        assert_eq!(kept(&rules, &names), ["b3", "x-b3-traceid", "x-trace-two", "x_b3_spanid", "x_b3_traceid"]);
    }
}
