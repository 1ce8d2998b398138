use std::{io::Read, net::SocketAddr, thread, time::Duration};

use crate::support::{
    Connection, Gateway, Upstream, get,
    http2::{Frames, WIDE, WINDOW_UPDATE},
    late, ok, send, sized,
};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// Starts a gateway with these limits, and returns its admin listener.
fn start(upstream: &str, limits: &str) -> (Gateway, SocketAddr) {
    let mut gateway = Gateway::configured(
        &format!(
            "listeners:\n  - address: 127.0.0.1:0\n    limits: {{{limits}}}\n    routes:\n      - prefix: /\n        \
             upstream: {upstream}\nadmin: {{address: 127.0.0.1:0}}\n"
        ),
        &[],
    );
    let admin = gateway.admin();
    (gateway, admin)
}

fn ask(connection: &mut Connection) {
    connection.write(REQUEST);
    assert_eq!(connection.response().status, 200);
}

#[track_caller]
fn assert_closed(mut connection: Connection) {
    let mut rest = String::new();
    assert_eq!(connection.stream.read_to_string(&mut rest).unwrap_or(0), 0, "{rest}");
}

#[track_caller]
fn assert_refused(address: SocketAddr) {
    let response = send(address, REQUEST);
    assert_eq!((response.status, response.head.one("connection")), (503, "close"));
}

