//! The limits of spans hold wherever spans go.

use crate::{
    otlp::{server_and_call, start},
    support::{Collector, Gateway, TRACE_ID, Upstream, get, ok, send, traceparent},
};

const LIMITS: [(&str, &str); 3] = [
    ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "4"),
    ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5"),
    ("OTEL_SPAN_LINK_COUNT_LIMIT", "0"),
];

#[test]
fn spans_for_collectors_keep_the_limits() {
    let collector = Collector::http();
    let upstream = Upstream::start(ok);
    let gateway = start(&upstream, &["--trust", "restart"], "http/protobuf", collector.address, &LIMITS);
    get(gateway.address, &[&format!("traceparent: {}", traceparent("01"))]);
    gateway.stop();
    let spans = collector.all();
    let (server, _) = server_and_call(&spans);
    assert_eq!(server.span.attributes.len(), 4);
    assert!(server.span.dropped_attributes_count > 0);
    assert_eq!(server.attribute("server.address").as_deref(), Some("shop."));
    assert_eq!((server.span.links.len(), server.span.dropped_links_count), (0, 1));
}

#[test]
fn lines_keep_the_limits() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start_in(&upstream.url(), &["--trust", "restart"], &LIMITS);
    get(gateway.address, &[&format!("traceparent: {}", traceparent("01"))]);
    let (span, _) = crate::support::server_and_call(&gateway.spans());
    let attributes = span["attributes"].as_object().unwrap();
    assert_eq!((attributes.len(), &attributes["server.address"]), (4, &"shop.".into()));
    assert!(span["dropped_attributes"].as_u64().unwrap() > 0 && span["link"].is_null(), "{span}");
}

#[test]
fn the_pages_keep_the_limits() {
    let upstream = Upstream::start(ok);
    let arguments = ["--admin", "127.0.0.1:0"];
    let mut gateway = Gateway::start_in(&upstream.url(), &arguments, &LIMITS);
    let admin = gateway.admin();
    get(gateway.address, &[&format!("traceparent: {}", traceparent("01")), "User-Agent: unseen"]);
    let page = |path: &str| send(admin, format!("GET {path}/{TRACE_ID} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    // Spans are kept a moment after they have ended, that of the call before the other one.
    let waterfall = std::iter::repeat_with(|| page("/traces")).take(6000);
    let waterfall = waterfall.map(|response| response.body).find(|body| body.contains("<dd>shop.")).unwrap();
    assert!(waterfall.contains("<dt>server.address<dd>shop.</div>"), "{waterfall}");
    assert!(waterfall.contains("<dt>dropped attributes<dd>"), "{waterfall}");
    let json = page("/api/traces").body;
    for hidden in ["unseen", "shop.e", "user_agent.original"] {
        assert!(!waterfall.contains(hidden) && !json.contains(hidden), "{hidden}: {json}");
    }
}
