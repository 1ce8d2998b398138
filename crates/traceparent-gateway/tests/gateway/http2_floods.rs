//! Clients of HTTP/2 that send much and take little.

use std::thread;

use crate::support::{
    Gateway, Upstream,
    http2::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frames, GOAWAY, HEADERS, PING, PRIORITY,
        PROTOCOL_ERROR, RST_STREAM, SETTINGS, WIDE, WINDOW_UPDATE, frame, request,
    },
    ok, silent,
};

/// Sends until the gateway closes the connection, and returns the code that it gives.
fn flood(gateway: &Gateway, mut send: impl FnMut(&mut Frames, u32) -> bool) -> Option<u32> {
    let mut client = Frames::open(gateway.address, WIDE);
    let mut reader = Frames { stream: std::io::BufReader::new(client.stream.get_ref().try_clone().unwrap()) };
    let reading = thread::spawn(move || {
        let mut code = None;
        while let Some(frame) = reader.receive() {
            if frame.kind == GOAWAY {
                code = Some(frame.code());
            }
        }
        code
    });
    for number in 0..200_000 {
        if !send(&mut client, number) {
            return reading.join().unwrap();
        }
    }
    panic!("a flood was borne")
}

fn assert_served(gateway: &Gateway) {
    let mut client = Frames::open(gateway.address, WIDE);
    client.request(1, true);
    assert_eq!(client.body(1), b"ok");
}

/// Each flood ends with its connection, and others are served.
#[test]
fn floods_end_with_their_connection() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let end = END_HEADERS | END_STREAM;
    let get = request("GET", "/");

    // Requests that are reset at once.
    let code = flood(&gateway, |client, number| client.request(2 * number + 1, true) && client.reset(2 * number + 1));
    assert!(matches!(code, None | Some(ENHANCE_YOUR_CALM)), "{code:?}");
    assert_served(&gateway);

    // Requests that are malformed.
    let malformed = [&get, b"\x00\x01a\x02 b".as_slice()].concat();
    let code = flood(&gateway, |client, number| client.send(HEADERS, end, 2 * number + 1, &malformed));
    assert!(matches!(code, None | Some(ENHANCE_YOUR_CALM)), "{code:?}");
    assert_served(&gateway);

    // A head that does not end.
    let field = [b"\x00\x01a\x7f\x81\x02".as_slice(), &[b'x'; 384]].concat();
    let code = flood(&gateway, |client, number| match number {
        0 => client.send(HEADERS, 0, 1, &get),
        _ => client.send(CONTINUATION, 0, 1, &field),
    });
    assert!(matches!(code, None | Some(ENHANCE_YOUR_CALM | PROTOCOL_ERROR)), "{code:?}");
    assert_served(&gateway);

    // A head that does not end and does not grow.
    let code = flood(&gateway, |client, number| match number {
        0 => client.send(HEADERS, 0, 1, &get),
        _ => client.send(CONTINUATION, 0, 1, b""),
    });
    assert!(matches!(code, None | Some(ENHANCE_YOUR_CALM | PROTOCOL_ERROR)), "{code:?}");
    assert_served(&gateway);

    // Data without a byte.
    let code = flood(&gateway, |client, number| match number {
        0 => client.request(1, false),
        _ => client.send(DATA, 0, 1, b""),
    });
    assert!(matches!(code, None | Some(ENHANCE_YOUR_CALM)), "{code:?}");
    assert_served(&gateway);
}

/// Frames that are legal, ask for nothing, and are bounded by nothing else.
#[test]
fn floods_of_frames_without_a_use_end_with_their_connection() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let frames = [
        ("PING", frame(PING, 0, 0, b"are you?")),
        ("the answer to a PING", frame(PING, ACK, 0, b"are you?")),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[])),
        ("other SETTINGS", frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("WINDOW_UPDATE of a stream", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])),
        ("RST_STREAM", frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])),
        ("PRIORITY", frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 1])),
        ("an unknown frame", frame(0xee, 0, 0, b"")),
    ];
    for (name, frame) in frames {
        let burst = frame.repeat(100);
        let code = flood(&gateway, |client, number| match number {
            0 => client.request(1, true),
            _ => client.write(&burst).is_ok(),
        });
        // Of a connection that is closed while bytes arrive, the last ones may be lost.
        assert!(matches!(code, None | Some(ENHANCE_YOUR_CALM)), "{name}: {code:?}");
        assert_served(&gateway);
    }
}

/// A client that asks for much may say much.
#[test]
fn frames_that_follow_from_requests_are_no_flood() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut client = Frames::open(gateway.address, WIDE);
    let beside = [
        frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 3]),
        frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        frame(PING, ACK, 0, b"are you?"),
    ]
    .concat();
    for stream in (1..6000).step_by(2) {
        assert!(client.write(&beside.repeat(3)).is_ok());
        client.request(stream, true);
        assert_eq!(client.body(stream), b"ok");
    }
}

/// A client that waits for each of its requests to be taken resets them one by one.
#[test]
fn resets_that_are_not_in_a_hurry_are_counted_too() {
    let (upstream, end) = silent();
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut client = Frames::open(gateway.address, WIDE);
    let mut last = None;
    for stream in (1..4000).step_by(2) {
        client.request(stream, true);
        client.send(PING, 0, 0, b"are you?");
        last = client.receive();
        if last.as_ref().is_none_or(|frame| frame.kind != PING) {
            break;
        }
        client.reset(stream);
    }
    let goaway = last.unwrap();
    assert_eq!((goaway.kind, goaway.code()), (GOAWAY, ENHANCE_YOUR_CALM));
    assert!(goaway.last() < 3000, "{}", goaway.last());
    drop(end);
}

/// The answers to control frames wait for the client, and with them all that it sends, until that is a flood.
#[cfg(target_os = "linux")]
#[test]
fn unread_answers_to_control_frames_take_no_memory() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::with_limits(&upstream.url(), "idle_timeout: 500ms");
    let memory = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.process())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().to_owned();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    };
    assert_served(&gateway);
    let before = memory();
    for frame in [frame(PING, 0, 0, b"are you?"), frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 9])] {
        let mut client = Frames::open(gateway.address, WIDE);
        let burst = frame.repeat(1000);
        // The gateway closes the connection, because nothing follows from what it receives, or because nothing is taken.
        while client.write(&burst).is_ok() {}
    }
    let after = memory();
    assert!(after < before + 20, "{before} MB before, {after} MB after");
    assert_served(&gateway);
}

/// A few bytes can stand for a large head: each repetition counts with its length.
#[test]
fn small_blocks_that_stand_for_large_heads_are_refused() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut client = Frames::open(gateway.address, WIDE);
    // A field of 3000 bytes goes into the dynamic table and is named twenty times.
    let field = [b"\x40\x01a\x7f\xb9\x16".as_slice(), &[b'x'; 3000 - 8]].concat();
    let block = [request("GET", "/"), field, vec![0xbe; 20]].concat();
    client.send(HEADERS, END_HEADERS | END_STREAM, 1, &block);
    let answer = client.receive().unwrap();
    assert!(!answer.is_ok(), "{answer:?}");
    assert_eq!(upstream.next().map(|head| head.first_line), None);
    assert_served(&gateway);
}
