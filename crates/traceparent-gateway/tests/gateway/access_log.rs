use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        mpsc::{Sender, channel},
    },
    time::Duration,
};

use serde_json::Value;

use crate::support::{CALLER, Connection, Gateway, TRACE_ID, Upstream, ok, send, traceparent};

/// Returns a path at which there is no file.
fn absent(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("access-{}-{name}.log", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

fn configured(upstream: &Upstream, log: &str) -> Gateway {
    Gateway::configured(&config(upstream, log), &[("OTEL_TRACES_EXPORTER", "none")])
}

fn config(upstream: &Upstream, log: &str) -> String {
    format!(
        "listeners:\n  - address: 127.0.0.1:0\n    routes:\n      - {{prefix: /, upstream: '{}'}}\naccess_log: {log}\n",
        upstream.url()
    )
}

/// Waits until a file has this number of lines.
fn lines(path: &Path, count: usize) -> Vec<String> {
    for _ in 0..600 {
        let text = fs::read_to_string(path).unwrap_or_default();
        if text.matches('\n').count() >= count {
            return text.lines().map(str::to_owned).collect();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{} does not have {count} lines: {:?}", path.display(), fs::read_to_string(path));
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

#[test]
fn a_request_is_logged_with_its_trace() {
    let upstream = Upstream::start(ok);
    let path = absent("json");
    let gateway = configured(&upstream, &format!("{{path: '{}'}}", path.display()));
    let request = format!(
        "POST /a/b?token=secret HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\nUser-Agent: curl/8\r\n\
         Referer: http://u:p@h/x?key=secret\r\ntraceparent: {}\r\n\r\nhello",
        traceparent("01")
    );
    assert_eq!(send(gateway.address, request).status, 200);
    let line = json(&lines(&path, 1)[0]);
    for (field, expected) in [
        ("client", "127.0.0.1".into()),
        ("method", "POST".into()),
        ("target", "/a/b?token=REDACTED".into()),
        ("protocol", "HTTP/1.1".into()),
        ("host", "shop.example".into()),
        ("status", 200.into()),
        ("error", Value::Null),
        ("bytes_received", 5.into()),
        ("bytes_sent", 2.into()),
        ("upstream", upstream.address.to_string().into()),
        ("referer", "http://h/x?key=REDACTED".into()),
        ("user_agent", "curl/8".into()),
        ("trace_id", TRACE_ID.into()),
        ("sampled", true.into()),
        ("origin", "continued".into()),
        ("refused", Value::Null),
    ] {
        assert_eq!(line[field], expected, "{field}: {line}");
    }
    // The span of serving the request is the parent of the one that the upstream sees.
    let seen = upstream.head();
    let span_id = line["span_id"].as_str().unwrap();
    assert!(span_id.len() == 16 && span_id != CALLER && span_id != seen.traceparent()[2]);
    assert!(line["upstream_ms"].as_f64().unwrap() <= line["duration_ms"].as_f64().unwrap());
    let time = line["time"].as_str().unwrap();
    assert!(time.len() == 27 && time.ends_with('Z'), "{time}");
    assert!(gateway.stop().stderr.ends_with("stopped: 1 requests logged, 0 not; 0 connections cut\n"));
    fs::remove_file(path).unwrap();
}

/// The client is the one that the span names, and the other end of the connection has a name of its own.
#[test]
fn the_client_is_the_one_that_a_trusted_proxy_names() {
    let upstream = Upstream::start(ok);
    let fields = "X-Forwarded-For: 192.0.2.7, 10.0.0.1\r\n";
    for (forwarded, fields, client) in [
        ("append", fields, "192.0.2.7"),
        ("append", "Forwarded: for=\"[2001:db8::1]:4711\"\r\n", "2001:db8::1"),
        ("append", "X-Forwarded-For: unknown\r\n", "127.0.0.1"),
        ("replace", fields, "127.0.0.1"),
    ] {
        for format in ["json", "combined"] {
            let path = absent("forwarded");
            let text = config(&upstream, &format!("{{path: '{}', format: {format}}}", path.display()));
            let text = text.replace("    routes:", &format!("    forwarded: {forwarded}\n    routes:"));
            let gateway = Gateway::configured(&text, &[]);
            let mut connection = gateway.connect();
            let peer = connection.stream.get_ref().local_addr().unwrap();
            connection.write(format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
            assert_eq!(connection.response().status, 200);
            drop(connection);
            let (span, _) = crate::support::server_and_call(&gateway.spans());
            let line = &lines(&path, 1)[0];
            assert_eq!(span["attributes"]["client.address"], client);
            if format == "json" {
                assert_eq!((&json(line)["client"], &json(line)["peer"]), (&client.into(), &peer.to_string().into()));
            } else {
                assert!(line.starts_with(&format!("{client} - - [")), "{line}");
            }
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn failures_and_refused_headers_are_logged() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        if exchange.head.first_line.starts_with("GET /cut ") {
            exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhalf");
            exchange.stream.get_ref().shutdown(std::net::Shutdown::Both).unwrap();
        } else {
            exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let path = absent("failures");
    let gateway = configured(&upstream, &format!("{{path: '{}'}}", path.display()));
    let request = |target: &str, lines: &str| {
        let mut connection = gateway.connect();
        connection.write(format!("GET {target} HTTP/1.1\r\nHost: h\r\n{lines}\r\n"));
        connection.head();
    };
    request("/", "traceparent: 00-x\r\n");
    let line = json(&lines(&path, 1)[0]);
    assert_eq!((&line["origin"], &line["status"]), (&"restarted".into(), &200.into()));
    assert!(line["refused"].as_str().unwrap().starts_with("traceparent is too short"), "{line}");
    request("/cut", "");
    let line = json(&lines(&path, 2)[1]);
    assert_eq!((&line["error"], &line["bytes_sent"]), (&"upstream_answer_cut".into(), &4.into()), "{line}");
    request("/", "Transfer-Encoding: gzip, chunked\r\n");
    let line = json(&lines(&path, 3)[2]);
    assert_eq!((&line["error"], &line["status"]), (&"unknown_coding".into(), &501.into()), "{line}");
    assert_eq!((&line["upstream"], &line["upstream_ms"]), (&Value::Null, &Value::Null));
    fs::remove_file(path).unwrap();
}

#[test]
fn a_client_that_leaves_is_logged() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        std::thread::park();
    });
    let path = absent("left");
    let gateway = configured(&upstream, &format!("{{path: '{}'}}", path.display()));
    let mut client = gateway.connect();
    client.write("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
    upstream.received();
    // Unread bytes make closing a reset, which says that the client has gone for good.
    let stream = socket2::SockRef::from(client.stream.get_ref());
    stream.set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    let line = json(&lines(&path, 1)[0]);
    assert_eq!((&line["status"], &line["error"]), (&Value::Null, &"client_left".into()), "{line}");
    fs::remove_file(path).unwrap();
}

/// Answers in chunks, the second of which waits for the returned end, and ends like this.
fn halves(end: &'static str) -> (Upstream, Sender<()>) {
    let (go_on, waiting) = channel();
    let waiting = Mutex::new(waiting);
    let upstream = Upstream::start(move |exchange| {
        exchange.receive();
        exchange.write("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        let _ = waiting.lock().unwrap().recv();
        exchange.write(end);
    });
    (upstream, go_on)
}

/// Sends a request and reads the first half of the answer.
fn first_half(gateway: &Gateway) -> Connection {
    let mut client = gateway.connect();
    client.write("GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
    client.head();
    client.stream.read_exact(&mut [0; "4\r\nhalf\r\n".len()]).unwrap();
    client
}

#[test]
fn all_of_an_answer_is_counted() {
    for end in ["5\r\nwhole\r\n0\r\n\r\n", "5\r\nwhole\r\n0\r\nX-Sum: 7\r\n\r\n"] {
        let (upstream, go_on) = halves(end);
        let path = absent("halves");
        let gateway = configured(&upstream, &format!("{{path: '{}'}}", path.display()));
        let mut client = first_half(&gateway);
        go_on.send(()).unwrap();
        client.stream.read_exact(&mut vec![0; end.len()]).unwrap();
        let line = json(&lines(&path, 1)[0]);
        assert_eq!((&line["bytes_sent"], &line["error"]), (&9.into(), &Value::Null), "{line}");
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_of_an_answer_is_logged() {
    let (upstream, _go_on) = halves("");
    let path = absent("left-half");
    let gateway = configured(&upstream, &format!("{{path: '{}'}}", path.display()));
    let client = first_half(&gateway);
    socket2::SockRef::from(client.stream.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    let line = json(&lines(&path, 1)[0]);
    assert_eq!((&line["status"], &line["bytes_sent"]), (&200.into(), &4.into()), "{line}");
    assert_eq!(line["error"], "client_left");
    fs::remove_file(path).unwrap();
}

#[test]
fn the_host_is_that_of_the_target_and_without_secrets() {
    let upstream = Upstream::start(ok);
    let path = absent("host");
    let gateway = configured(&upstream, &format!("{{path: '{}'}}", path.display()));
    for (number, (target, host, expected)) in
        [("http://shop.example/", "other.example", "shop.example"), ("/", "u:p@shop.example", "shop.example")]
            .into_iter()
            .enumerate()
    {
        send(gateway.address, format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let line = json(&lines(&path, number + 1)[number]);
        assert_eq!(line["host"], expected, "{line}");
    }
    fs::remove_file(path).unwrap();
}

#[test]
fn long_values_are_cut() {
    let upstream = Upstream::start(ok);
    let path = absent("long");
    let gateway = configured(&upstream, &format!("{{path: '{}'}}", path.display()));
    let long = "a".repeat(2000);
    let request =
        format!("GET /{long} HTTP/1.1\r\nHost: {long}\r\nReferer: http://h/{long}\r\nUser-Agent: {long}\r\n\r\n");
    send(gateway.address, request);
    let line = json(&lines(&path, 1)[0]);
    for field in ["target", "host", "referer", "user_agent"] {
        assert_eq!(line[field].as_str().unwrap().len(), 512, "{field}: {line}");
    }
    fs::remove_file(path).unwrap();
}

#[test]
fn nothing_from_a_client_breaks_a_line() {
    let upstream = Upstream::start(ok);
    for format in ["json", "combined"] {
        let path = absent(format);
        let gateway = configured(&upstream, &format!("{{path: '{}', format: {format}}}", path.display()));
        for (target, agent) in [
            ("/a\"b", "\" 200 5 \"-\" \"forged"),
            ("/\u{202e}x\u{85}y\u{2028}z", "\u{9b}2J\u{202e}\\\""),
            ("/x", "{\"status\":500}\\u0000\t"),
        ] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: h\r\nUser-Agent: {agent}\r\n\r\n");
            send(gateway.address, request);
        }
        let mut invalid = b"GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: a\xff\x9b\xe2\x80\xaeb\r\n\r\n".to_vec();
        send(gateway.address, &mut invalid);
        gateway.stop();
        let text = fs::read_to_string(&path).unwrap();
        // What is not even a target has no line.
        assert!(text.lines().count() >= 2, "{text}");
        let steers = |character: char| {
            character != '\n' && (character.is_control() || ('\u{2028}'..='\u{202e}').contains(&character))
        };
        assert!(!text.contains(steers), "{text:?}");
        for line in text.lines() {
            match format {
                "json" => assert_eq!(json(line)["method"], "GET"),
                _ => assert!(line.starts_with("127.0.0.1 - - [") && line.matches('"').count() == 6, "{line}"),
            }
        }
        fs::remove_file(path).unwrap();
    }
}

fn ask(gateway: SocketAddr, target: &str) {
    assert_eq!(send(gateway, format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")).status, 200);
}

#[test]
fn the_log_is_opened_again_on_a_signal() {
    let upstream = Upstream::start(ok);
    let (path, moved) = (absent("rotated"), absent("moved"));
    let mut gateway = configured(&upstream, &format!("{{path: '{}', format: combined}}", path.display()));
    ask(gateway.address, "/before");
    lines(&path, 1);
    fs::rename(&path, &moved).unwrap();
    ask(gateway.address, "/between");
    assert_eq!(lines(&moved, 2).len(), 2);
    gateway.signal("HUP");
    while gateway.told() != "access log reopened" {}
    ask(gateway.address, "/after");
    let (old, new) = (lines(&moved, 2), lines(&path, 1));
    assert_eq!((old.len(), new.len()), (2, 1));
    assert!(old[1].contains("GET /between HTTP/1.1") && new[0].contains("GET /after HTTP/1.1"), "{old:?} {new:?}");
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o137, 0);
    // Where the file cannot be opened again, lines go on to the old one.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    gateway.signal("HUP");
    while !gateway.told().starts_with("access log: cannot open it again, keeping the old file: ") {}
    ask(gateway.address, "/kept");
    assert!(gateway.stop().stderr.ends_with("stopped: 4 requests logged, 0 not; 0 connections cut\n"));
    fs::remove_dir(path).unwrap();
    fs::remove_file(moved).unwrap();
}

#[test]
fn a_log_that_cannot_be_opened_is_told() {
    let upstream = Upstream::start(ok);
    let file = crate::support::file(&config(&upstream, "{path: /nowhere/access.log}"));
    let (code, told) = crate::support::refused(&["run", "--config", file.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(told.starts_with("error: cannot open the access log of access_log.path: No such file"), "{told}");
    fs::remove_file(file).unwrap();
}

/// A full disk costs lines and no request, and is told once.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_fails_no_request() {
    let upstream = Upstream::start(ok);
    let gateway = configured(&upstream, "{path: /dev/full}");
    for _ in 0..20 {
        ask(gateway.address, "/");
    }
    let stopped = gateway.stop();
    assert_eq!(stopped.stderr.matches("access log: cannot write, dropping lines: ").count(), 1, "{}", stopped.stderr);
    assert!(stopped.stderr.ends_with("stopped: 0 requests logged, 20 not; 0 connections cut\n"), "{}", stopped.stderr);
}

/// A reader that does not read costs lines and no request; those that are written are whole.
#[test]
fn a_slow_reader_delays_no_request() {
    let upstream = Upstream::start(ok);
    let file = crate::support::file(&config(&upstream, "{path: '-'}"));
    let mut gateway = Gateway::configured_unread(&file, &[("OTEL_TRACES_EXPORTER", "none")]);
    let mut client = gateway.connect();
    let count = 6000;
    for _ in 0..count {
        client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.response().status, 200);
    }
    drop(client);
    let stdout = BufReader::new(gateway.stdout());
    gateway.signal("TERM");
    let logged = stdout.lines().map(|line| json(&line.unwrap())).filter(|line| line["status"] == 200).count();
    let told = gateway.ended().stderr;
    assert!(logged < count, "the queue has room for all");
    assert!(told.contains("the queue of requests for access_log was full"), "{told}");
    let expected = format!("stopped: {logged} requests logged, {} not; 0 connections cut\n", count - logged);
    assert!(told.ends_with(&expected), "{told}");
    fs::remove_file(file).unwrap();
}
