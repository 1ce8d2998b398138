//! The server of HTTP/2, frame by frame.

use std::{
    io::Read,
    sync::{Mutex, mpsc::channel},
    thread,
};

use serde_json::Value;

use crate::support::{
    Gateway, Upstream,
    http2::{
        DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PRIORITY, PROTOCOL_ERROR, RST_STREAM, SETTINGS, WIDE,
        WINDOW_UPDATE, request,
    },
    ok, silent, span_of,
};

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const STREAM_CLOSED: u32 = 5;
const CANCEL: u32 = 8;

/// An upstream that answers a path of digits with as many bytes, in chunks.
fn bytes() -> Upstream {
    Upstream::start(|exchange| {
        let path = exchange.head.first_line.split(' ').nth(1).unwrap()[1..].to_owned();
        exchange.receive();
        let length: usize = path.parse().unwrap_or(2);
        exchange.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..length / 1000 {
            exchange.write(format!("3e8\r\n{}\r\n", "x".repeat(1000)));
        }
        let rest = length % 1000;
        if rest > 0 {
            exchange.write(format!("{rest:x}\r\n{}\r\n", "x".repeat(rest)));
        }
        exchange.write("0\r\n\r\n");
    })
}

fn errors(spans: &[Value]) -> Vec<&str> {
    let servers = spans.iter().filter(|span| span["kind"] == "server");
    servers.map(|span| span["error"].as_str().unwrap_or("none")).collect()
}

const LEFT: &str = "the connection to the client closed before the end of the response";
const CUT: &str = "the request's body did not come to its end";
const STALLED: &str = "the client took nothing of the response for too long";

#[test]
fn a_thousand_requests_go_one_after_another() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut client = Frames::open(gateway.address, WIDE);
    for stream in (1..2000).step_by(2) {
        client.request(stream, true);
        assert_eq!(client.body(stream), b"ok");
    }
    drop(client);
    assert_eq!(gateway.spans().len(), 2000);
}

/// Each of these leaves something of the response untaken, the last one after all other bytes.
#[test]
fn streams_whose_client_takes_nothing_are_reset() {
    for (window, length) in [(0, 1), (0, 1_000_000), (1000, 1_000_000), (999, 1000)] {
        let upstream = bytes();
        let gateway = Gateway::with_limits(&upstream.url(), "idle_timeout: 300ms");
        let mut client = Frames::open(gateway.address, window);
        for stream in [1, 3] {
            client.get(stream, &format!("/{length}"));
        }
        let mut ended = Vec::new();
        while ended.len() < 2 {
            let frame = client.receive().unwrap();
            if frame.kind == RST_STREAM {
                assert_eq!(frame.code(), CANCEL);
                ended.push(frame.stream);
            }
            assert!(!frame.ends(), "{frame:?}");
        }
        ended.sort_unstable();
        assert_eq!(ended, [1, 3]);
        drop(client);
        assert_eq!(errors(&gateway.spans()), [STALLED; 2], "{window}, {length}");
    }
}

#[test]
fn a_client_that_takes_little_by_little_is_not_stalled() {
    let upstream = bytes();
    let gateway = Gateway::with_limits(&upstream.url(), "idle_timeout: 400ms");
    let mut client = Frames::open(gateway.address, 100);
    client.get(1, "/1000");
    assert!(client.receive().unwrap().is_ok());
    let mut received = 0;
    while received < 1000 {
        let frame = client.receive().unwrap();
        assert_eq!(frame.kind, DATA, "{frame:?}");
        received += frame.payload.len();
        thread::sleep(std::time::Duration::from_millis(60));
        let more = u32::try_from(frame.payload.len()).unwrap();
        client.send(WINDOW_UPDATE, 0, 1, &more.to_be_bytes());
    }
    assert_eq!(errors(&gateway.spans()), ["none"]);
}

