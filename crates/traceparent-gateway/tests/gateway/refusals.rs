//! Requests that are refused before their heads have ended are logged and counted, and have no span.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use crate::support::{
    Connection, Gateway, Upstream,
    http2::{CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, RST_STREAM, WIDE, frame, request},
    ok, send,
};

/// Returns the path of a log of this test.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("refusals-{}-{name}.log", std::process::id()))
}

/// Starts a gateway with a log and an admin listener, and returns the address of that.
fn start(listener: &str, log: &Path, format: &str) -> (Gateway, SocketAddr) {
    let text = format!(
        "listeners:\n  - address: 127.0.0.1:0\n    limits: {{header_timeout: 200ms, header_bytes: 131072}}\n    \
         {listener}\naccess_log: {{path: '{}', format: {format}}}\nadmin: {{address: 127.0.0.1:0}}\n",
        log.display()
    );
    let mut gateway = Gateway::configured(&text, &[]);
    let admin = gateway.admin();
    (gateway, admin)
}

fn routes(upstream: &Upstream) -> String {
    format!("routes: [{{prefix: /, upstream: '{}'}}]", upstream.url())
}

/// Sends what is refused, and checks what the log and the metrics say about it.
#[track_caller]
fn assert_refused(listener: &str, requests: &[(&str, u16, &str)]) {
    let log = path(requests[0].2);
    let (gateway, admin) = start(listener, &log, "json");
    let mut refusals = Vec::new();
    for (request, status, kind) in requests {
        let mut connection = gateway.connect();
        let peer = connection.stream.get_ref().local_addr().unwrap();
        connection.write(request);
        assert_eq!(connection.response().status, *status, "{kind}");
        refusals.push((peer, *status, *kind));
    }
    assert_noted(gateway, admin, &log, &refusals);
}

/// Checks what the log and the metrics say about the clients that have been refused.
#[track_caller]
fn assert_noted(gateway: Gateway, admin: SocketAddr, log: &Path, refusals: &[(SocketAddr, u16, &str)]) {
    let counted = |metrics: &str| {
        let kinds = refusals.iter().map(|(_, _, kind)| {
            let count = refusals.iter().filter(|(_, _, other)| other == kind).count();
            format!("failures_total{{kind=\"{kind}\"}} {count}")
        });
        let total = format!("requests_total{{status=\"4xx\"}} {}", refusals.len());
        let mut lines = kinds.chain([total, "requests_open 0".to_owned()]);
        lines.all(|line| metrics.contains(&format!("\ntraceparent_gateway_{line}\n")))
    };
    // A request is counted a moment after its answer.
    let mut metrics = (0..600).map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        send(admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").body
    });
    assert!(metrics.any(|metrics| counted(&metrics)), "{:?}", metrics.next());
    assert!(gateway.stop().spans.is_empty());
    let text = fs::read_to_string(log).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), refusals.len(), "{text}");
    for (peer, status, kind) in refusals {
        let line = lines.iter().find(|line| line["peer"] == peer.to_string()).unwrap();
        for field in ["method", "target", "protocol", "host", "upstream", "trace_id", "origin"] {
            assert!(line[field].is_null(), "{field}: {line}");
        }
        let found = (line["status"].as_u64(), line["error"].as_str(), line["client"].as_str());
        assert_eq!(found, (Some(u64::from(*status)), Some(*kind), Some("127.0.0.1")));
    }
    fs::remove_file(log).unwrap();
}

/// A field with a value of this many bytes, which goes into the dynamic table or not.
fn field(is_inserted: bool, length: usize) -> Vec<u8> {
    let rest = length - 127;
    let length_bytes = [0x7f, 0x80 | (rest % 128) as u8, u8::try_from(rest / 128).unwrap()];
    [&[if is_inserted { 0x40 } else { 0 }, 1, b'a'], &length_bytes[..], &vec![b'x'; length]].concat()
}

/// Sends a GET over HTTP/2, with more in its head.
fn get(client: &mut Frames, more: &[u8]) {
    client.send(HEADERS, END_HEADERS | END_STREAM, 1, &[&request("GET", "/"), more].concat());
}

type Send<'a> = &'a dyn Fn(&mut Frames);

/// The library below refuses them, with 431, with GOAWAY or with RST_STREAM; one is refused above it.
#[test]
fn heads_over_http2_are_logged_and_counted() {
    let upstream = Upstream::start(ok);
    let log = path("http2");
    let (gateway, admin) = start(&routes(&upstream), &log, "json");
    let too_large = |client: &mut Frames| {
        client.send(HEADERS, END_STREAM, 1, &request("GET", "/"));
        for number in 1..=9 {
            client.send(CONTINUATION, if number == 9 { END_HEADERS } else { 0 }, 1, &field(false, 16_000));
        }
    };
    let much_too_large =
        |client: &mut Frames| get(client, &[field(true, 3_000), vec![0xbe; 4 * 131_072 / 3_000]].concat());
    let in_pieces = |client: &mut Frames| {
        client.send(HEADERS, END_STREAM, 1, &request("GET", "/"));
        client.write(&frame(CONTINUATION, 0, 1, b"").repeat(20)).unwrap();
    };
    let of_a_connection = |client: &mut Frames| get(client, b"\x00\x0aconnection\x05close");
    let with_a_space = |client: &mut Frames| get(client, b"\x00\x01a\x02 b");
    let in_no_coding = |client: &mut Frames| get(client, b"\x80");
    let in_no_coding_and_unfinished = |client: &mut Frames| {
        client.send(HEADERS, END_STREAM, 1, b"\x80");
    };
    let refused: [(Send, u8, u16, &str); 7] = [
        (&too_large, HEADERS, 431, "head_too_large"),
        (&much_too_large, GOAWAY, 431, "head_too_large"),
        (&in_pieces, GOAWAY, 431, "head_too_large"),
        (&of_a_connection, RST_STREAM, 400, "invalid_head"),
        (&with_a_space, RST_STREAM, 400, "invalid_head"),
        (&in_no_coding, GOAWAY, 400, "invalid_head"),
        (&in_no_coding_and_unfinished, GOAWAY, 400, "invalid_head"),
    ];
    let mut refusals = Vec::new();
    for (number, (send, answer, status, kind)) in refused.into_iter().enumerate() {
        let mut client = Frames::open(gateway.address, WIDE);
        let peer = client.stream.get_ref().local_addr().unwrap();
        send(&mut client);
        let frame = client.receive().unwrap();
        assert_eq!((frame.kind, frame.is_ok()), (answer, false), "{number}: {frame:?}");
        refusals.push((peer, status, kind));
    }
    assert_noted(gateway, admin, &log, &refusals);
    assert_eq!(upstream.connections(), 0);
}

