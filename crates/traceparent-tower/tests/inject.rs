//! The client's layer.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use http::{HeaderMap, Request};
use tower::{Layer, Service, ServiceExt};
use traceparent::{IdGenerator, IdsFrom};
use traceparent_tower::{Egress, EgressPolicy, EgressRules, InjectTraceContext, InjectTraceContextLayer, SpanContext};

use crate::common::{SAMPLED, Seen, TRACE_ID, continued, echo, request, started};

async fn call<G: IdGenerator + Clone>(layer: InjectTraceContextLayer<G>, request: Request<()>) -> Seen {
    layer.layer(echo()).oneshot(request).await.unwrap().into_body()
}

fn with(span: &SpanContext, mut request: Request<()>) -> Request<()> {
    request.extensions_mut().insert(span.clone());
    request
}

fn field<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn each_call_is_a_child_of_the_span_in_its_extensions() {
    // W3C 17, 35, 60
    let parent = continued("a=1,b=2");
    let seen = call(InjectTraceContextLayer::new(), with(&parent, request(&[]))).await;
    let span = seen.extension.unwrap();
    assert_eq!(span.parent_id(), Some(parent.span_id()));
    assert_eq!(span.traceparent().trace_id().to_string(), TRACE_ID);
    assert_eq!(field(&seen.headers, "traceparent"), [span.traceparent().to_string()]);
    assert_eq!(field(&seen.headers, "tracestate"), ["a=1,b=2"]);

    let again = call(InjectTraceContextLayer::new(), with(&parent, request(&[]))).await;
    assert_ne!(again.extension.unwrap().span_id(), span.span_id());
}

#[tokio::test]
async fn headers_that_were_there_are_replaced() {
    let stale = request(&[("traceparent", SAMPLED), ("traceparent", "junk"), ("tracestate", "stale=1")]);
    let seen = call(InjectTraceContextLayer::new(), with(&started(), stale)).await;
    assert_eq!(field(&seen.headers, "traceparent"), [seen.extension.unwrap().traceparent().to_string()]);
    assert!(field(&seen.headers, "tracestate").is_empty());
}

#[tokio::test]
async fn span_ids_come_from_the_given_generator() {
    let layer = InjectTraceContextLayer::new().ids(IdsFrom::new(|| 7));
    let seen = call(layer.clone(), with(&started(), request(&[]))).await;
    assert_eq!(seen.extension.unwrap().span_id().to_string(), "0000000000000007");
}

#[tokio::test]
async fn without_a_span_the_headers_stay_as_they_are() {
    let seen = call(InjectTraceContextLayer::new(), request(&[])).await;
    assert!(seen.headers.is_empty() && seen.extension.is_none());
    let fields = [("traceparent", "by hand"), ("tracestate", "A")];
    let seen = call(InjectTraceContextLayer::new(), request(&fields)).await;
    assert_eq!(seen.headers, *request(&fields).headers());
}

#[tokio::test]
async fn strip_sends_nothing_and_keeps_the_span() {
    let layer = InjectTraceContextLayer::new().egress(Egress::Strip);
    let seen = call(layer.clone(), with(&continued("a=1"), request(&[("traceparent", SAMPLED)]))).await;
    assert!(seen.headers.is_empty());
    assert_eq!(seen.extension.unwrap().traceparent().trace_id().to_string(), TRACE_ID);

    let by_hand = request(&[("traceparent", SAMPLED), ("tracestate", "a=1"), ("tracestate", "b=1")]);
    assert!(call(layer.clone(), by_hand).await.headers.is_empty());
}

#[tokio::test]
async fn only_lets_the_listed_members_pass_in_their_order() {
    let layer = |keys: &'static [&'static str]| InjectTraceContextLayer::new().egress(Egress::only(keys));
    let parent = continued("secret=1,b= 2,a=1,secret@x=3,a=9");

    let seen = call(layer(&["a", "b", "absent"]), with(&parent, request(&[]))).await;
    assert_eq!(field(&seen.headers, "tracestate"), ["b= 2,a=1,a=9"]);
    assert_eq!(field(&seen.headers, "traceparent"), [seen.extension.unwrap().traceparent().to_string()]);

    for keys in [&[][..], &["A"], &["secre"]] {
        let seen = call(layer(keys), with(&parent, request(&[]))).await;
        assert_eq!(field(&seen.headers, "traceparent").len(), 1);
        assert!(field(&seen.headers, "tracestate").is_empty(), "{keys:?}");
    }
}

