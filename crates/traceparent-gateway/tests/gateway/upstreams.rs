//! What becomes of requests when connections to HTTP/1.1 upstreams end, and of answers that are early or large.

use std::{
    io::Read,
    net::{Shutdown, TcpListener},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::support::{Gateway, Upstream, chunk, get, ok, server_and_call, span_of};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn route(upstream: &str, keys: &str) -> String {
    format!(
        "listeners:\n  - address: 127.0.0.1:0\n    routes:\n      - prefix: /\n        upstream: {upstream}\n        {keys}\n"
    )
}

/// An upstream that reads a second request on a connection and then closes it without an answer.
fn silent_on_reuse() -> Upstream {
    let first = AtomicUsize::new(0);
    Upstream::start(move |exchange| {
        exchange.receive();
        if first.fetch_add(1, Relaxed) == 1 {
            let _ = exchange.stream.get_ref().shutdown(Shutdown::Both);
        } else {
            exchange.write(ANSWER);
        }
    })
}

#[test]
fn what_may_have_been_processed_is_sent_again_only_if_it_is_idempotent() {
    for (request, keys, status, arrivals) in [
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "", 200, 3),
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "retries: 0", 502, 2),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", "", 502, 2),
        ("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody", "", 502, 2),
    ] {
        let upstream = silent_on_reuse();
        let gateway = Gateway::configured(&route(&upstream.url(), keys), &[]);
        let mut connection = gateway.connect();
        connection.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(connection.response().status, 200);
        connection.write(request);
        assert_eq!(connection.response().status, status, "{request}");
        drop(gateway);
        for _ in 0..arrivals {
            upstream.head();
        }
        assert!(upstream.next().is_none(), "{request}");
    }
}