/// What becomes of requests later is none of their heads.
#[test]
fn requests_over_http2_that_are_served_are_not_refused() {
    let upstream = Upstream::start(ok);
    let log = path("served");
    let (gateway, admin) = start(&routes(&upstream), &log, "json");
    let mut client = Frames::open(gateway.address, WIDE);
    for stream in [1, 3, 5] {
        client.request(stream, true);
        assert_eq!(client.body(stream), b"ok");
    }
    // A request whose data is malformed, and one that its client resets.
    let head = [&request("POST", "/"), &b"\x0f\x0d\x011"[..]].concat();
    let malformed = [frame(HEADERS, END_HEADERS, 7, &head), frame(DATA, END_STREAM, 7, b"too long")];
    client.write(&malformed.concat()).unwrap();
    assert_eq!(client.receive().unwrap().kind, RST_STREAM);
    client.request(9, false);
    client.reset(9);
    client.ping();
    drop(client);
    let metrics = send(admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").body;
    assert!(!metrics.contains("kind=\"head_too_large\"") && !metrics.contains("kind=\"invalid_head\""), "{metrics}");
    gateway.stop();
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.lines().count() >= 3 && !text.contains("\"method\":null"), "{text}");
    fs::remove_file(log).unwrap();
}

#[test]
fn requests_without_a_whole_head_are_logged_and_counted() {
    let upstream = Upstream::start(ok);
    let (long_target, long_field) = ("a".repeat(70_000), "a".repeat(140_000));
    let requests = [
        ("\0\r\n\r\n", 400, "invalid_head"),
        (&format!("GET / HTTP/1.1\r\nHost: h\r\nX: {long_field}\r\n\r\n"), 431, "head_too_large"),
        (&format!("GET /{long_target} HTTP/1.1\r\nHost: h\r\n\r\n"), 414, "target_too_long"),
        ("GET / HTTP/1.1\r\nHost", 408, "head_too_slow"),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "ambiguous_length"),
        ("\x16\x03\x01", 400, "unexpected_tls"),
    ];
    assert_refused(&routes(&upstream), &requests);
    assert_eq!(upstream.connections(), 0);
}

/// The beginning of a request that may become one of HTTP/2.
#[test]
fn a_beginning_that_stalls_is_refused_once() {
    let upstream = Upstream::start(ok);
    assert_refused(&routes(&upstream), &[("PR", 408, "head_too_slow")]);
    let gateway = Gateway::with_limits(&upstream.url(), "header_timeout: 200ms");
    let mut connection = gateway.connect();
    connection.write("PRI * ");
    assert_eq!(connection.response().status, 408);
    assert_eq!(std::io::Read::read(&mut connection.stream, &mut [0]).unwrap(), 0);
}

#[test]
fn the_combined_format_has_no_first_line_for_them() {
    let upstream = Upstream::start(ok);
    let log = path("combined");
    let (gateway, _) = start(&routes(&upstream), &log, "combined");
    assert_eq!(send(gateway.address, "GET / HTTP/1.1\r\nHost").status, 408);
    gateway.stop();
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.starts_with("127.0.0.1 - - [") && text.ends_with("] \"-\" 408 0 \"-\" \"-\"\n"), "{text}");
    fs::remove_file(log).unwrap();
}

/// A head that does not end is no request in flight.
#[test]
fn a_stop_does_not_wait_for_heads() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut half_open: Vec<Connection> = (0..3).map(|_| gateway.connect()).collect();
    half_open[0].write("G");
    half_open[1].write("GET / HTTP/1.1\r\nHost");
    half_open[2].write("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost");
    assert_eq!(half_open[2].response().status, 200);
    let stopped = gateway.stop();
    assert!(stopped.stderr.ends_with("; 0 connections cut\n"), "{}", stopped.stderr);
}

#[cfg(feature = "tls")]
#[test]
fn requests_in_the_clear_are_logged_and_counted() {
    let (folder, authority) = (crate::support::Folder::new(), crate::support::Authority::new("shop"));
    folder.write_pair("server", &authority.server());
    let upstream = Upstream::start(ok);
    let pair = format!("{{certificate: {}, key: {}}}", folder.path("server.pem"), folder.path("server.key"));
    let listener = format!("tls: {pair}\n    {}", routes(&upstream));
    assert_refused(&listener, &[("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "not_tls")]);
}
