use crate::support::{Connection, Gateway, Upstream, get, ok, traceparent};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// Sends this many requests that start traces, and returns how many of them are sampled, by the
/// flags upstream and by the spans.
fn sampled(percent: &str, requests: usize) -> usize {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &["--random-sampling", percent]);
    let mut connection = Connection::open(gateway.address);
    let mut sampled = 0;
    for _ in 0..requests {
        connection.write(REQUEST);
        assert_eq!(connection.response().status, 200);
        match upstream.head().traceparent()[3] {
            "03" => sampled += 1,
            flags => assert_eq!(flags, "02"),
        }
    }
    drop(connection);

    let spans = gateway.spans();
    assert_eq!(spans.len(), 2 * requests);
    assert_eq!(spans.iter().filter(|span| span["sampled"] == true).count(), 2 * sampled);
    sampled
}

#[test]
fn nothing_at_0() {
    assert_eq!(sampled("0", 100), 0);
}

#[test]
fn everything_at_100() {
    assert_eq!(sampled("100", 100), 100);
}

#[test]
fn a_quarter_at_25() {
    // 4000 draws of 1/4: 1000 on average, sigma = sqrt(4000 * 1/4 * 3/4) = 27.4; five of them either way.
    let sampled = sampled("25", 4000);
    assert!((863..=1137).contains(&sampled), "{sampled}");
}

#[test]
fn callers_decisions_are_followed() {
    for (percent, flags) in [("0", "01"), ("100", "00")] {
        let upstream = Upstream::start(ok);
        let gateway = Gateway::start(&upstream.url(), &["--random-sampling", percent]);
        get(gateway.address, &[&format!("traceparent: {}", traceparent(flags))]);
        assert_eq!(upstream.head().traceparent()[3], flags);
    }
}
