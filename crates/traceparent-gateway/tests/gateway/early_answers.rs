//! Answers that come before the end of their requests reach clients that write first and read later.

use std::{
    io::{Read, Write},
    net::Shutdown,
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use crate::support::{Connection, Gateway, Response, Upstream, get, ok, send};

/// More than all buffers on the way hold.
const MUCH: usize = 24 * 1024 * 1024;

/// A head that is refused at once.
const AMBIGUOUS: &str = "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Writes a request whose body is longer than the buffers on the way, and reads the answer only then.
#[track_caller]
fn upload(connection: &mut Connection, head: &str) -> Response {
    connection.write(head);
    let chunk = vec![b'x'; 64 * 1024];
    for _ in 0..MUCH / chunk.len() {
        connection.stream.get_mut().write_all(&chunk).expect("all is taken");
    }
    connection.response()
}

/// Asserts that an upload is refused, and the connection closed without a reset.
#[track_caller]
fn assert_refused(gateway: &Gateway, head: &str, status: u16) {
    let mut connection = gateway.connect();
    let response = upload(&mut connection, head);
    assert_eq!((response.status, response.head.one("connection")), (status, "close"));
    let mut rest = String::new();
    assert_eq!(connection.stream.read_to_string(&mut rest).expect("an end without a reset"), 0, "{rest}");
}

/// Starts a gateway with a route for `/shop` alone, and more keys of its file.
fn shop(upstream: &str, keys: &str) -> Gateway {
    let listeners =
        format!("listeners:\n  - address: 127.0.0.1:0\n    routes: [{{prefix: /shop, upstream: '{upstream}'}}]\n");
    Gateway::configured(&(listeners + keys), &[])
}

fn post(target: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: {MUCH}\r\n\r\n")
}

#[test]
fn a_refusal_of_the_gateway_arrives() {
    let upstream = Upstream::start(ok);
    let gateway = shop(&upstream.url(), "");
    assert_refused(&gateway, &post("/elsewhere"), 404);
    let chunked = format!("POST /elsewhere HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{MUCH:x}\r\n");
    assert_refused(&gateway, &chunked, 404);
}

/// An upstream that answers after the head, and then closes or reads on.
#[test]
fn an_early_answer_of_the_upstream_arrives() {
    for (status, reads_on) in [(401, false), (413, false), (401, true), (413, true)] {
        let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 5\r\nConnection: close\r\n\r\nearly");
        let upstream = Upstream::start(move |exchange| {
            exchange.write(&answer);
            if reads_on {
                exchange.receive();
            }
            exchange.stream.get_ref().shutdown(Shutdown::Both).unwrap();
        });
        let gateway = Gateway::start(&upstream.url(), &[]);
        let response = upload(&mut gateway.connect(), &post("/"));
        assert_eq!((response.status, response.body.as_str()), (status, "early"), "{reads_on}");
    }
}

#[test]
fn a_dead_upstream_is_502_for_an_upload_too() {
    let (_socket, dead) = crate::support::dead_port();
    let gateway = Gateway::start(&format!("http://{dead}"), &[]);
    let response = upload(&mut gateway.connect(), &post("/"));
    assert_eq!(
        (response.status, response.body.as_str()),
        (502, "The service behind this gateway cannot be reached.\n")
    );
}

#[test]
fn a_head_that_is_refused_is_answered() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    for (head, status) in [
        ("GET / HTTP/1.1\r\nHost: h\r\nX-Long: ", 431),
        ("GET / HTTP/1.1\r\nHost: h\r\nX Y: 1\r\n\r\n", 400),
        (AMBIGUOUS, 400),
        // A client with TLS.
        ("\x16\x03\x01", 400),
    ] {
        assert_refused(&gateway, head, status);
    }
}

#[test]
fn the_connection_goes_on_after_a_small_body() {
    let gateway = shop("http://127.0.0.1:1", "");
    let mut connection = gateway.connect();
    for _ in 0..3 {
        connection.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n");
        let response = connection.response();
        assert_eq!((response.status, response.head.all("connection")), (404, vec![]));
        // What looks like an ambiguous head is part of a body.
        connection.write(AMBIGUOUS);
        connection.write("x".repeat(60_000 - AMBIGUOUS.len()));
    }
    for _ in 0..3 {
        // Nothing tells its length, but its end has arrived.
        connection.write("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n");
        let response = connection.response();
        assert_eq!((response.status, response.head.all("connection")), (404, vec![]));
    }
    // Servers disagree about the end of trailers.
    connection.write("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx: 1\r\n\r\n");
    let response = connection.response();
    assert_eq!((response.status, response.head.one("connection")), (404, "close"));
}