#[tokio::test]
async fn only_reads_headers_set_by_hand_and_sends_none_it_cannot_read() {
    let layer = InjectTraceContextLayer::new().egress(Egress::only(&["a"]));
    let seen =
        call(layer.clone(), request(&[("traceparent", SAMPLED), ("tracestate", "b=1"), ("tracestate", "a=1")])).await;
    assert_eq!(field(&seen.headers, "traceparent"), [SAMPLED]);
    assert_eq!(field(&seen.headers, "tracestate"), ["a=1"]);

    assert!(call(layer.clone(), request(&[("traceparent", "junk"), ("tracestate", "a=1")])).await.headers.is_empty());
    assert!(call(layer.clone(), request(&[("tracestate", "a=1")])).await.headers.is_empty());
    let broken = call(layer.clone(), request(&[("traceparent", SAMPLED), ("tracestate", "a=1,B=2")])).await;
    assert!(field(&broken.headers, "tracestate").is_empty());
}

#[tokio::test]
async fn the_policy_sees_the_host() {
    let hosts = [
        ("http://orders.internal/", None, "orders.internal"),
        ("http://ORDERS.Internal:8080/", None, "orders.internal"),
        ("http://orders.internal./", Some("other"), "orders.internal"),
        ("http://user@orders.internal/", None, "orders.internal"),
        ("http://[::1]:80/", None, "[::1]"),
        ("/", Some("orders.internal"), "orders.internal"),
        ("/", Some("Orders.INTERNAL.:8080"), "orders.internal"),
        ("/", Some("[::1]:80"), "[::1]"),
        ("/", Some("[::1]"), "[::1]"),
        ("/", None, ""),
    ];
    for (uri, header, expected) in hosts {
        let layer = InjectTraceContextLayer::new()
            .egress(move |host: &str| if host == expected { Egress::Inject } else { Egress::Strip });
        let mut request = Request::builder().uri(uri);
        if let Some(header) = header {
            request = request.header("host", header);
        }
        let seen = call(layer.clone(), with(&started(), request.body(()).unwrap())).await;
        assert_eq!(field(&seen.headers, "traceparent").len(), 1, "{uri} {header:?}");
    }
}

#[tokio::test]
async fn a_policy_may_lend_its_keys() {
    #[derive(Clone)]
    struct Configured(&'static str);
    impl EgressPolicy for Configured {
        fn egress(&self, _: &str) -> Egress<'_> {
            Egress::only(std::slice::from_ref(&self.0))
        }
    }
    let layer = InjectTraceContextLayer::new().egress(Configured("a"));
    let seen = call(layer.clone(), with(&continued("a=1,b=2"), request(&[]))).await;
    assert_eq!(field(&seen.headers, "tracestate"), ["a=1"]);
}

#[tokio::test]
async fn a_policy_may_be_shared_and_its_client_named() {
    struct Client<S>(InjectTraceContext<S>);
    let rules = EgressRules::new(Egress::Strip)
        .rule("*.Internal.", Egress::Inject)
        .rule("service.internal", Egress::Strip)
        .rule("partner.example", Egress::only(&["a"]));
    let policy: Arc<dyn EgressPolicy + Send + Sync> = Arc::new(rules);
    let client = Client(InjectTraceContextLayer::new().egress(policy.clone()).layer(echo()));
    let seen = client.0.oneshot(with(&started(), request(&[]))).await.unwrap().into_body();
    assert_eq!(field(&seen.headers, "traceparent").len(), 1);

    let expected = [
        ("orders.internal", Egress::Inject),
        ("a.b.internal", Egress::Inject),
        ("internal", Egress::Strip),
        (".internal", Egress::Strip),
        ("xinternal", Egress::Strip),
        ("partner.example", Egress::only(&["a"])),
        ("www.partner.example", Egress::Strip),
        ("", Egress::Strip),
    ];
    for (host, egress) in expected {
        assert_eq!(policy.egress(host), egress, "{host}");
    }
}

#[test]
fn the_future_is_the_inner_ones_and_all_is_send_and_sync() {
    const LAYER: InjectTraceContextLayer = InjectTraceContextLayer::new();
    fn check<S>(service: InjectTraceContext<S>)
    where
        S: Service<Request<()>> + Clone + Send + Sync,
        InjectTraceContext<S>: Service<Request<()>, Future = S::Future> + Clone + Send + Sync,
    {
        drop(service);
    }
    check(LAYER.layer(echo()));
}