#[test]
fn a_byte_of_an_answer_ends_all_hope() {
    let number = AtomicUsize::new(0);
    let upstream = Upstream::start(move |exchange| {
        exchange.receive();
        if number.fetch_add(1, Relaxed) == 0 {
            return exchange.write(ANSWER);
        }
        exchange.write("H");
        let _ = exchange.stream.get_ref().shutdown(Shutdown::Both);
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    assert_eq!(get(gateway.address, &[]).status, 200);
    assert_eq!(get(gateway.address, &[]).status, 502);
    drop(gateway);
    upstream.head();
    upstream.head();
    assert!(upstream.next().is_none());
}

#[test]
fn idle_connections_are_closed() {
    let (ended, end) = std::sync::mpsc::channel();
    let upstream = Upstream::start(move |exchange| {
        exchange.receive();
        exchange.write(ANSWER);
        let mut byte = [0];
        let _ = ended.send(exchange.stream.read(&mut byte).unwrap());
    });
    let gateway = Gateway::configured(&route(&upstream.url(), "pool_idle_timeout: 50ms"), &[]);
    assert_eq!(get(gateway.address, &[]).status, 200);
    assert_eq!(end.recv_timeout(Duration::from_secs(60)).unwrap(), 0);
}

#[test]
fn an_upstream_says_how_long_it_keeps_a_connection() {
    for (fields, connections) in [("", 1), ("Keep-Alive: timeout=60\r\n", 1), ("Keep-Alive: timeout=0\r\n", 2)] {
        let upstream = Upstream::start(move |exchange| {
            exchange.receive();
            exchange.write(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok"));
        });
        let gateway = Gateway::start(&upstream.url(), &[]);
        let mut connection = gateway.connect();
        for _ in 0..2 {
            connection.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
            let response = connection.response();
            assert_eq!(response.status, 200);
            assert!(response.head.all("keep-alive").is_empty());
        }
        assert_eq!(upstream.connections(), connections, "{fields}");
    }
}

#[test]
fn the_clients_time_is_not_the_upstreams() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::configured(&route(&upstream.url(), "timeout: 400ms"), &[]);
    let mut connection = gateway.connect();
    connection.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n");
    for pause in [100, 100, 100, 100, 100, 100, 500, 500] {
        thread::sleep(Duration::from_millis(pause));
        connection.write("x");
    }
    assert_eq!(connection.response().status, 200);
    assert_eq!(span_of(gateway)["error"], Value::Null);
}

#[test]
fn bodies_go_through_whatever_the_method() {
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "POST"] {
        let upstream = Upstream::start(ok);
        let gateway = Gateway::start(&upstream.url(), &[]);
        let mut connection = gateway.connect();
        connection.write(format!(
            "{method} / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
        ));
        assert_eq!(connection.head().first_line, "HTTP/1.1 200 OK");
        let (head, body) = upstream.received();
        assert_eq!((head.one("transfer-encoding"), body.as_slice()), ("chunked", &b"body"[..]), "{method}");
    }
}

#[test]
fn an_early_answer_counts_although_the_upstream_takes_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = Upstream::start_on(listener, |exchange| {
        exchange.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge");
        let _ = exchange.stream.get_ref().shutdown(Shutdown::Both);
        // The head of another request is waited for no more.
        exchange.receive();
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    for _ in 0..50 {
        let mut connection = gateway.connect();
        let megabytes = 4;
        connection.write(format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", megabytes << 20));
        let mut writing = connection.stream.get_ref().try_clone().unwrap();
        let writer = thread::spawn(move || {
            let _ = std::io::Write::write_all(&mut writing, &vec![b'x'; megabytes << 20]);
        });
        let response = connection.response();
        assert_eq!((response.status, response.body.as_str()), (413, "large"));
        drop(connection);
        writer.join().unwrap();
    }
}

#[test]
fn large_heads_go_through_up_to_limits_of_their_own() {
    for (fields, bytes, status) in [(101, 10, 200), (250, 10, 200), (300, 10, 502), (2, 20_000, 200), (2, 70_000, 502)]
    {
        let upstream = Upstream::start(move |exchange| {
            exchange.receive();
            exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n");
            for number in 1..fields {
                exchange.write(format!("x-{number}: {}\r\n", "v".repeat(bytes)));
            }
            exchange.write("\r\nok");
        });
        let gateway = Gateway::start(&upstream.url(), &[]);
        assert_eq!(get(gateway.address, &[]).status, status, "{fields} {bytes}");
        let error = if status == 200 {
            Value::Null
        } else {
            "the head of the upstream's answer exceeds the route's header_bytes or header_fields".into()
        };
        assert_eq!(span_of(gateway)["error"], error, "{fields} {bytes}");
    }
}

#[test]
fn an_encoding_overrules_a_length() {
    for length in ["1", "0", "9", "x", "2\r\nContent-Length: 3"] {
        let upstream = Upstream::start(move |exchange| {
            exchange.receive();
            exchange.write(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
            ));
        });
        let gateway = Gateway::start(&upstream.url(), &[]);
        let response = get(gateway.address, &[]);
        assert_eq!((response.status, response.body.as_str()), (200, "ok"), "{length}");
        assert!(response.head.all("content-length").is_empty(), "{length}");
        assert_eq!(span_of(gateway)["error"], Value::Null, "{length}");
    }
}

#[test]
fn codings_that_nothing_decodes_are_refused() {
    for coding in ["gzip, chunked", "gzip", "chunked, chunked", "chunked\r\nTransfer-Encoding: chunked", "identity"] {
        let upstream = Upstream::start(move |exchange| {
            exchange.receive();
            exchange.write(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n2\r\nok\r\n0\r\n\r\n"));
            let _ = exchange.stream.get_ref().shutdown(Shutdown::Both);
        });
        let gateway = Gateway::start(&upstream.url(), &[]);
        assert_eq!(get(gateway.address, &[]).status, 502, "{coding}");
        assert_eq!(span_of(gateway)["error"], "the upstream's answer is not valid HTTP/1.1", "{coding}");
    }
}

#[test]
fn an_answer_with_trailers_is_complete() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        exchange.write(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n",
        );
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write("GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
    connection.head();
    assert_eq!(chunk(&mut connection.stream).unwrap(), b"ok");
    assert!(chunk(&mut connection.stream).is_none());
    drop(connection);
    assert_eq!(span_of(gateway)["error"], Value::Null);
}

#[test]
fn the_span_of_a_call_has_the_address_of_its_connection() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&format!("http://localhost:{}", upstream.address.port()), &[]);
    assert_eq!(get(gateway.address, &[]).status, 200);
    let call = server_and_call(&gateway.spans()).1.unwrap();
    assert_eq!(call["attributes"]["network.peer.address"], "127.0.0.1");
    assert_eq!(call["attributes"]["network.peer.port"], upstream.address.port());
}
