use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::support::{Connection, Gateway, Upstream, ok};

const CONNECTIONS: usize = 10_000;
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

fn ask(connection: &mut Connection) -> Duration {
    let started = Instant::now();
    connection.write(REQUEST);
    assert_eq!(connection.response().status, 200);
    started.elapsed()
}

/// The median and the 99th percentile of a number of requests on one connection.
fn latency(address: SocketAddr) -> (Duration, Duration) {
    let mut connection = Connection::open(address);
    let mut taken: Vec<_> = (0..2000).map(|_| ask(&mut connection)).collect();
    taken.sort_unstable();
    (taken[taken.len() / 2], taken[taken.len() * 99 / 100])
}

/// What a process takes up, in bytes.
fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Prints figures, and fails only where a connection or a request is lost.
#[test]
#[ignore = "takes ten thousand sockets at either end"]
fn ten_thousand_idle_connections() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::configured(
        &format!(
            "listeners:\n  - address: 127.0.0.1:0\n    limits: {{connections: 11000, connections_per_address: 11000}}\n    \
             routes: [{{prefix: /, upstream: \"{}\"}}]\n",
            upstream.url()
        ),
        &[],
    );
    let (median, p99) = latency(gateway.address);
    let empty = memory(gateway.process());
    println!("without other connections: median {median:.1?}, 99 % {p99:.1?}, {} KiB in use", empty / 1024);

    let started = Instant::now();
    let mut silent: Vec<_> = (0..CONNECTIONS / 2).map(|_| gateway.connect()).collect();
    let mut used: Vec<_> = (0..CONNECTIONS / 2).map(|_| gateway.connect()).collect();
    for connection in &mut used {
        ask(connection);
    }
    println!("{CONNECTIONS} connections open, half of them used once, after {:.1?}", started.elapsed());
    let full = memory(gateway.process());
    let each = full.saturating_sub(empty) / CONNECTIONS as u64;
    println!("{} KiB in use, {each} bytes for each connection", full / 1024);

    let (median, p99) = latency(gateway.address);
    println!("with them: median {median:.1?}, 99 % {p99:.1?}");
    for connection in silent.iter_mut().chain(&mut used) {
        ask(connection);
    }
    println!("each of them served a request in the end");
    drop((silent, used));
    let stopped = gateway.stop();
    assert!(stopped.stderr.ends_with("0 connections cut\n"), "{}", stopped.stderr);
}
