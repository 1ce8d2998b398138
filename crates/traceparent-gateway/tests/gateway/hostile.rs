use std::io::BufRead;

use crate::support::{CALLER, Gateway, TRACE_ID, Upstream, get, ok, send, span_of, traceparent};

/// What is sent as it is, and answered with this status; nothing of it may reach the upstream.
#[track_caller]
fn assert_refused(request: impl AsRef<[u8]>, status: u16) {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    assert_eq!(send(gateway.address, request).status, status);
    // The gateway is well, and this is the first request that the upstream hears of.
    assert_eq!(get(gateway.address, &["X-Good: 1"]).status, 200);
    assert_eq!(upstream.head().one("x-good"), "1");
}

#[test]
fn long_heads_are_refused() {
    assert_refused(format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "a".repeat(64 * 1024)), 431);
    assert_refused(format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: a\r\n".repeat(16 * 1024)), 431);
    assert_refused(format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(64 * 1024)), 431);
}

#[test]
fn thousands_of_tracestate_fields_are_refused() {
    assert_refused(
        format!(
            "GET / HTTP/1.1\r\nHost: h\r\ntraceparent: {}\r\n{}\r\n",
            traceparent("01"),
            "tracestate: a=b\r\n".repeat(5000)
        ),
        431,
    );
}

/// If the configuration allows that many fields, the trace goes on without them: 32 members are the limit.
#[test]
fn hundreds_of_tracestate_fields_lose_no_request() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::configured(
        &format!(
            "listeners:\n  - address: 127.0.0.1:0\n    limits: {{header_bytes: 65536, header_fields: 4096}}\n    routes:\n      \
             - prefix: /\n        upstream: {}\n",
            upstream.url()
        ),
        &[],
    );
    let fields: Vec<String> = (0..3000).map(|number| format!("tracestate: k{number}=v")).collect();
    let trace = format!("traceparent: {}", traceparent("01"));
    let lines: Vec<&str> = std::iter::once(trace.as_str()).chain(fields.iter().map(String::as_str)).collect();
    assert_eq!(get(gateway.address, &lines).status, 200);
    let head = upstream.head();
    assert_eq!(head.traceparent()[1], TRACE_ID);
    assert!(head.all("tracestate").is_empty(), "{:?}", head.all("tracestate"));
    assert_eq!(span_of(gateway)["origin"], "continued");
}

#[test]
fn bytes_that_are_no_text_lose_no_request_and_are_told_nobody() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut request = b"GET /\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n".to_vec();
    assert!([200, 400].contains(&send(gateway.address, &request).status));
    request = b"GET /good HTTP/1.1\r\nHost: h\r\ntraceparent: 00-\xff\xfe\xfd-\x80-01\r\ntracestate: \xc3\x28=\xa0\r\n"
        .to_vec();
    request.extend(b"X-Name: \xff\xfe\r\n\r\n");
    assert_eq!(send(gateway.address, &request).status, 200);
    let spans = gateway.spans();
    let span = spans.iter().find(|span| span["attributes"]["url.path"] == "/good").unwrap();
    assert_eq!(span["origin"], "restarted");
    assert!(span["refused"].as_str().unwrap().is_ascii());
}

#[test]
fn bytes_that_are_no_request_are_refused() {
    for request in [
        "\0\0\0\0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX\0: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX: \0\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: h\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\r\n\r\n",
    ] {
        assert_refused(request, 400);
    }
}

#[test]
fn a_request_names_one_host() {
    assert_refused("GET / HTTP/1.1\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400);
}

/// One message, but two, or a longer one, to a reader that frames it in another way.
#[test]
fn messages_with_two_ends_are_refused() {
    for fields in [
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: 4, 5",
        "Content-Length: +4",
        "Content-Length: -1",
        "Content-Length: 0x4",
        "Content-Length: 18446744073709551616",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\u{b}chunked",
        "Content-Length : 4",
        "X: 1\r\n Transfer-Encoding: chunked",
    ] {
        assert_refused(format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\nbody"), 400);
    }
    for chunks in
        ["4\nbody\r\n0\r\n\r\n", "-4\r\nbody\r\n0\r\n\r\n", "ffffffffffffffff1\r\n", "4\r\nbodyX\r\n0\r\n\r\n"]
    {
        let upstream = Upstream::start(ok);
        let gateway = Gateway::start(&upstream.url(), &[]);
        let request = format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        assert_eq!(send(gateway.address, request).status, 400, "{chunks:?}");
    }
}

const LENGTH_AND_CHUNKS: [&str; 2] =
    ["Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 4"];
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn a_length_with_chunks_is_refused() {
    for fields in LENGTH_AND_CHUNKS {
        assert_refused(format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n0\r\n\r\n{HIDDEN}"), 400);
    }
}

#[test]
fn a_length_with_chunks_is_refused_on_a_connection_that_was_used() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    connection.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
    assert_eq!(connection.response().status, 200);
    connection.write(format!("POST / HTTP/1.1\r\nHost: h\r\n{}\r\n\r\n0\r\n\r\n", LENGTH_AND_CHUNKS[0]));
    assert_eq!(connection.response().status, 400);
}

/// Behind another request, in one packet, the head is read by the rule of RFC 9112, section 6.3: chunks count, the
/// length does not go on, and the connection ends with the answer. What hides behind is no request.
#[test]
fn a_length_with_chunks_hides_no_request_behind_another() {
    for fields in LENGTH_AND_CHUNKS {
        let upstream = Upstream::start(ok);
        let gateway = Gateway::start(&upstream.url(), &[]);
        let mut connection = gateway.connect();
        let first = "GET /first HTTP/1.1\r\nHost: h\r\n\r\n";
        connection.write(format!("{first}POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n0\r\n\r\n{HIDDEN}"));
        assert_eq!(connection.response().status, 200);
        let response = connection.response();
        assert_eq!((response.status, response.head.one("connection")), (200, "close"));
        assert_eq!(connection.stream.fill_buf().unwrap_or(&[]), b"");
        assert_eq!(upstream.head().first_line, "GET /first HTTP/1.1");
        assert!(upstream.head().all("content-length").is_empty());
        assert_eq!(gateway.spans().len(), 4);
    }
}

/// At the edge, nothing of the caller's trace goes in: not its ids, not a byte of its tracestate.
#[test]
fn restart_lets_nothing_in_and_keeps_a_link() {
    const MARK: &str = "c0ffee";
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &["--trust", "restart"]);
    for flags in ["00", "01", "03", "ff"] {
        let caller = traceparent(flags);
        let version = format!("cc-{TRACE_ID}-{CALLER}-{flags}-{MARK}");
        for traceparent in [&caller, &version] {
            let lines =
                [format!("traceparent: {traceparent}"), format!("tracestate: {MARK}={MARK},ot=th:0;rv:{MARK}{MARK}aa")];
            assert_eq!(get(gateway.address, &[&lines[0], &lines[1], &format!("tracestate: x={MARK}")]).status, 200);
            let head = upstream.head();
            let sent = format!("{:?}", head.fields);
            for inbound in [TRACE_ID, CALLER, MARK] {
                assert!(!sent.contains(inbound), "{sent}");
            }
            assert_eq!(head.all("traceparent").len(), 1);
        }
    }
    let spans = gateway.spans();
    for span in spans.iter().filter(|span| span["kind"] == "server") {
        assert_eq!((&span["origin"], &span["parent_id"]), (&"restarted".into(), &serde_json::Value::Null));
        let link = span["link"].as_str().unwrap();
        assert!(link.starts_with(&format!("00-{TRACE_ID}-{CALLER}-")), "{link}");
    }
}
