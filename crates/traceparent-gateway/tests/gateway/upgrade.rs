use std::io::{BufRead, Read, Write};

use crate::support::{Gateway, Upstream, get, ok, server_and_call};

const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Switches protocols, says hello first, and then sends back all it gets.
fn echo() -> Upstream {
    Upstream::start(|exchange| {
        exchange.receive();
        exchange.write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nKeep-Alive: timeout=5\r\n\r\n\u{1}hello",
        );
        loop {
            let bytes = exchange.stream.fill_buf().unwrap().to_vec();
            if bytes.is_empty() {
                return;
            }
            exchange.stream.consume(bytes.len());
            exchange.write(bytes);
        }
    })
}

#[test]
fn a_websocket_goes_through_both_ways() {
    let upstream = echo();
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write(HANDSHAKE);
    let head = connection.head();
    assert_eq!(head.first_line, "HTTP/1.1 101 Switching Protocols");
    assert_eq!((head.one("connection"), head.one("upgrade")), ("upgrade", "websocket"));
    assert_eq!(head.one("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert!(head.all("keep-alive").is_empty());

    let asked = upstream.head();
    assert_eq!((asked.one("connection"), asked.one("upgrade")), ("upgrade", "websocket"));
    assert_eq!(asked.one("sec-websocket-key"), "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(asked.traceparent()[0], "00");

    let mut frame = [0; 6];
    connection.stream.read_exact(&mut frame).unwrap();
    assert_eq!(&frame, b"\x01hello");
    for length in [1, 100, 1 << 20] {
        let frame: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
        let mut writer = connection.stream.get_ref().try_clone().unwrap();
        let sent = frame.clone();
        let writing = std::thread::spawn(move || writer.write_all(&sent).unwrap());
        let mut echoed = vec![0; length];
        connection.stream.read_exact(&mut echoed).unwrap();
        writing.join().unwrap();
        assert!(echoed == frame);
    }
    // The client ends it, and the upstream learns of that.
    connection.stream.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(connection.stream.read(&mut frame).unwrap(), 0);

    let (server, call) = server_and_call(&gateway.spans());
    assert_eq!((&server["status"], &call.unwrap()["status"]), (&101.into(), &101.into()));
    assert!(server["error"].is_null());
}

#[test]
fn an_upstream_may_say_no() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    for _ in 0..2 {
        connection.write(HANDSHAKE);
        let response = connection.response();
        assert_eq!((response.status, response.body.as_str()), (200, "ok"));
    }
}

#[test]
fn an_upstream_may_not_switch_unasked() {
    let upstream = echo();
    let gateway = Gateway::start(&upstream.url(), &[]);
    assert_eq!(get(gateway.address, &[]).status, 502);
}

/// It would be a tunnel past the gateway.
#[test]
fn nobody_upgrades_to_http_2() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let lines = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"];
    assert_eq!(get(gateway.address, &lines).status, 200);
    let head = upstream.head();
    for name in ["connection", "upgrade", "http2-settings"] {
        assert!(head.all(name).is_empty(), "{name}");
    }
}

#[test]
fn a_websocket_may_end_before_the_gateway_does() {
    let upstream = echo();
    let mut gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write(HANDSHAKE);
    connection.head();
    let mut frame = [0; 6];
    connection.stream.read_exact(&mut frame).unwrap();
    gateway.signal("TERM");
    gateway.told();
    connection.write("still here");
    let mut echoed = [0; 10];
    connection.stream.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"still here");
    drop(connection);
    let stopped = gateway.ended();
    assert!(stopped.stderr.ends_with("0 connections cut\n"), "{}", stopped.stderr);
}

#[test]
fn a_second_signal_cuts_websockets() {
    let upstream = echo();
    let mut gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write(HANDSHAKE);
    connection.head();
    gateway.signal("TERM");
    gateway.told();
    gateway.signal("TERM");
    let stopped = gateway.ended();
    assert!(stopped.stderr.ends_with("1 connections cut\n"), "{}", stopped.stderr);
}

#[test]
fn a_websocket_that_says_nothing_ends() {
    let upstream = echo();
    let gateway = Gateway::configured(
        &format!(
            "listeners:\n  - address: 127.0.0.1:0\n    limits: {{idle_timeout: 300ms}}\n    routes:\n      - prefix: /\n        \
             upstream: {}\n",
            upstream.url()
        ),
        &[],
    );
    let mut connection = gateway.connect();
    connection.write(HANDSHAKE);
    connection.head();
    let mut rest = Vec::new();
    connection.stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"\x01hello");
}