/// The end of a body, which arrives together with the next request, is not taken for that of the next request's body.
#[test]
fn trailers_end_a_connection_behind_a_late_body() {
    let upstream = Upstream::start(|exchange| {
        exchange.write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        exchange.receive();
    });
    let gateway = shop(&upstream.url(), "");
    let trailers = "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx: 1\r\n\r\n";
    for target in ["/", "/shop"] {
        let late = format!("POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n");
        let mut connection = gateway.connect();
        connection.write(&late);
        for _ in 0..3 {
            let response = connection.response();
            assert_eq!((response.status, response.head.all("connection")), (404, vec![]));
            connection.write(format!("body{late}"));
        }
        let response = connection.response();
        assert_eq!((response.status, response.head.all("connection")), (404, vec![]));
        connection.write(format!("bodyPUT / HTTP/1.1\r\nHost: h\r\n{trailers}"));
        let response = connection.response();
        assert_eq!((response.status, response.head.all("connection")), (404, vec!["close"]), "{target}");
    }
}

/// A body that goes on after a whole answer is not taken for a head, however long it takes.
#[test]
fn an_upstream_may_read_on_after_its_answer() {
    let (sender, receiver) = channel();
    let upstream = Upstream::start(move |exchange| {
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly");
        sender.send(exchange.receive()).unwrap();
    });
    let gateway = Gateway::with_limits(&upstream.url(), "header_timeout: 100ms");
    let mut connection = gateway.connect();
    connection.write(format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", AMBIGUOUS.len() + 4));
    assert_eq!(connection.response().body, "early");
    connection.write("late");
    thread::sleep(Duration::from_millis(300));
    connection.write(AMBIGUOUS);
    let body = receiver.recv_timeout(Duration::from_secs(60)).expect("a whole body");
    assert_eq!(body, ["late", AMBIGUOUS].concat().as_bytes());
}

/// Whether the body ends in trailers is not known yet.
#[test]
fn an_answer_before_the_end_of_chunks_is_the_last() {
    let (sender, receiver) = channel();
    let upstream = Upstream::start(move |exchange| {
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly");
        sender.send(exchange.receive()).unwrap();
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    let response = connection.response();
    assert_eq!((&response.body[..], response.head.one("connection")), ("early", "close"));
    connection.write("4\r\nlate\r\n0\r\nx: 1\r\n\r\n");
    let body = receiver.recv_timeout(Duration::from_secs(60)).expect("a whole body");
    assert_eq!(body, b"late");
    assert_eq!(std::io::Read::read(&mut connection.stream, &mut [0]).unwrap(), 0);
}

/// What looks like an ambiguous head in the rest of a body that is not wanted is no request.
#[test]
fn the_rest_of_a_body_is_no_head() {
    let mut gateway = shop("http://127.0.0.1:1", "admin: {address: 127.0.0.1:0}\n");
    let admin = gateway.admin();
    let body = "Content-Length: 1\r\nTransfer-Encoding: chunked\r\nx: y\r\n".repeat(40_000);
    for _ in 0..20 {
        let mut connection = gateway.connect();
        connection.write(format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len()));
        connection.write(&body);
        let response = connection.response();
        assert_eq!((response.status, response.head.one("connection")), (404, "close"));
        let mut rest = String::new();
        assert_eq!(connection.stream.read_to_string(&mut rest).unwrap(), 0, "{rest}");
    }
    let metrics = send(admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").body;
    assert!(!metrics.contains("ambiguous_length"), "{metrics}");
}

/// A client that neither reads nor leaves after its answer holds up neither a new client nor a stop.
#[test]
fn a_connection_that_lingers_gives_way() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::with_limits(&upstream.url(), "connections: 1");
    let mut lingering = gateway.connect();
    lingering.write("GET / HTTP/1.1\r\nHost: h\r\nX Y: 1\r\n\r\n");
    assert_eq!(lingering.response().status, 400);
    assert_eq!(get(gateway.address, &[]).status, 200);
    let mut lingering = gateway.connect();
    lingering.write("POST / HTTP/1.1\r\nHost: a b\r\nContent-Length: 1000000\r\n\r\n");
    assert_eq!(lingering.response().status, 400);
    let stopped = gateway.stop();
    assert!(stopped.stderr.ends_with("0 connections cut\n"), "{}", stopped.stderr);
}

#[cfg(feature = "tls")]
#[test]
fn a_refusal_arrives_over_tls_and_without() {
    use crate::support::{Authority, ClientTls, Folder, TlsConnection};

    let (folder, authority) = (Folder::new(), Authority::new("shop"));
    folder.write_pair("server", &authority.server());
    let gateway = Gateway::configured(
        &format!(
            "listeners:\n  - address: 127.0.0.1:0\n    tls: {{certificate: {}, key: {}}}\n    routes: [{{prefix: /shop, \
             upstream: 'http://127.0.0.1:1'}}]\n",
            folder.path("server.pem"),
            folder.path("server.key")
        ),
        &[],
    );
    let mut connection = TlsConnection::open(gateway.address, &ClientTls::trusting(&authority)).unwrap();
    connection.write(post("/elsewhere"));
    let chunk = vec![b'x'; 64 * 1024];
    for _ in 0..MUCH / chunk.len() {
        connection.write(&chunk);
    }
    assert_eq!(connection.try_response().unwrap().status, 404);
    assert_refused(&gateway, &post("/"), 400);
}