/// Asserts that the metrics have these lines.
#[track_caller]
fn assert_metrics(admin: SocketAddr, lines: &[&str]) {
    let text = send(admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").body;
    for line in lines {
        assert!(text.contains(&format!("\ntraceparent_gateway_connections_{line}\n")), "{line}: {text}");
    }
}

#[test]
fn the_connection_that_was_idle_longest_gives_way() {
    let upstream = Upstream::start(ok);
    let (gateway, admin) = start(&upstream.url(), "connections: 3");
    let [mut first, second, mut third] = [gateway.connect(), gateway.connect(), gateway.connect()];
    ask(&mut third);
    ask(&mut first);
    let mut fourth = gateway.connect();
    ask(&mut fourth);
    assert_closed(second);
    // A head that does not come to its end is not worth more.
    fourth.write("GET / HTTP/1.1\r\n");
    let mut fifth = gateway.connect();
    ask(&mut fifth);
    assert_closed(third);
    ask(&mut first);
    let mut sixth = gateway.connect();
    ask(&mut sixth);
    assert_closed(fourth);
    ask(&mut first);
    ask(&mut fifth);
    assert_metrics(admin, &["open 3", "total 6", "evicted_total 3", "refused_total{limit=\"connections\"} 0"]);
}

#[test]
fn busy_connections_are_kept() {
    let (upstream, end) = late();
    let (gateway, admin) = start(&upstream.url(), "connections: 2");
    let mut busy = [gateway.connect(), gateway.connect()];
    for connection in &mut busy {
        connection.write(REQUEST);
        upstream.head();
    }
    assert_refused(gateway.address);
    assert_refused(gateway.address);
    assert_metrics(admin, &["open 2", "evicted_total 0", "refused_total{limit=\"connections\"} 2"]);
    drop(end);
    for connection in &mut busy {
        assert_eq!(connection.response().body, "late");
    }
    assert_eq!(get(gateway.address, &[]).status, 200);
}

/// Waits until all but the client has done its part. Another client then gets its place or is refused.
fn compete(gateway: &Gateway) {
    thread::sleep(Duration::from_millis(50));
    assert!(matches!(get(gateway.address, &[]).status, 200 | 503));
}

#[test]
fn a_client_that_reads_late_gets_the_whole_answer() {
    let upstream = Upstream::start(sized);
    let gateway = Gateway::with_limits(&upstream.url(), "connections: 1");
    // One of them has its end in the gateway, and not all in the system's buffers.
    for length in (2_000_000..5_000_000).step_by(100_000) {
        let (mut slow, head) = loop {
            let mut slow = gateway.connect();
            slow.write(format!("GET /{length} HTTP/1.1\r\nHost: h\r\n\r\n"));
            let head = slow.head();
            if head.first_line.contains("200") {
                break (slow, head);
            }
        };
        compete(&gateway);
        assert_eq!(head.read_body(&mut slow.stream).len(), length);
    }
}

#[test]
fn a_client_of_http2_that_reads_late_gets_the_whole_answer() {
    let upstream = Upstream::start(sized);
    for length in (1_000_000..=5_000_000).step_by(1_000_000) {
        let gateway = Gateway::with_limits(&upstream.url(), "connections: 1");
        let mut slow = Frames::open(gateway.address, WIDE);
        slow.send(WINDOW_UPDATE, 0, 0, &(1u32 << 24).to_be_bytes());
        slow.get(1, &format!("/{length}"));
        let head = slow.receive().unwrap();
        assert!(head.is_ok(), "{head:?}");
        compete(&gateway);
        assert_eq!(slow.data(1).len(), length);
    }
}

#[test]
fn one_address_has_a_limit_of_its_own() {
    let (upstream, end) = late();
    let (gateway, admin) = start(&upstream.url(), "connections_per_address: 1");
    let mut busy = gateway.connect();
    busy.write(REQUEST);
    upstream.head();
    assert_refused(gateway.address);
    assert_metrics(admin, &["open 1", "refused_total{limit=\"connections_per_address\"} 1"]);
    drop(end);
    assert_eq!(busy.response().body, "late");
}

#[test]
fn upgraded_connections_count_until_they_end() {
    let upstream = Upstream::start(|exchange| {
        exchange.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
        exchange.receive();
    });
    let (gateway, admin) = start(&upstream.url(), "connections: 1");
    let mut upgraded = gateway.connect();
    upgraded.write("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert!(upgraded.head().first_line.contains("101"));
    assert_refused(gateway.address);
    drop(upgraded);
    for _ in 0..600 {
        let text = send(admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").body;
        if text.contains("\ntraceparent_gateway_connections_open 0\n") {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("the place is not free again");
}

/// The admin listener and other clients keep their descriptors while upstreams take all of theirs.
#[cfg(target_os = "linux")]
#[test]
fn connections_to_upstreams_are_bounded() {
    let (upstream, end) = late();
    let (gateway, admin) = Gateway::start_with_descriptors(256, &upstream.url(), &["--admin", "127.0.0.1:0"]);
    let mut busy = Vec::new();
    for _ in 0..64 {
        let mut connection = gateway.connect();
        connection.write(REQUEST);
        upstream.head();
        busy.push(connection);
    }
    let response = get(gateway.address, &[]);
    assert_eq!((response.status, response.body.as_str()), (503, "This gateway has too many requests at once.\n"));
    assert_eq!(send(admin, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 200);
    drop(end);
    for connection in &mut busy {
        assert_eq!(connection.response().body, "late");
    }
    assert_eq!(get(gateway.address, &[]).status, 200);
    let spans = gateway.spans();
    let refused = spans.iter().filter(|span| span["kind"] == "client" && span["error"] != serde_json::Value::Null);
    let refused: Vec<_> = refused.map(|span| span["error"].as_str().unwrap()).collect();
    assert_eq!(
        refused,
        ["cannot connect to the upstream: there are as many connections to upstreams as the system allows"]
    );
}

/// More half-open clients than the system has descriptors for.
#[cfg(target_os = "linux")]
#[test]
fn half_open_clients_take_nothing_from_others() {
    let upstream = Upstream::start(ok);
    let (gateway, admin) = Gateway::start_with_descriptors(256, &upstream.url(), &["--admin", "127.0.0.1:0"]);
    let mut half_open = Vec::new();
    for number in 0..300 {
        let mut connection = gateway.connect();
        connection.write("GET / HTTP/1.1\r\nHost: h");
        half_open.push(connection);
        if number % 20 == 0 {
            assert_eq!(get(gateway.address, &[]).status, 200);
            assert_eq!(send(admin, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 200);
        }
    }
    for _ in 0..20 {
        assert_eq!(get(gateway.address, &[]).status, 200);
    }
    let text = send(admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").body;
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok()).unwrap();
    assert!(value("traceparent_gateway_connections_evicted_total ") > 200, "{text}");
    assert!(value("process_open_fds ") < 200, "{text}");
    drop(half_open);
    let stopped = gateway.stop();
    assert!(!stopped.stderr.contains("accepting connections failed"), "{}", stopped.stderr);
}

/// The system has no descriptor for another connection, until some are closed.
#[cfg(target_os = "linux")]
#[test]
fn connections_are_accepted_again_when_there_are_descriptors() {
    const LIMIT: usize = 36;
    let upstream = Upstream::start(ok);
    let (mut gateway, admin) =
        Gateway::start_with_descriptors(LIMIT as u32, &upstream.url(), &["--admin", "127.0.0.1:0"]);
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", gateway.process())).unwrap().count();
    let until = |holds: &dyn Fn(usize) -> bool| {
        let counts = std::iter::repeat_with(|| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            descriptors()
        });
        assert!(counts.take(1000).any(holds), "{} are open", descriptors());
    };
    let open = descriptors();
    // A few more than there are descriptors, and fewer than the listener takes.
    let clients = LIMIT - open + 5;
    assert!(clients < 32, "{open} are open");
    let mut waiting: Vec<_> = (0..clients).map(|_| Connection::open(admin)).collect();
    // The process may have inherited some that are beyond the limit.
    until(&|count| count >= LIMIT);
    let mut last = waiting.pop().unwrap();
    drop(waiting);
    // It has waited for a descriptor.
    last.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(last.response().status, 200);
    until(&|count| count < LIMIT / 2);
    assert_eq!(get(gateway.address, &[]).status, 200);
    let told = "accepting connections failed, trying again: Too many open files (os error 24)";
    assert_eq!(gateway.told(), told);
    assert!(gateway.stop().status.success());
}
