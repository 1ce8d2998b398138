use std::{
    net::Shutdown,
    sync::{Mutex, mpsc::channel},
    thread,
};

use serde_json::Value;

use crate::support::{Gateway, Upstream, chunk, line, ok, send, silent, span_of};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_chunk_arrives_before_the_upstream_has_finished() {
    let (go_on, waiting) = channel::<()>();
    let waiting = Mutex::new(waiting);
    let upstream = Upstream::start(move |exchange| {
        exchange.receive();
        exchange.write(format!("{CHUNKED}5\r\nfirst\r\n"));
        waiting.lock().unwrap().recv().unwrap();
        exchange.write("6\r\nsecond\r\n0\r\n\r\n");
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write(REQUEST);
    connection.head();
    assert_eq!(chunk(&mut connection.stream).unwrap(), b"first");
    // Only now may the upstream go on.
    go_on.send(()).unwrap();
    assert_eq!(chunk(&mut connection.stream).unwrap(), b"second");
    assert_eq!(chunk(&mut connection.stream), None);
    drop(connection);
    let span = span_of(gateway);
    assert_eq!((&span["status"], &span["error"]), (&200.into(), &Value::Null));
}

#[test]
fn a_part_of_a_request_arrives_before_the_client_has_finished() {
    let (arrived, waiting) = channel();
    let upstream = Upstream::start(move |exchange| {
        arrived.send(chunk(&mut exchange.stream)).unwrap();
        ok(exchange);
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    assert_eq!(waiting.recv().unwrap().unwrap(), b"first");
    connection.write("6\r\nsecond\r\n0\r\n\r\n");
    assert_eq!(connection.response().status, 200);
    assert_eq!(upstream.received().1, b"second");
}

#[test]
fn big_bodies_go_through_both_ways() {
    const LENGTH: usize = 32 << 20;
    let upstream = Upstream::start(|exchange| {
        let body = exchange.receive();
        exchange.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()));
        exchange.write(body);
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let body: String = ('a'..='z').cycle().take(LENGTH).collect();
    let request = format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {LENGTH}\r\n\r\n{body}");
    let response = send(gateway.address, request);
    assert_eq!(response.status, 200);
    assert!(response.body == body);
    let (head, received) = upstream.received();
    assert_eq!(head.one("content-length"), LENGTH.to_string());
    assert!(received == body.as_bytes());
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    assert_eq!(connection.head().first_line, "HTTP/1.1 100 Continue");
    connection.write("body");
    assert_eq!(connection.response().status, 200);
    assert_eq!(upstream.received().1, b"body");
}

#[test]
fn trailers_go_through_where_they_are_asked_for() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        exchange.write(
            "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n",
        );
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    for _ in 0..2 {
        connection.write("GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
        assert_eq!(connection.head().one("trailer"), "X-Sum");
        assert_eq!(chunk(&mut connection.stream).unwrap(), b"ok");
        assert_eq!(chunk(&mut connection.stream), None);
        assert_eq!(line(&mut connection.stream).unwrap().to_ascii_lowercase(), "x-sum: 7");
        assert_eq!(line(&mut connection.stream).unwrap(), "");
        let head = upstream.head();
        assert_eq!((head.one("te"), head.one("connection")), ("trailers", "te"));
    }
}

#[test]
fn an_upstream_that_dies_in_the_middle_is_recorded() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        exchange.write(format!("{CHUNKED}5\r\nfirst\r\n"));
        exchange.stream.get_ref().shutdown(Shutdown::Both).unwrap();
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write(REQUEST);
    connection.head();
    assert_eq!(chunk(&mut connection.stream).unwrap(), b"first");
    assert_eq!(line(&mut connection.stream), None);
    let span = span_of(gateway);
    assert_eq!(span["status"], 200);
    assert_eq!(span["error"], "the upstream closed the connection before the end of its answer");
}

#[test]
fn a_client_that_leaves_before_the_response_is_recorded() {
    let (upstream, left) = silent();
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    // An answer that stays unread: leaving resets the connection, where it might else only end the client's half.
    connection.write("GET * HTTP/1.1\r\nHost: h\r\n\r\n");
    connection.stream.get_ref().peek(&mut [0]).unwrap();
    connection.write(REQUEST);
    upstream.head();
    drop(connection);
    let spans = gateway.spans();
    let span = spans.iter().find(|span| span["kind"] == "server" && span["status"] != 400).unwrap();
    drop(left);
    assert_eq!(span["status"], Value::Null);
    assert_eq!(span["error"], "the connection to the client closed before the end of the response");
}

#[test]
fn a_client_that_leaves_in_the_middle_is_recorded() {
    let upstream = Upstream::start(move |exchange| {
        exchange.receive();
        exchange.write(CHUNKED);
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        while std::io::Write::write_all(exchange.stream.get_mut(), chunk.as_bytes()).is_ok() {}
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write(REQUEST);
    connection.head();
    drop(connection);
    let span = span_of(gateway);
    assert_eq!(span["status"], 200);
    assert_eq!(span["error"], "the connection to the client closed before the end of the response");
}

#[test]
fn a_request_that_ends_too_early_is_the_clients_fault() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n");
    let response = connection.response();
    assert_eq!((response.status, response.body.as_str()), (400, "The request did not come to its end.\n"));
    drop(connection);
    let span = span_of(gateway);
    assert_eq!((&span["status"], &span["error"]), (&400.into(), &"the request's body did not come to its end".into()));
}

#[test]
fn many_clients_at_once_each_get_their_own() {
    let upstream = Upstream::start(|exchange| {
        let body = exchange.receive();
        exchange.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()));
        exchange.write(body);
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let address = gateway.address;
    let clients = (0..16).map(|client| {
        thread::spawn(move || {
            for request in 0..20 {
                let body = format!("{client}/{request}");
                let length = body.len();
                let request = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}");
                assert_eq!(send(address, request).body, body);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.join().unwrap();
    }
    let spans = gateway.spans();
    let mut traces: Vec<&str> = spans.iter().map(|span| span["trace_id"].as_str().unwrap()).collect();
    traces.sort_unstable();
    traces.dedup();
    assert_eq!((spans.len(), traces.len()), (640, 320));
}

#[test]
fn a_client_that_sends_no_more_gets_its_answer() {
    let (answer, waiting) = channel::<()>();
    let waiting = Mutex::new(waiting);
    let upstream = Upstream::start(move |exchange| {
        exchange.receive();
        waiting.lock().unwrap().recv().unwrap();
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    for request in [REQUEST, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"] {
        let mut connection = gateway.connect();
        connection.write(request);
        connection.stream.get_ref().shutdown(Shutdown::Write).unwrap();
        upstream.head();
        answer.send(()).unwrap();
        let response = connection.response();
        assert_eq!((response.status, response.body.as_str()), (200, "ok"));
        assert_eq!(line(&mut connection.stream), None);
    }
}