/// The client may go on sending; it is told that its data has no reader.
#[test]
fn an_early_answer_ends_the_request_without_an_error() {
    let upstream = Upstream::start(|exchange| {
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nearly");
        let _ = exchange.stream.get_ref().shutdown(std::net::Shutdown::Both);
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut client = Frames::open(gateway.address, WIDE);
    client.request(1, false);
    assert_eq!(client.body(1), b"early");
    let reset = client.receive().unwrap();
    assert_eq!((reset.kind, reset.stream, reset.code()), (RST_STREAM, 1, NO_ERROR));
    // What was sent before the client knew is no fault.
    client.send(DATA, END_STREAM, 1, b"late");
    client.request(3, true);
    assert_eq!(client.body(3), b"early");
    assert_eq!(errors(&gateway.spans()), ["none"; 2]);
}

/// Before the answer, while the request is sent, while the response is, and after all of it.
#[test]
fn clients_reset_streams_in_any_state() {
    let (upstream, end) = silent();
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut client = Frames::open(gateway.address, WIDE);
    client.request(1, true);
    upstream.head();
    client.reset(1);
    client.request(3, false);
    client.send(DATA, 0, 3, b"a part");
    client.ping();
    client.reset(3);
    // A reset of a stream that was never opened is an error of the connection.
    client.reset(5);
    let goaway = client.goaway();
    assert_eq!((goaway.code(), goaway.last()), (PROTOCOL_ERROR, 3));
    drop(end);
    let spans = gateway.spans();
    let told = errors(&spans);
    // The second one is told by its body or by its stream, whichever is looked at first.
    assert!(told.iter().all(|error| [LEFT, CUT].contains(error)) && told.len() == 2, "{told:?}");

    let upstream = bytes();
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut client = Frames::open(gateway.address, 1000);
    client.get(1, "/1000000");
    assert!(client.receive().unwrap().is_ok());
    assert_eq!(client.receive().unwrap().kind, DATA);
    client.reset(1);
    client.get(3, "/2");
    loop {
        let frame = client.receive().unwrap();
        if frame.stream == 3 && frame.ends() {
            break;
        }
    }
    client.reset(3);
    client.get(5, "/3");
    assert_eq!(client.body(5), b"xxx");
    assert_eq!(errors(&gateway.spans()), [LEFT, "none", "none"]);
}

#[test]
fn a_cut_answer_is_reset() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        let _ = exchange.stream.get_ref().shutdown(std::net::Shutdown::Both);
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut client = Frames::open(gateway.address, WIDE);
    client.request(1, true);
    assert!(client.receive().unwrap().is_ok());
    assert_eq!(client.receive().unwrap().payload, b"half");
    let reset = client.receive().unwrap();
    assert_eq!((reset.kind, reset.code()), (RST_STREAM, INTERNAL_ERROR));
    assert_eq!(span_of(gateway)["error"], "the upstream closed the connection before the end of its answer");
}

/// A HEAD has no body, whether the upstream answers or the gateway.
#[test]
fn the_answer_to_head_has_a_length_and_no_body() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    });
    let configuration = format!(
        "listeners: [{{address: 127.0.0.1:0, routes: [{{prefix: /there, upstream: {}}}]}}]\n# - address: 127.0.0.1:0\n",
        upstream.url()
    );
    let gateway = Gateway::configured(&configuration, &[]);
    let mut client = Frames::open(gateway.address, WIDE);
    for (stream, path) in [(1, "/there"), (3, "/nowhere")] {
        let mut block = request("GET", path);
        // A literal in place of the entry for GET.
        block.splice(..1, *b"\x02\x04HEAD");
        client.send(HEADERS, END_HEADERS | END_STREAM, stream, &block);
        let head = client.receive().unwrap();
        assert!(head.ends() && head.stream == stream, "{head:?}");
        // `content-length` is entry 28.
        assert!(head.payload.windows(2).any(|bytes| bytes == b"\x0f\x0d"), "{head:?}");
    }
    let mut spans = gateway.spans();
    spans.retain(|span| span["kind"] == "server");
    let told: Vec<_> = spans.iter().map(|span| (&span["status"], span["error"].as_str())).collect();
    assert_eq!(told, [(&200.into(), None), (&404.into(), Some("no route leads to the request's target"))]);
}

