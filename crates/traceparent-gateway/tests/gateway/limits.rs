use std::{
    io::Read,
    sync::{Mutex, mpsc::channel},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{Connection, Gateway, Upstream, chunk, get, line, ok, send, silent, sized, span_of};

/// Longer than any limit here: what comes sooner was not waited for until the test's own end.
const LONG: Duration = Duration::from_secs(30);

/// A gateway with these limits of its listener, and this of its route.
fn gateway(upstream: &str, limits: &str, route: &str) -> Gateway {
    Gateway::configured(
        &format!(
            "listeners:\n  - address: 127.0.0.1:0\n    limits: {{{limits}}}\n    routes:\n      - prefix: /\n        \
             upstream: {upstream}\n        {route}\n"
        ),
        &[],
    )
}

#[track_caller]
fn assert_closed(mut connection: Connection) {
    let mut rest = String::new();
    assert_eq!(connection.stream.read_to_string(&mut rest).unwrap_or(0), 0, "{rest}");
}

#[test]
fn heads_may_be_so_long() {
    let upstream = Upstream::start(ok);
    let gateway = gateway(&upstream.url(), "header_bytes: 16384", "");
    let field = |length| format!("X-Long: {}", "a".repeat(length));
    assert_eq!(get(gateway.address, &[&field(15_000)]).status, 200);
    assert_eq!(get(gateway.address, &[&field(17_000)]).status, 431);
    assert_eq!(get(gateway.address, &[]).status, 200);
}

#[test]
fn heads_may_have_so_many_fields() {
    let upstream = Upstream::start(ok);
    let gateway = gateway(&upstream.url(), "header_fields: 10", "");
    assert_eq!(get(gateway.address, &["X: 1"; 9]).status, 200);
    assert_eq!(get(gateway.address, &["X: 1"; 10]).status, 431);
}

#[test]
fn a_head_that_does_not_end_is_408() {
    let upstream = Upstream::start(ok);
    let gateway = gateway(&upstream.url(), "header_timeout: 200ms", "");
    let started = Instant::now();
    // The second time, after a request that went well.
    for requests in 0..2 {
        let mut connection = gateway.connect();
        for _ in 0..requests {
            connection.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_eq!(connection.response().status, 200);
        }
        connection.write("GET / HTTP/1.1\r\nHost");
        let response = connection.response();
        assert_eq!((response.status, response.head.one("connection")), (408, "close"));
        assert_closed(connection);
    }
    assert!(started.elapsed() < LONG);
}

/// Byte after byte, the time goes on.
#[test]
fn a_head_that_drips_is_408() {
    let upstream = Upstream::start(ok);
    let gateway = gateway(&upstream.url(), "header_timeout: 300ms", "");
    let mut connection = gateway.connect();
    let mut writer = connection.stream.get_ref().try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        while std::io::Write::write_all(&mut writer, b"P").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(connection.response().status, 408);
    drop(connection);
    dripping.join().unwrap();
}

#[test]
fn connections_without_requests_end() {
    let upstream = Upstream::start(ok);
    let gateway = gateway(&upstream.url(), "idle_timeout: 200ms, header_timeout: 1h", "");
    let mut used = gateway.connect();
    used.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n");
    used.write("body");
    assert_eq!(used.response().status, 200);
    assert_closed(used);
    assert_closed(gateway.connect());
}

#[test]
fn a_connection_with_a_request_is_not_idle() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        std::thread::sleep(Duration::from_millis(600));
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
    });
    let gateway = gateway(&upstream.url(), "idle_timeout: 100ms, header_timeout: 100ms", "");
    assert_eq!(get(gateway.address, &[]).body, "late");
}

#[test]
fn a_request_that_pauses_is_408() {
    let upstream = Upstream::start(ok);
    let gateway = gateway(&upstream.url(), "idle_timeout: 200ms", "");
    let mut connection = gateway.connect();
    connection.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nfirst");
    let response = connection.response();
    assert_eq!((response.status, response.body.as_str()), (408, "The request takes too long.\n"));
    assert_eq!(span_of(gateway)["error"], "the request's body paused for too long");
}

