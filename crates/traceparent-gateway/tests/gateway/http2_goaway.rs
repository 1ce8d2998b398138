//! How connections over HTTP/2 to clients end.

use std::{thread, time::Duration};

use serde_json::Value;

use crate::support::{
    Gateway, Upstream, get,
    http2::{ACK, DATA, Frames, GOAWAY, PING, WIDE, WINDOW_UPDATE},
    late, ok, server_and_call, sized,
};

const NO_ERROR: u32 = 0;

const LAST_STREAM: u32 = u32::MAX >> 1;

/// GOAWAY first allows for what is on its way, and then names the last stream.
#[test]
fn an_idle_client_gets_goaway() {
    for requests in 0..2 {
        let upstream = Upstream::start(ok);
        let gateway = Gateway::with_limits(&upstream.url(), "idle_timeout: 300ms");
        let mut client = Frames::open(gateway.address, WIDE);
        if requests > 0 {
            client.request(1, true);
            assert_eq!(client.body(1), b"ok");
        }
        let first = client.goaway();
        assert_eq!((first.code(), first.last()), (NO_ERROR, LAST_STREAM));
        let ping = client.receive().unwrap();
        assert_eq!((ping.kind, ping.flags), (PING, 0));
        client.send(PING, ACK, 0, &ping.payload);
        let second = client.goaway();
        assert_eq!((second.code(), second.last()), (NO_ERROR, requests));
        assert_eq!(client.receive(), None);
    }
}

#[test]
fn a_client_that_ignores_goaway_is_closed() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::with_limits(&upstream.url(), "idle_timeout: 100ms");
    let mut client = Frames::open(gateway.address, WIDE);
    assert_eq!(client.goaway().last(), LAST_STREAM);
    // A request that was on its way is served.
    client.request(1, true);
    assert_eq!(client.receive().unwrap().kind, PING);
    assert_eq!(client.body(1), b"ok");
    let second = client.goaway();
    assert_eq!((second.code(), second.last()), (NO_ERROR, 1));
    assert_eq!(client.receive(), None);
}

/// A client still reads, and says so, when the end of its connection has been written.
#[test]
fn a_client_that_reads_late_gets_all() {
    const LENGTH: usize = 3_000_000;
    let upstream = Upstream::start(sized);
    for end in ["idle", "stop", "left"] {
        let gateway = Gateway::with_limits(&upstream.url(), "idle_timeout: 100ms");
        let mut client = Frames::open(gateway.address, WIDE);
        client.send(WINDOW_UPDATE, 0, 0, &(1u32 << 24).to_be_bytes());
        client.get(1, &format!("/{LENGTH}"));
        assert!(client.receive().unwrap().is_ok());
        match end {
            "stop" => gateway.signal("TERM"),
            "left" => drop(client.send(GOAWAY, 0, 0, &[0; 8])),
            _ => {}
        }
        let mut read = 0;
        while read < LENGTH {
            let frame = client.receive().expect(end);
            if frame.kind == DATA {
                read += frame.payload.len();
                client.send(WINDOW_UPDATE, 0, 0, &(frame.payload.len() as u32).to_be_bytes());
                thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

/// The client that gives way is told so, and which of its requests were processed.
#[test]
fn an_evicted_client_gets_goaway() {
    for requests in 0..2 {
        let upstream = Upstream::start(ok);
        let gateway = Gateway::with_limits(&upstream.url(), "connections: 1");
        let mut client = Frames::open(gateway.address, WIDE);
        client.ping();
        if requests > 0 {
            client.request(1, true);
            assert_eq!(client.body(1), b"ok");
        }
        // The connection is busy for a moment after the last byte of its answer.
        let is_served = (0..500).any(|_| {
            thread::sleep(Duration::from_millis(10));
            get(gateway.address, &[]).status == 200
        });
        assert!(is_served);
        let goaway = client.receive().unwrap();
        assert_eq!((goaway.kind, goaway.code(), goaway.last()), (GOAWAY, NO_ERROR, requests));
        assert_eq!(client.receive(), None);
    }
}

#[test]
fn pings_keep_no_connection_open() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::with_limits(&upstream.url(), "idle_timeout: 300ms");
    let mut client = Frames::open(gateway.address, WIDE);
    loop {
        client.send(PING, 0, 0, b"are you?");
        let frame = client.receive().unwrap();
        if frame.kind == GOAWAY {
            break;
        }
        assert_eq!((frame.kind, frame.flags, &frame.payload[..]), (PING, ACK, &b"are you?"[..]));
    }
}

#[test]
fn a_connection_with_a_request_is_not_idle() {
    let (upstream, go_on) = late();
    let gateway = Gateway::with_limits(&upstream.url(), "idle_timeout: 100ms, header_timeout: 100ms");
    let mut client = Frames::open(gateway.address, WIDE);
    client.request(1, true);
    upstream.head();
    thread::sleep(Duration::from_millis(500));
    go_on.send(()).unwrap();
    assert_eq!(client.body(1), b"late");
}

#[test]
fn a_stop_finishes_what_is_under_way() {
    let (upstream, go_on) = late();
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut client = Frames::open(gateway.address, WIDE);
    let mut idle = Frames::open(gateway.address, WIDE);
    // Both connections are established.
    idle.ping();
    client.request(1, true);
    upstream.head();
    gateway.signal("TERM");
    let first = client.goaway();
    assert_eq!((first.code(), first.last()), (NO_ERROR, LAST_STREAM));
    assert_eq!(client.receive().unwrap().kind, PING);
    // One that says nothing is not waited for.
    assert_eq!(idle.goaway().last(), LAST_STREAM);
    assert_eq!(idle.goaway().last(), 0);
    assert_eq!(idle.receive(), None);
    go_on.send(()).unwrap();
    assert_eq!(client.body(1), b"late");
    assert_eq!(client.goaway().last(), 1);
    let stopped = gateway.ended();
    assert!(stopped.stderr.ends_with("0 connections cut\n"), "{}", stopped.stderr);
    assert_eq!(server_and_call(&stopped.spans).0["error"], Value::Null);
}
