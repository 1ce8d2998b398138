use std::net::TcpStream;

use crate::support::{Connection, Gateway, Upstream, get, late, ok, server_and_call, silent};

#[test]
fn sigterm_and_ctrl_c_end_well_and_flush_the_spans() {
    for signal in ["TERM", "INT"] {
        let upstream = Upstream::start(ok);
        let gateway = Gateway::start(&upstream.url(), &[]);
        for _ in 0..5 {
            get(gateway.address, &[]);
        }
        gateway.signal(signal);
        let stopped = gateway.ended();
        assert!(stopped.status.success());
        assert_eq!(stopped.spans.len(), 10);
        assert!(
            stopped.stderr.ends_with("stopped: 10 spans written, 0 dropped; 0 connections cut\n"),
            "{}",
            stopped.stderr
        );
    }
}

#[test]
fn a_request_in_flight_is_finished() {
    let (upstream, go_on) = late();
    let mut gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    upstream.head();
    gateway.signal("TERM");
    assert_eq!(gateway.told(), "stopping: waiting for requests in flight; Ctrl-C again cuts them");
    go_on.send(()).unwrap();
    let response = connection.response();
    assert_eq!((response.status, response.body.as_str()), (200, "late"));
    let address = gateway.address;
    let stopped = gateway.ended();
    assert!(stopped.status.success());
    assert_eq!(server_and_call(&stopped.spans).0["status"], 200);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_second_signal_cuts_requests_and_records_them() {
    let (upstream, end) = silent();
    let mut gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    upstream.head();
    gateway.signal("INT");
    gateway.told();
    gateway.signal("INT");
    let stopped = gateway.ended();
    drop(end);
    assert!(stopped.status.success());
    assert!(stopped.stderr.ends_with("stopped: 2 spans written, 0 dropped; 1 connections cut\n"), "{}", stopped.stderr);
    assert_eq!(server_and_call(&stopped.spans).0["status"], serde_json::Value::Null);
}

#[test]
fn connections_that_say_nothing_do_not_hold_it_up() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let _unused = gateway.connect();
    let mut used = gateway.connect();
    used.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    used.response();
    let stopped = gateway.stop();
    assert!(stopped.stderr.ends_with("0 connections cut\n"), "{}", stopped.stderr);
}

#[test]
fn a_closed_standard_output_does_not_matter() {
    let upstream = Upstream::start(ok);
    let mut gateway = Gateway::start_unread(&upstream.url(), &[]);
    gateway.close_stdout();
    for _ in 0..3 {
        assert_eq!(get(gateway.address, &[]).status, 200);
    }
    let stopped = gateway.stop();
    assert!(stopped.status.success());
    assert!(stopped.stderr.ends_with("stopped: 0 spans written, 6 dropped; 0 connections cut\n"), "{}", stopped.stderr);
}

#[test]
fn a_standard_output_that_nobody_reads_does_not_matter() {
    const REQUESTS: usize = 6000;
    let upstream = Upstream::start(ok);
    // A pipe takes some 64 KiB, the queue 4096 spans: what comes after that is dropped, not waited for.
    let gateway = Gateway::start_unread(&upstream.url(), &[]);
    let mut connection = Connection::open(gateway.address);
    for _ in 0..REQUESTS {
        connection.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(connection.response().status, 200);
    }
    drop(connection);
    let stopped = gateway.stop();
    assert!(stopped.status.success());
    let told = stopped.stderr.lines().last().unwrap();
    let (written, rest) = told.strip_prefix("stopped: ").unwrap().split_once(" spans written, ").unwrap();
    let (dropped, _) = rest.split_once(" dropped").unwrap();
    let [written, dropped] = [written, dropped].map(|count| count.parse::<usize>().unwrap());
    assert_eq!(written + dropped, 2 * REQUESTS);
    assert!(dropped > 0);
}