#[test]
fn a_client_that_does_not_read_ends() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        exchange.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        while std::io::Write::write_all(exchange.stream.get_mut(), chunk.as_bytes()).is_ok() {}
        exchange.receive();
    });
    let gateway = gateway(&upstream.url(), "idle_timeout: 200ms", "");
    let mut connection = gateway.connect();
    connection.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    upstream.head();
    // The upstream gets to its second report only when the gateway has let go of it.
    upstream.head();
    let stopped = gateway.stop();
    assert!(stopped.stderr.ends_with("0 connections cut\n"), "{}", stopped.stderr);
}

/// A client that takes less than the system's buffers hold within the limit, but something all the time.
#[cfg(target_os = "linux")]
#[test]
fn a_client_that_reads_slowly_gets_all() {
    const LENGTH: usize = 5_000_000;
    let upstream = Upstream::start(sized);
    let gateway = gateway(&upstream.url(), "idle_timeout: 1s", "");
    let mut connection = gateway.connect();
    connection.write(format!("GET /{LENGTH} HTTP/1.1\r\nHost: h\r\n\r\n"));
    connection.head();
    let mut read = 0;
    while read < LENGTH {
        std::thread::sleep(Duration::from_millis(100));
        let mut some = vec![0; 65_536.min(LENGTH - read)];
        std::io::Read::read_exact(&mut connection.stream, &mut some).expect("the rest");
        read += some.len();
    }
}

#[test]
fn an_upstream_that_does_not_answer_is_504() {
    let (upstream, _end) = silent();
    let gateway = gateway(&upstream.url(), "", "timeout: 200ms");
    let mut connection = gateway.connect();
    for _ in 0..2 {
        connection.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        let response = connection.response();
        assert_eq!(
            (response.status, response.body.as_str()),
            (504, "The service behind this gateway takes too long.\n")
        );
    }
    drop(connection);
    for span in gateway.spans() {
        assert_eq!(span["error"], "the upstream took too long to answer");
    }
}

#[test]
fn an_upstream_that_cannot_be_connected_to_in_time_is_504() {
    // A listener whose queue is full: the system answers no more.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(500));
    let queue: Vec<_> = std::iter::repeat_with(connect).take_while(Result::is_ok).take(10_000).collect();
    let gateway = gateway(&format!("http://{address}"), "", "connect_timeout: 200ms");
    let response = get(gateway.address, &[]);
    assert_eq!(
        (response.status, response.body.as_str()),
        (504, "The service behind this gateway cannot be reached.\n")
    );
    assert_eq!(span_of(gateway)["error"], "cannot connect to the upstream: timed out");
    drop(queue);
}

#[test]
fn an_answer_that_pauses_is_cut() {
    let (end, waiting) = channel::<()>();
    let waiting = Mutex::new(waiting);
    let upstream = Upstream::start(move |exchange| {
        exchange.receive();
        exchange.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        let _ = waiting.lock().unwrap().recv();
    });
    let gateway = gateway(&upstream.url(), "", "idle_timeout: 200ms");
    let mut connection = gateway.connect();
    connection.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    connection.head();
    assert_eq!(chunk(&mut connection.stream).unwrap(), b"first");
    assert_eq!(line(&mut connection.stream), None);
    drop(end);
    let span = span_of(gateway);
    assert_eq!((&span["status"], &span["error"]), (&200.into(), &"the upstream's answer paused for too long".into()));
}

#[test]
fn a_slow_answer_is_no_failure_where_there_is_no_limit() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
        std::thread::sleep(Duration::from_millis(500));
        exchange.write("k");
    });
    let gateway = gateway(&upstream.url(), "idle_timeout: 100ms, header_timeout: 100ms", "");
    assert_eq!(send(gateway.address, "GET / HTTP/1.1\r\nHost: h\r\n\r\n").body, "ok");
    assert_eq!(span_of(gateway)["error"], Value::Null);
}
