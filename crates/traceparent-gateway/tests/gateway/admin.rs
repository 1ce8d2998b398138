use std::{net::SocketAddr, time::Duration};

use serde_json::Value;

use crate::support::{CALLER, Gateway, Response, TRACE_ID, Upstream, get, ok, send, traceparent};

/// Starts a gateway with an admin listener, and returns where that is.
fn start(upstream: &str, args: &[&str]) -> (Gateway, SocketAddr) {
    let mut gateway = Gateway::start(upstream, &[args, &["--admin", "127.0.0.1:0"]].concat());
    let admin = gateway.admin();
    (gateway, admin)
}

fn fetch(admin: SocketAddr, path: &str) -> Response {
    send(admin, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

fn json(admin: SocketAddr, path: &str) -> Value {
    let response = fetch(admin, path);
    assert_eq!((response.status, response.head.one("content-type")), (200, "application/json"));
    serde_json::from_str(&response.body).unwrap()
}

/// Waits until this number of spans is kept: they arrive beside the requests.
fn await_spans(admin: SocketAddr, spans: u64) -> Vec<Value> {
    for _ in 0..600 {
        let traces = all(admin, "/api/traces", "traces");
        if traces.iter().map(|trace| trace["spans"].as_u64().unwrap()).sum::<u64>() >= spans {
            return traces;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the spans do not arrive");
}

/// Returns the items on all pages of an answer. No page is larger than documented.
fn all(admin: SocketAddr, path: &str, items: &str) -> Vec<Value> {
    let (mut found, mut next) = (Vec::new(), Some(path.to_owned()));
    while let Some(path) = next {
        let mut page = json(admin, &path);
        found.append(page[items].as_array_mut().unwrap());
        next = page["next"].as_str().map(str::to_owned);
    }
    found
}

/// The documented size limit of a page.
const PAGE_BYTES: usize = 1024 * 1024;

#[test]
fn it_is_a_listener_of_its_own() {
    let upstream = Upstream::start(ok);
    let (gateway, admin) = start(&upstream.url(), &[]);
    assert_eq!((fetch(admin, "/healthz").status, fetch(admin, "/healthz").body.as_str()), (200, "ok\n"));
    // On the other listener, the same path is the upstream's.
    assert_eq!(fetch(gateway.address, "/healthz").body, "ok");
    assert_eq!(fetch(admin, "/nothing").status, 404);
    assert_eq!(send(admin, "DELETE /traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").status, 405);
    let response = fetch(admin, "/");
    assert_eq!((response.status, response.head.one("location")), (302, "/traces"));
}

#[test]
fn metrics_are_counted() {
    let upstream = Upstream::start(ok);
    let (gateway, admin) = start(&upstream.url(), &[]);
    get(gateway.address, &[]);
    get(gateway.address, &[&format!("traceparent: {}", traceparent("01"))]);
    get(gateway.address, &[&format!("traceparent: {}", traceparent("00"))]);
    get(gateway.address, &["traceparent: 00-"]);
    await_spans(admin, 6);
    let response = fetch(admin, "/metrics");
    assert_eq!(response.head.one("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        "requests_open 0",
        "requests_total{status=\"2xx\"} 4",
        "contexts_total{origin=\"started\"} 1",
        "contexts_total{origin=\"continued\"} 2",
        "contexts_total{origin=\"restarted\"} 1",
        "contexts_sampled_total 3",
        "contexts_refused_total{kind=\"too_short\"} 1",
        "spans_total{sink=\"console\",outcome=\"dropped\"} 0",
        "spans_total{sink=\"store\",outcome=\"exported\"} 6",
        "spans_total{sink=\"store\",outcome=\"dropped\"} 0",
        "spans_waiting{sink=\"store\"} 0",
        "upstream_response_seconds_count 4",
    ] {
        let line = format!("\ntraceparent_gateway_{line}\n");
        assert!(response.body.contains(&line), "{line} is not in {}", response.body);
    }
}

#[test]
fn traces_are_kept_and_shown() {
    let upstream = Upstream::start(ok);
    let (gateway, admin) = start(&upstream.url(), &[]);
    assert!(fetch(admin, "/traces").body.contains("No trace has been sampled yet."));
    let request = format!("GET /a/b?c=d HTTP/1.1\r\nHost: h\r\ntraceparent: {}\r\n\r\n", traceparent("01"));
    send(gateway.address, request);
    get(gateway.address, &[&format!("traceparent: {}", traceparent("00").replace('4', "5"))]);
    let traces = await_spans(admin, 2);
    assert_eq!(traces.len(), 1, "{traces:?}");
    assert_eq!(traces[0]["trace_id"], TRACE_ID);
    assert_eq!((&traces[0]["spans"], &traces[0]["errors"]), (&2.into(), &0.into()));

    let found = json(admin, &format!("/api/traces/{TRACE_ID}"));
    let spans = found["spans"].as_array().unwrap();
    assert_eq!((&spans[0]["kind"], &spans[0]["parent_id"]), (&"server".into(), &CALLER.into()));
    assert_eq!((&spans[1]["kind"], &spans[1]["parent_id"]), (&"client".into(), &spans[0]["span_id"]));
    assert_eq!(upstream.head().traceparent()[2], spans[1]["span_id"]);

    assert!(fetch(admin, "/traces").body.contains(&format!("<a href=\"/traces/{TRACE_ID}\">")));
    let page = fetch(admin, &format!("/traces/{TRACE_ID}"));
    assert_eq!((page.status, page.head.one("content-type")), (200, "text/html; charset=utf-8"));
    for text in ["GET /a/b", "url.query", "c=REDACTED", spans[1]["span_id"].as_str().unwrap()] {
        assert!(page.body.contains(text), "{text}");
    }
    for unknown in ["ffffffffffffffffffffffffffffffff", "0", "%00"] {
        assert_eq!(fetch(admin, &format!("/traces/{unknown}")).status, 404);
        assert_eq!(fetch(admin, &format!("/api/traces/{unknown}")).status, 404);
    }
}

#[test]
fn nothing_from_outside_becomes_markup() {
    let upstream = Upstream::start(ok);
    let (gateway, admin) = start(&upstream.url(), &[]);
    let request =
        "GET /'\"<script>alert(1)</script> HTTP/1.1\r\nHost: h\r\nUser-Agent: <img src=x onerror=alert(2)>\r\n\r\n";
    // Whether a target like this is forwarded is not the point.
    send(gateway.address, request);
    get(gateway.address, &["user-agent: <img src=x onerror=alert(2)>\"'&"]);
    for trace in await_spans(admin, 2) {
        for path in ["/traces".to_owned(), format!("/traces/{}", trace["trace_id"].as_str().unwrap())] {
            let page = fetch(admin, &path);
            for markup in ["<script", "<img"] {
                assert!(!page.body.contains(markup), "{markup} in {path}");
            }
            assert!(page.head.one("content-security-policy").starts_with("default-src 'none'; "));
        }
    }
}

#[test]
fn pages_are_bounded_and_lead_to_all_spans() {
    let upstream = Upstream::start(ok);
    let (gateway, admin) = start(&upstream.url(), &[]);
    let mut client = gateway.connect();
    // Every character of these texts is longer in HTML.
    let (path, agent) = ("'".repeat(600), "<".repeat(600));
    for _ in 0..300 {
        client.write(format!(
            "GET /{path} HTTP/1.1\r\nHost: h\r\nUser-Agent: {agent}\r\ntraceparent: {}\r\ntracestate: a={}\r\n\r\n",
            traceparent("01"),
            "&".repeat(250),
        ));
        assert_eq!(client.response().status, 200);
    }
    await_spans(admin, 600);
    let spans = all(admin, &format!("/api/traces/{TRACE_ID}"), "spans");
    let mut listed: Vec<&str> = spans.iter().map(|span| span["span_id"].as_str().unwrap()).collect();
    let (mut shown, mut pages, mut next) = (String::new(), 0, Some(format!("/traces/{TRACE_ID}")));
    while let Some(path) = next {
        let page = fetch(admin, &path).body;
        assert!(page.len() <= PAGE_BYTES, "{path} has {} bytes", page.len());
        let link = page.split_once("rel=next href=\"").map(|(_, rest)| rest.split('"').next().unwrap().to_owned());
        next = link;
        pages += 1;
        shown += &page;
    }
    assert_eq!(pages, 6);
    listed.sort_unstable();
    listed.dedup();
    assert_eq!(listed.len(), 600);
    for id in listed {
        assert!(shown.contains(&format!("<dt>span id<dd>{id}<")), "{id}");
    }
    for beyond in ["?from=600", "?from=18446744073709551615", "?from=-1", "?from=x", "?"] {
        let page = fetch(admin, &format!("/traces/{TRACE_ID}{beyond}"));
        assert_eq!((page.status, page.body.len() <= PAGE_BYTES), (200, true), "{beyond}");
    }
}

#[test]
fn a_long_list_is_in_pages() {
    let upstream = Upstream::start(ok);
    let (gateway, admin) = start(&upstream.url(), &[]);
    let mut client = gateway.connect();
    for _ in 0..120 {
        client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(await_spans(admin, 240).len(), 120);
    let links = |page: &str, to: &str| page.matches(to).count();
    let (first, last) = (fetch(admin, "/traces").body, fetch(admin, "/traces?from=100").body);
    assert_eq!((links(&first, "href=\"/traces/"), links(&last, "href=\"/traces/")), (50, 20));
    assert!(first.contains("1 to 50 of 120 traces") && first.contains("rel=next href=\"/traces?from=50\""));
    assert!(last.contains("101 to 120 of 120 traces") && last.contains("rel=prev href=\"/traces?from=50\""));
    assert_eq!((links(&first, "rel=prev"), links(&last, "rel=next")), (0, 0));
}

#[test]
fn marks_tell_unusual_traces() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        let status = if exchange.head.first_line.starts_with("GET /bad ") { "503 No" } else { "200 OK" };
        exchange.write(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"));
    });
    let (gateway, admin) = start(&upstream.url(), &["--trust", "restart"]);
    let row = |path: &str, lines: &str, spans: u64| {
        send(gateway.address, format!("GET {path} HTTP/1.1\r\nHost: h\r\n{lines}\r\n"));
        let trace = await_spans(admin, spans)[0]["trace_id"].as_str().unwrap().to_owned();
        let list = fetch(admin, "/traces").body;
        let row = list.split("<tr>").find(|row| row.contains(&trace)).unwrap().to_owned();
        (row, fetch(admin, &format!("/traces/{trace}")).body)
    };
    let marks = ["<mark class=error>", "<mark class=restarted>", "<mark class=refused>"];
    for (number, (path, lines, expected)) in [
        ("/", String::new(), [false, false, false]),
        ("/", format!("traceparent: {}\r\n", traceparent("01")), [false, true, false]),
        ("/", "traceparent: 00-x\r\n".to_owned(), [false, true, true]),
        ("/bad", String::new(), [true, false, false]),
    ]
    .into_iter()
    .enumerate()
    {
        let (row, page) = row(path, &lines, 2 * (number as u64 + 1));
        for (mark, expected) in marks.into_iter().zip(expected) {
            assert_eq!((row.contains(mark), page.contains(mark)), (expected, expected), "{mark} for {path} {lines}");
        }
        for kind in ["server", "client"] {
            assert!(page.contains(&format!("<span class=kind>{kind}</span>")), "{page}");
        }
    }
}

#[test]
fn nothing_steers_a_terminal_or_turns_a_text_around() {
    let upstream = Upstream::start(ok);
    let mut gateway = Gateway::configured(
        &format!(
            "listeners:\n  - address: 127.0.0.1:0\n    routes: [{{prefix: /, upstream: '{}'}}]\n\
             tracing: {{service_name: \"a\\u202eb\\x9bc\"}}\nadmin: {{address: 127.0.0.1:0}}\n",
            upstream.url()
        ),
        &[],
    );
    let admin = gateway.admin();
    send(gateway.address, "GET /d\u{202e} HTTP/1.1\r\nHost: h\r\n\r\n");
    let traces = await_spans(admin, 1);
    let id = traces[0]["trace_id"].as_str().unwrap();
    let data = fetch(admin, &format!("/api/traces/{id}")).body;
    let page = fetch(admin, &format!("/traces/{id}")).body;
    for text in [&data, &page] {
        assert!(!text.contains(['\u{202e}', '\u{9b}']), "{text}");
    }
    assert!(data.contains("a\\u202eb\\u009bc") && data.contains("/d%E2%80%AE"), "{data}");
    assert!(page.contains("a\\u{202e}b\\u{9b}c") && page.contains("/d%E2%80%AE"), "{page}");
}

/// A page of another site reaches the listener by DNS rebinding, under that site's name.
#[test]
fn it_answers_only_under_its_own_names() {
    let upstream = Upstream::start(ok);
    let mut gateway = Gateway::configured(
        &format!(
            "listeners:\n  - address: 127.0.0.1:0\n    routes:\n      - prefix: /\n        upstream: {}\n\
             admin:\n  address: 127.0.0.1:0\n  hosts: [Ops.example]\n",
            upstream.url()
        ),
        &[],
    );
    let admin = gateway.admin();
    let status = |host: &str| send(admin, format!("GET /healthz HTTP/1.1\r\n{host}\r\n\r\n")).status;
    for host in ["localhost", "LOCALHOST:10000", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:10000", "ops.example:1"] {
        assert_eq!(status(&format!("Host: {host}")), 200, "{host}");
    }
    for host in
        ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "x@localhost", "[::1].evil.example"]
    {
        assert_eq!(status(&format!("Host: {host}")), 403, "{host}");
    }
    assert_eq!(status("Host: localhost\r\nHost: evil.example"), 403);
    assert_eq!(status("X: 1"), 403);
    assert_eq!(send(admin, "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 403);
}
