//! Upstreams over HTTP/2 that send many frames without a use.

use std::{
    io::{BufReader, Read},
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
    thread,
};

use serde_json::Value;

use crate::support::{
    Connection, Gateway,
    http2::{
        ACK, DATA, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
        WINDOW_UPDATE, frame,
    },
};

const FLOOD: &str = "the upstream sent many frames without a use";
const CUT: &str = "the upstream closed the connection before the end of its answer";
const RESET: &str = "the upstream closed the connection before it answered";

/// Starts an upstream, and a gateway in front of it. The function gets the number of each connection; the receiver gets it again when
/// that has ended.
fn start(serve: impl Fn(usize, &mut Frames) + Send + Sync + 'static) -> (Gateway, Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (ended, ends) = channel();
    thread::spawn(move || {
        for number in 0.. {
            let mut stream = listener.accept().unwrap().0;
            stream.set_nodelay(true).unwrap();
            stream.read_exact(&mut [0; 24]).unwrap();
            let mut frames = Frames { stream: BufReader::new(stream) };
            frames.send(SETTINGS, 0, 0, &[]);
            serve(number, &mut frames);
            let _ = ended.send(number);
        }
    });
    let text = format!(
        "listeners: [{{address: 127.0.0.1:0, routes: [{{prefix: /, upstream: \"{url}\", http2: true}}]}}]\n# - address: 127.0.0.1:0\n"
    );
    (Gateway::configured(&text, &[]), ends)
}

/// Receives the head of the next request; `None` at the end of the connection.
fn request(frames: &mut Frames) -> Option<Frame> {
    std::iter::from_fn(|| frames.receive()).find(|frame| frame.kind == HEADERS)
}

fn answer(frames: &mut Frames, stream: u32) {
    frames.send(HEADERS, END_HEADERS, stream, b"\x88");
    frames.send(DATA, END_STREAM, stream, b"ok");
}

/// Each is legal. What is behind the first one ends the connection, whether an answer is awaited, has begun or is there.
#[test]
fn floods_of_upstreams_end_with_their_connection() {
    let head = frame(HEADERS, END_HEADERS, 1, b"\x88");
    let ping = frame(PING, 0, 0, b"are you?");
    let floods = [
        ("PING", vec![], ping.clone(), 502, FLOOD),
        ("PING in an answer", head.clone(), ping.clone(), 200, CUT),
        ("the answer to a PING", vec![], frame(PING, ACK, 0, b"are you?"), 502, FLOOD),
        ("SETTINGS", vec![], frame(SETTINGS, 0, 0, &[]), 502, FLOOD),
        ("other SETTINGS", vec![], frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]), 502, FLOOD),
        ("WINDOW_UPDATE", vec![], frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), 502, FLOOD),
        ("WINDOW_UPDATE of a stream", vec![], frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), 502, FLOOD),
        ("PRIORITY", vec![], frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 1]), 502, FLOOD),
        ("an unknown frame", vec![], frame(0xee, 0, 0, b""), 502, FLOOD),
        ("GOAWAY", vec![], frame(GOAWAY, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]), 502, FLOOD),
        ("RST_STREAM", vec![], frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), 502, RESET),
        ("data without a byte", head, frame(DATA, 0, 1, b""), 200, CUT),
        ("PING behind an answer", frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x88"), ping, 200, ""),
    ];
    let sent = floods.clone();
    let (gateway, ends) = start(move |number, frames| {
        let request = request(frames).unwrap();
        let Some((name, first, flood, ..)) = sent.get(number) else { return answer(frames, request.stream) };
        frames.write(first).unwrap();
        let burst = flood.repeat(100);
        let writes = (0..5000).take_while(|_| frames.write(&burst).is_ok()).count();
        assert!(writes < 5000, "{name} was borne");
    });
    for (number, (name, _, _, status, _)) in floods.iter().enumerate() {
        let mut client = gateway.connect();
        client.write("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
        assert_eq!(client.response().status, *status, "{name}");
        assert_eq!(ends.recv().unwrap(), number, "{name}");
    }
    let mut client = gateway.connect();
    client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.response().body, "ok");
    let spans = gateway.spans();
    let errors: Vec<&Value> = spans.iter().filter(|span| span["kind"] == "client").map(|call| &call["error"]).collect();
    let expected = floods.map(|(_, _, _, _, error)| if error.is_empty() { Value::Null } else { error.into() });
    assert_eq!(errors, expected.iter().chain([&Value::Null]).collect::<Vec<_>>());
}

fn post(client: &mut Connection) -> u16 {
    client.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
    client.response().status
}

/// An upstream that answers much may say much.
#[test]
fn frames_that_follow_from_answers_are_no_flood() {
    let (gateway, ends) = start(|_, frames| {
        let beside = [
            frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 3]),
            frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 4]),
            frame(PING, ACK, 0, b"are you?"),
        ];
        let beside = beside.concat().repeat(6);
        while let Some(request) = request(frames) {
            frames.write(&beside).unwrap();
            answer(frames, request.stream);
        }
    });
    let mut client = gateway.connect();
    for _ in 0..2000 {
        assert_eq!(post(&mut client), 200);
    }
    assert!(ends.try_recv().is_err());
}

/// An upstream that is asked for much may refuse much: heads and data that are sent count.
#[test]
fn frames_that_follow_from_requests_are_no_flood() {
    let (gateway, ends) = start(|_, frames| {
        let pings = frame(PING, ACK, 0, b"are you?").repeat(18);
        while let Some(request) = request(frames) {
            while frames.receive().is_some_and(|frame| !frame.ends()) {}
            frames.write(&pings).unwrap();
            frames.send(RST_STREAM, 0, request.stream, &[0, 0, 0, 8]);
        }
    });
    let mut client = gateway.connect();
    for _ in 0..1500 {
        assert_eq!(post(&mut client), 502);
    }
    assert!(ends.try_recv().is_err());
}
