//! What may pass from the heads and the trailers of clients, and in which form.

use std::{
    io::Read,
    sync::{Mutex, mpsc::channel},
};

use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::{
    Request,
    body::{Bytes, Frame},
    client::conn::http2::handshake,
};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::{Connection, Gateway, Head, Upstream, chunk, get, line, ok, send, traceparent};

fn configured(upstream: &Upstream, listener: &str, route: &str, rest: &str) -> Gateway {
    Gateway::configured(
        &format!(
            "listeners:\n  - address: 127.0.0.1:0\n{listener}    routes:\n      - prefix: /\n        upstream: {}\n{route}{rest}",
            upstream.url()
        ),
        &[],
    )
}

/// What the upstream receives of a request.
#[track_caller]
fn received(request: impl AsRef<[u8]>) -> Head {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    assert_eq!(send(gateway.address, request).status, 200);
    upstream.head()
}

#[track_caller]
fn assert_refused(request: &str, status: u16) {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    assert_eq!(send(gateway.address, request).status, status, "{request:?}");
    assert_eq!(upstream.connections(), 0, "{request:?}");
}

#[test]
fn invalid_hosts_are_refused() {
    for host in ["a/b", "user@a", "a,b", "a b", "", ":80", "a:b", "[::1", "a\\b", "a?b", "a#b", "a%zz", "a:65536"] {
        assert_refused(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), 400);
    }
}

