//! Interim responses, and bodies that wait for one.

use std::{
    io::{BufReader, Read, Write},
    net::TcpListener,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::channel,
    },
    thread,
    time::Duration,
};

use socket2::SockRef;

use crate::support::{
    Gateway, Upstream, chunk, get,
    http2::{END_HEADERS, Frames, HEADERS, RST_STREAM, SETTINGS, frame},
    ok, server_and_call,
};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const EXPECT: &str = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";

#[test]
fn an_interim_response_arrives_before_the_answer_and_without_fields_of_the_connection() {
    let (go_on, waiting) = channel::<()>();
    let waiting = Mutex::new(waiting);
    let upstream = Upstream::start(move |exchange| {
        exchange.receive();
        exchange.write(
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 1\r\n\r\n",
        );
        waiting.lock().unwrap().recv().unwrap();
        exchange.write(ANSWER);
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let interim = connection.head();
    assert_eq!(interim.first_line, "HTTP/1.1 103 Early Hints");
    assert_eq!(interim.fields, [("link".to_owned(), "</a>".to_owned()), ("link".to_owned(), "</b>".to_owned())]);
    // Only now may the upstream go on.
    go_on.send(()).unwrap();
    assert_eq!(connection.response().status, 200);
}

/// Asserts that a client gets 256 interim responses at most, and then 502.
#[track_caller]
fn assert_ends(gateway: &Gateway) {
    let mut connection = gateway.connect();
    connection.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut heads = 0;
    let last = loop {
        let head = connection.head();
        if head.first_line != "HTTP/1.1 102 Processing" {
            break head;
        }
        heads += 1;
        assert!(heads <= 256);
    };
    assert_eq!(last.first_line, "HTTP/1.1 502 Bad Gateway");
}

#[test]
fn interim_responses_do_not_go_on_for_ever() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        while exchange.stream.get_mut().write_all(b"HTTP/1.1 102 Processing\r\n\r\n").is_ok() {}
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    assert_ends(&gateway);
    let (_, call) = server_and_call(&gateway.spans());
    assert_eq!(call.unwrap()["error"], "the upstream's answer is not valid HTTP/1.1");
}

/// Each of them is small, and none waits for the client.
#[test]
fn interim_responses_of_http2_do_not_go_on_for_ever() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let flooding = thread::spawn(move || {
        let (mut stream, _) = upstream.accept().unwrap();
        stream.read_exact(&mut [0; 24]).unwrap();
        let mut frames = Frames { stream: BufReader::new(stream) };
        frames.send(SETTINGS, 0, 0, &[]);
        let request = frames.receive().unwrap();
        assert_eq!(request.kind, HEADERS);
        let interim = frame(HEADERS, END_HEADERS, request.stream, b"\x08\x03102").repeat(100);
        // What comes back is the end of the stream alone.
        let mut reader = Frames { stream: BufReader::new(frames.stream.get_ref().try_clone().unwrap()) };
        let reset = thread::spawn(move || reader.receive().unwrap());
        while !reset.is_finished() {
            frames.write(&interim).unwrap();
        }
        assert_eq!(reset.join().unwrap().kind, RST_STREAM);
    });
    let gateway = Gateway::configured(
        &format!(
            "listeners: [{{address: 127.0.0.1:0, routes: [{{prefix: /, upstream: \"{url}\", http2: true}}]}}]\n# - address: 127.0.0.1:0\n"
        ),
        &[],
    );
    assert_ends(&gateway);
    flooding.join().unwrap();
}

#[test]
fn many_interim_responses_are_no_failure() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        exchange.write("HTTP/1.1 102 Processing\r\n\r\n".repeat(256));
        exchange.write(ANSWER);
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
    assert_eq!(connection.response().status, 200);
}

#[test]
fn a_body_that_is_not_wanted_is_not_sent() {
    let (ended, end) = channel();
    let answered = AtomicUsize::new(0);
    let upstream = Upstream::start(move |exchange| {
        if answered.fetch_add(1, Relaxed) > 0 {
            return ok(exchange);
        }
        exchange.write("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno");
        let mut rest = Vec::new();
        let _ = exchange.stream.read_to_end(&mut rest);
        let _ = ended.send(rest);
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write(EXPECT);
    let response = connection.response();
    assert_eq!((response.status, response.body.as_str()), (417, "no"));
    assert_eq!(response.head.one("connection"), "close");
    // The connection to the upstream, which still owes a body, ends without one.
    assert_eq!(end.recv_timeout(Duration::from_secs(60)).unwrap(), b"");
    let mut rest = Vec::new();
    connection.stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    assert_eq!(get(gateway.address, &[]).status, 200);
}

#[test]
fn a_body_that_waits_is_sent_again_on_a_new_connection() {
    let arrived = AtomicUsize::new(0);
    let upstream = Upstream::start(move |exchange| match arrived.fetch_add(1, Relaxed) {
        0 => ok(exchange),
        1 => drop(exchange.stream.get_ref().shutdown(std::net::Shutdown::Both)),
        _ => {
            exchange.write("HTTP/1.1 100 Continue\r\n\r\n");
            ok(exchange);
        }
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(connection.response().status, 200);
    upstream.head();
    connection.write(EXPECT.replace("POST", "PUT"));
    assert_eq!(connection.head().first_line, "HTTP/1.1 100 Continue");
    connection.write("body");
    assert_eq!(connection.response().status, 200);
    assert_eq!(upstream.received().1, b"body");
}

#[test]
fn a_client_that_is_gone_is_noticed_while_its_answer_pauses() {
    let (ended, end) = channel();
    let upstream = Upstream::start(move |exchange| {
        exchange.receive();
        exchange.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        let mut byte = [0];
        let _ = ended.send(exchange.stream.read(&mut byte).unwrap_or(0));
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    connection.head();
    assert_eq!(chunk(&mut connection.stream).unwrap(), b"first");
    SockRef::from(connection.stream.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
    drop(connection);
    assert_eq!(end.recv_timeout(Duration::from_secs(60)).unwrap(), 0);
}
