use std::net::TcpListener;

use crate::support::{Connection, Gateway, TRACE_ID, Upstream, get, ok, send, traceparent};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// Returns a metric's value.
#[track_caller]
fn metric(admin: std::net::SocketAddr, name: &str) -> u64 {
    let text = send(admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").body;
    let value = text.lines().find_map(|line| line.strip_prefix("traceparent_gateway_")?.strip_prefix(name));
    value.unwrap_or_else(|| panic!("no {name} in {text}")).trim().parse().expect("a number")
}

#[test]
fn latencies_name_a_sampled_trace_where_the_format_allows_it() {
    let upstream = Upstream::start(ok);
    let mut gateway = Gateway::start(&upstream.url(), &["--admin", "127.0.0.1:0"]);
    let admin = gateway.admin();
    assert_eq!(get(gateway.address, &[&format!("traceparent: {}", traceparent("01"))]).status, 200);
    let asked = send(
        admin,
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n",
    );
    assert_eq!(asked.head.one("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let exemplars =
        asked.body.lines().filter(|line| line.contains(&format!(" # {{trace_id=\"{TRACE_ID}\"}} "))).count();
    assert_eq!(exemplars, 1, "{}", asked.body);
    assert!(asked.body.ends_with("\n# EOF\n"), "{}", asked.body);
    let other = send(admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n");
    assert_eq!(other.head.one("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(!other.body.contains(TRACE_ID) && !other.body.contains("# EOF"), "{}", other.body);
}

/// A request that fills its spans: a list of 16 KB, and 14 fields with long names that become attributes.
fn hostile() -> String {
    let list: Vec<_> = (0..32).map(|i| format!("{}{i:02}={}", "k".repeat(250), "v".repeat(250))).collect();
    let fields: Vec<_> = (0..14).map(|i| format!("X-Shop-{i:02}-{}: v", "n".repeat(900))).collect();
    format!(
        "GET / HTTP/1.1\r\nHost: h\r\ntraceparent: {}\r\ntracestate: {}\r\n{}\r\n\r\n",
        traceparent("01"),
        list.join(","),
        fields.join("\r\n")
    )
}

#[test]
fn queues_of_spans_are_bounded_in_bytes() {
    const REQUESTS: u64 = 400;
    // A collector that takes connections and says nothing.
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = Upstream::start(ok);
    let mut gateway = Gateway::configured(
        &format!(
            "listeners: [{{address: 127.0.0.1:0, routes: [{{prefix: /, upstream: \"{}\"}}]}}]\n\
             # - address: 127.0.0.1:0\n\
             admin: {{address: 127.0.0.1:0}}\n\
             tracing: {{span_attributes: {{header_prefixes: [x-shop-]}}, otlp: {{endpoint: \"http://{}\"}}}}\n",
            upstream.url(),
            collector.local_addr().unwrap()
        ),
        &[
            ("OTEL_BSP_MAX_QUEUE_SIZE", "2048"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
        ],
    );
    let admin = gateway.admin();
    let mut connection = Connection::open(gateway.address);
    let (mut most, request) = (0, hostile());
    for number in 0..REQUESTS {
        connection.write(&request);
        assert_eq!(connection.response().status, 200);
        if number % 10 > 0 {
            continue;
        }
        most = most.max(metric(admin, "spans_waiting_bytes{sink=\"otlp\"}"));
    }
    drop(connection);
    // In spans, there is room for more than all of them.
    assert!((1 << 20..=2 << 20).contains(&most), "{most}");
    assert!(metric(admin, "spans_total{sink=\"otlp\",outcome=\"dropped\"}") > 0);
    let stopped = gateway.stop();
    let told = "the queue of spans for otlp was full";
    assert_eq!(stopped.stderr.matches(told).count(), 1, "{}", stopped.stderr);
    let counts = format!("stopped: 0 spans exported, {} dropped", 2 * REQUESTS);
    assert!(stopped.stderr.contains(&counts), "{}", stopped.stderr);
}

/// Returns whether the system asks if the peers of all established connections with these ports are there.
#[cfg(target_os = "linux")]
fn all_are_kept_alive(is_ours: impl Fn(u16, u16) -> bool) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let connections = table.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let port = |address: &str| u16::from_str_radix(address.rsplit(':').next().unwrap(), 16).unwrap();
    // Local and remote address, state (1 is established), queues, and the timer (2 is that of keep-alive).
    let timers: Vec<_> = connections
        .filter(|fields| fields[3] == "01" && is_ours(port(fields[1]), port(fields[2])))
        .map(|fields| fields[5].starts_with("02:"))
        .collect();
    !timers.is_empty() && timers.iter().all(|is_kept_alive| *is_kept_alive)
}

#[cfg(target_os = "linux")]
#[test]
fn both_sides_are_kept_alive() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write(REQUEST);
    assert_eq!(connection.response().status, 200);
    let (to_clients, to_upstreams) = (gateway.address.port(), upstream.address.port());
    // For a moment, the timer is that of an acknowledgement.
    let eventually = |check: &dyn Fn() -> bool| {
        (0..600).any(|_| {
            let holds = check();
            if !holds {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            holds
        })
    };
    assert!(eventually(&|| all_are_kept_alive(|local, _| local == to_clients)));
    assert!(eventually(&|| all_are_kept_alive(|_, remote| remote == to_upstreams)));
}