#[test]
fn invalid_targets_are_refused() {
    for target in ["a:80", "a", "ftp://a/", "*", "http://user@a/"] {
        assert_refused(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
    }
}

#[test]
fn unknown_codings_are_not_implemented_and_chunks_count_once() {
    for (codings, status) in [
        ("gzip, chunked", 501),
        ("gzip\r\nTransfer-Encoding: chunked", 501),
        ("chunked, chunked", 400),
        ("chunked\r\nTransfer-Encoding: chunked", 400),
    ] {
        assert_refused(&format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: {codings}\r\n\r\n0\r\n\r\n"), status);
    }
}

#[test]
fn nothing_is_read_behind_a_coding_that_is_refused() {
    for codings in ["gzip, chunked", "chunked, chunked", "chunked\r\nTransfer-Encoding: chunked"] {
        let upstream = Upstream::start(ok);
        let gateway = Gateway::start(&upstream.url(), &[]);
        let mut client = Connection::open(gateway.address);
        client.write(format!(
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: {codings}\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"
        ));
        assert_eq!(client.response().head.all("connection"), ["close"], "{codings}");
        let mut rest = String::new();
        client.stream.read_to_string(&mut rest).expect("the end of the connection");
        assert_eq!(rest, "", "{codings}");
        assert_eq!(upstream.connections(), 0, "{codings}");
    }
}

#[test]
fn bytes_that_are_no_text_hide_nothing() {
    let request =
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: \x80, X-Hop, upgrade\r\nX-Hop: 1\r\nUpgrade: \x80, h2c\r\n\r\n";
    let head = received(request);
    for name in ["connection", "upgrade", "x-hop"] {
        assert!(head.all(name).is_empty(), "{name}");
    }
}

#[test]
fn an_upstream_switches_to_what_was_asked_for() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        exchange.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n");
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    assert_eq!(get(gateway.address, &["Connection: upgrade", "Upgrade: websocket"]).status, 502);
}

#[test]
fn names_that_read_like_fields_of_the_gateway_are_dropped() {
    let lines = [
        "X_Forwarded_For: 6.6.6.6",
        "x-forwarded_proto: https",
        "X_Real_IP: 6.6.6.6",
        "X-Real-IP: 6.6.6.6",
        "X_Tenant: 1",
    ];
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    get(gateway.address, &lines);
    let names: Vec<_> = upstream.head().fields.into_iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    assert!(names.iter().any(|name| name == "x_tenant"), "{names:?}");
    for name in ["x_forwarded_for", "x-forwarded_proto", "x_real_ip", "x-real-ip"] {
        assert!(!names.iter().any(|other| other == name), "{names:?}");
    }
    let gateway = configured(&upstream, "    underscores: drop\n", "", "");
    get(gateway.address, &lines);
    assert!(upstream.head().all("x_tenant").is_empty());
}

const TRACE: [&str; 13] = [
    "baggage: a=b",
    "b3: 0",
    "x-b3-traceid: 1",
    "X-Amzn-Trace-Id: Root=1",
    "x-datadog-trace-id: 1",
    "uber-trace-id: 1:1:0:1",
    "x-cloud-trace-context: 1/1",
    "grpc-trace-bin: AA",
    "sentry-trace: 1-1",
    "sw8: 1",
    "newrelic: 1",
    "traceresponse: 00-1-1-01",
    "x_b3_traceid: 1",
];

#[test]
fn a_trace_that_ends_leaves_no_field_behind() {
    let upstream = Upstream::start(ok);
    for (listener, route) in
        [("    trust: restart\n", ""), ("    trust: ignore\n", ""), ("", "        egress: strip\n")]
    {
        let gateway = configured(&upstream, listener, route, "");
        get(gateway.address, &TRACE);
        let head = upstream.head();
        for name in TRACE.map(|line| line.split(':').next().unwrap()) {
            assert!(head.all(name).is_empty(), "{listener}{route}{name}");
        }
    }
    let gateway = configured(&upstream, "", "", "");
    get(gateway.address, &TRACE);
    assert_eq!(upstream.head().one("baggage"), "a=b");
    let fields = "tracing:\n  trace_fields: {remove: [x-secret], keep: [baggage]}\n";
    let gateway = configured(&upstream, "    trust: restart\n", "", fields);
    get(gateway.address, &[&TRACE[..], &["X-Secret: 1"]].concat());
    let head = upstream.head();
    assert_eq!((head.one("baggage"), head.all("x-secret").len(), head.all("b3").len()), ("a=b", 0, 0));
}

#[test]
fn trailers_are_no_way_past_the_rules_for_heads() {
    let (sender, trailers) = channel();
    let sender = Mutex::new(sender);
    let upstream = Upstream::start(move |exchange| {
        while chunk(&mut exchange.stream).is_some() {}
        let lines = std::iter::from_fn(|| line(&mut exchange.stream).filter(|line| !line.is_empty()));
        sender.lock().unwrap().send(lines.collect::<Vec<_>>()).unwrap();
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let names = "traceparent, tracestate, x-forwarded-for, X_Real_IP, baggage, forwarded, authorization, x-sum";
    let cases = [
        ("    trust: restart\n", "", &["x-sum: 7"][..]),
        ("", "        egress: strip\n", &["x-sum: 7"]),
        ("", "        baggage: strip\n", &["x-sum: 7"]),
        // As the head's, it goes on.
        ("", "", &["baggage: a=b", "x-sum: 7"]),
    ];
    for (listener, route, expected) in cases {
        let gateway = configured(&upstream, listener, route, "");
        let request = format!(
            "POST / HTTP/1.1\r\nHost: h\r\nTrailer: {names}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\
             traceparent: {}\r\ntracestate: a=b\r\nX-Forwarded-For: 6.6.6.6\r\nX_Real_IP: 6.6.6.6\r\nBaggage: a=b\r\n\
             Forwarded: for=6.6.6.6\r\nAuthorization: Basic c2VjcmV0\r\nX-Sum: 7\r\n\r\n",
            traceparent("01")
        );
        assert_eq!(send(gateway.address, request).status, 200);
        assert_eq!(trailers.recv().unwrap(), expected);
    }
}

#[test]
fn the_last_hop_answers() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let response = send(gateway.address, "OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n");
    assert_eq!((response.status, response.body.as_str()), (200, ""));
    let trace = "TRACE /a?b HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\nCookie: secret\r\nX-One: 1\r\n\r\n";
    let response = send(gateway.address, trace);
    assert_eq!((response.status, response.head.one("content-type")), (200, "message/http"));
    assert_eq!(response.body, "TRACE /a?b HTTP/1.1\r\nhost: h\r\nmax-forwards: 0\r\nx-one: 1\r\n\r\n");
    assert_eq!(upstream.connections(), 0);
    for value in ["x", "-1", "1, 2", "1\r\nMax-Forwards: 2"] {
        let request = format!("TRACE / HTTP/1.1\r\nHost: h\r\nMax-Forwards: {value}\r\n\r\n");
        assert_eq!(send(gateway.address, request).status, 400, "{value}");
    }
    for (method, sent, expected) in [("OPTIONS", "3", "2"), ("TRACE", "1", "0"), ("GET", "3", "3")] {
        send(gateway.address, format!("{method} / HTTP/1.1\r\nHost: h\r\nMax-Forwards: {sent}\r\n\r\n"));
        assert_eq!(upstream.head().one("max-forwards"), expected);
    }
}

#[test]
fn the_options_of_a_whole_server_stay_so() {
    let head = received("OPTIONS http://shop.example HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((head.first_line.as_str(), head.one("host")), ("OPTIONS * HTTP/1.1", "shop.example"));
    let head = received("OPTIONS / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(head.first_line, "OPTIONS / HTTP/1.1");
}

#[test]
fn a_circle_ends_at_once_and_a_row_goes_through() {
    let upstream = Upstream::start(ok);
    let inner = Gateway::start(&upstream.url(), &[]);
    let outer = Gateway::start(&format!("http://{}", inner.address), &[]);
    assert_eq!(get(outer.address, &[]).status, 200);
    assert_eq!(upstream.head().all("via").len(), 2);

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let circle = Gateway::configured(
        &format!("listeners:\n  - address: {port}\n    routes:\n      - prefix: /\n        upstream: http://{port}\n"),
        &[],
    );
    let response = get(circle.address, &[]);
    assert_eq!((response.status, response.body.as_str()), (508, "The request goes in a circle.\n"));
    assert_eq!(circle.spans().len(), 3);
}

#[test]
fn a_body_is_forwarded_whatever_the_method() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    for method in ["GET", "HEAD", "DELETE"] {
        let request =
            format!("{method} / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n");
        let mut connection = gateway.connect();
        connection.write(request);
        connection.head();
        let (head, body) = upstream.received();
        assert_eq!((head.one("transfer-encoding"), &body[..]), ("chunked", &b"body"[..]), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_http_2_leaves_open_is_closed_for_http_1() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let stream = TokioIo::new(tokio::net::TcpStream::connect(gateway.address).await.unwrap());
    let (mut client, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(async { drop(connection.await) });

    // Cookies in pieces, a body without a length, and trailers that are declared.
    let mut trailers = hyper::HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    let frames = [Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from("body"))), Ok(Frame::trailers(trailers))];
    let body = BodyExt::boxed(StreamBody::new(tokio_stream::iter(frames)));
    let request =
        Request::get("http://shop.example/").header("cookie", "a=1").header("cookie", "b=2").header("trailer", "x-sum");
    assert_eq!(client.send_request(request.body(body).unwrap()).await.unwrap().status(), 200);
    let (head, body) = upstream.received();
    assert_eq!((head.one("cookie"), head.one("transfer-encoding"), &body[..]), ("a=1; b=2", "chunked", &b"body"[..]));

    for (authority, host, status) in [
        ("shop.example", "other.example", 400),
        ("shop.example", "SHOP.example:80", 200),
        ("u@shop.example", "shop.example", 400),
    ] {
        let request = Request::get(format!("http://{authority}/")).header("host", host);
        let request = request.body(Empty::new().boxed()).unwrap();
        client.ready().await.unwrap();
        // The client itself may refuse what is malformed.
        let answer = client.send_request(request).await;
        assert!(answer.is_err() || answer.unwrap().status() == status, "{authority} {host}");
    }
}