/// Of a request that its upstream does not read, no more is taken than a window, and another one goes through beside it.
#[test]
fn windows_bound_what_is_taken_and_leave_room_for_others() {
    let (end, waiting) = channel::<()>();
    let waiting = Mutex::new(waiting);
    let upstream = Upstream::start(move |exchange| {
        if exchange.head.first_line.starts_with("POST") {
            let _ = waiting.lock().unwrap().recv();
        }
        ok(exchange);
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut client = Frames::open(gateway.address, WIDE);
    client.request(1, false);
    let mut room = 65_535_i64;
    let mut sent = 0_i64;
    let part = [b'x'; 16_000];
    // The connection's first window is that of the protocol, and the rest follows at once.
    let mut raw = [0; 9];
    client.stream.get_ref().set_read_timeout(Some(std::time::Duration::from_millis(700))).unwrap();
    let mut stream_room = 65_535_i64;
    loop {
        while room >= 16_000 && stream_room >= 16_000 {
            assert!(client.send(DATA, 0, 1, &part));
            (room, stream_room, sent) = (room - 16_000, stream_room - 16_000, sent + 16_000);
        }
        if client.stream.read_exact(&mut raw).is_err() {
            break;
        }
        let mut payload = vec![0; usize::from(raw[2])];
        client.stream.read_exact(&mut payload).unwrap();
        let value = |at: usize| i64::from(u32::from_be_bytes(payload[at..at + 4].try_into().unwrap()));
        match (raw[3], raw[8]) {
            (WINDOW_UPDATE, 0) => room += value(0),
            (WINDOW_UPDATE, _) => stream_room += value(0),
            (SETTINGS, _) => {
                for at in (0..payload.len()).step_by(6).filter(|at| payload[at + 1] == 4) {
                    stream_room += value(at + 2) - 65_535;
                }
            }
            _ => {}
        }
    }
    // The window, and what the sockets to the upstream hold.
    assert!((500_000..8_000_000).contains(&sent), "{sent}");
    client.stream.get_ref().set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    assert!(room >= 16_000, "nothing is left for others");
    client.request(3, true);
    assert_eq!(client.body(3), b"ok");
    drop((client, end));
    assert_eq!(errors(&gateway.spans()).len(), 2);
}

/// The protocol asks for an error of the stream at least; the library makes it one of the connection.
#[test]
fn data_after_the_end_of_a_request_is_an_error() {
    let (upstream, _end) = silent();
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut client = Frames::open(gateway.address, WIDE);
    client.request(1, true);
    upstream.head();
    client.send(DATA, END_STREAM, 1, b"more");
    let frame = client.receive().unwrap();
    assert!(matches!((frame.kind, frame.code()), (RST_STREAM, STREAM_CLOSED) | (GOAWAY, PROTOCOL_ERROR)), "{frame:?}");
    assert_eq!(errors(&gateway.spans()), [LEFT]);
}

/// Priorities, unknown frames and padding are legal, and nothing follows from them.
#[test]
fn frames_without_a_meaning_are_ignored() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut client = Frames::open(gateway.address, WIDE);
    client.send(PRIORITY, 0, 3, &[0, 0, 0, 0, 9]);
    client.send(0xee, 0xff, 1, b"unknown");
    client.send(SETTINGS, 0, 0, &[0xff, 0xff, 0, 0, 0, 1]);
    let padded = [&[4], request("POST", "/").as_slice(), &[0; 4]].concat();
    client.send(HEADERS, END_HEADERS | 8, 1, &padded);
    client.send(DATA, END_STREAM | 8, 1, b"\x03body\0\0\0");
    assert_eq!(client.body(1), b"ok");
    assert_eq!(upstream.received().1, b"body");
}
