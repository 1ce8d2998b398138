use std::net::TcpListener;

use serde_json::Value;

use crate::support::{
    Connection, Gateway, Upstream, get,
    http2::{Frames, WIDE},
    ok, send, span_of, traceparent,
};

#[test]
fn path_and_query_go_on_and_only_the_path_is_recorded() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&format!("{}/base/", upstream.url()), &[]);
    let response = send(gateway.address, "DELETE /a%2Fb//c?token=secret&x HTTP/1.1\r\nHost: shop.example:81\r\n\r\n");
    assert_eq!(response.status, 200);

    let head = upstream.head();
    assert_eq!(head.first_line, "DELETE /base/a%2Fb//c?token=secret&x HTTP/1.1");
    assert_eq!(head.one("host"), "shop.example:81");
    assert!(head.one("via").starts_with("1.1 traceparent-gateway-"));
    let span = span_of(gateway);
    assert_eq!(
        (&span["name"], &span["attributes"]["http.request.method"], &span["attributes"]["url.path"]),
        (&"DELETE".into(), &"DELETE".into(), &"/a%2Fb//c".into())
    );
    assert!(!span.to_string().contains("secret"));
}

/// Routes, spans and the upstream see one target, whichever HTTP it arrives over.
#[test]
fn characters_that_no_uri_has_are_encoded() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::configured(
        &format!(
            "listeners:\n  - address: 127.0.0.1:0\n    routes: [{{prefix: /café, upstream: '{}/é'}}]\n",
            upstream.url()
        ),
        &[],
    );
    let target = "/café/{[%]}?봈|";
    assert_eq!(send(gateway.address, format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")).status, 200);
    let mut client = Frames::open(gateway.address, WIDE);
    client.get(1, target);
    assert_eq!(client.body(1), b"ok");
    for _ in 0..2 {
        assert_eq!(upstream.head().first_line, "GET /%C3%A9/caf%C3%A9/%7B[%]%7D?%EB%B4%88%7C HTTP/1.1");
    }
    drop(client);
    let spans = gateway.spans();
    let served: Vec<_> = spans.iter().filter(|span| span["kind"] == "server").collect();
    assert_eq!(served.len(), 2);
    for span in served {
        let path = &span["attributes"]["url.path"];
        assert_eq!((&span["name"], path), (&"GET /caf%C3%A9".into(), &"/caf%C3%A9/%7B[%]%7D".into()));
    }
}

#[test]
fn the_host_of_an_absolute_target_overrules_the_field() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    send(gateway.address, "GET http://shop.example/a HTTP/1.1\r\nHost: other.example\r\n\r\n");
    let head = upstream.head();
    assert_eq!(head.first_line, "GET /a HTTP/1.1");
    assert_eq!(head.one("host"), "shop.example");
}

#[test]
fn an_unknown_method_goes_on_but_names_no_span() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    send(gateway.address, "BREW / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(upstream.head().first_line, "BREW / HTTP/1.1");
    let span = span_of(gateway);
    assert_eq!((&span["name"], &span["attributes"]["http.request.method"]), (&"HTTP".into(), &"_OTHER".into()));
}

#[test]
fn hop_by_hop_fields_stay_behind_both_ways() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        exchange.write(
            "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nProxy-Authenticate: Basic\r\n\
             Upgrade: h2c\r\nX-End: 1\r\nContent-Length: 0\r\n\r\n",
        );
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let response = get(
        gateway.address,
        &[
            "Connection: X-One, keep-alive",
            "Connection: x-two",
            "X-One: 1",
            "X-Two: 2",
            "X-Three: 3",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive",
            "Proxy-Authorization: Basic c2VjcmV0",
            "TE: gzip",
            "Upgrade: websocket",
        ],
    );

    let head = upstream.head();
    let mut names: Vec<_> = head.fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "host",
            "traceparent",
            "tracestate",
            "via",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-three"
        ]
    );
    let mut names: Vec<_> = response.head.fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    assert_eq!(names, ["content-length", "date", "x-end"]);
}

#[test]
fn an_http_1_0_client_is_served() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let response = send(gateway.address, format!("GET /old HTTP/1.0\r\ntraceparent: {}\r\n\r\n", traceparent("01")));
    assert_eq!((response.status, response.body.as_str()), (200, "ok"));
    assert!(response.head.first_line.starts_with("HTTP/1.0"));
    let head = upstream.head();
    assert_eq!(head.first_line, "GET /old HTTP/1.1");
    assert_eq!(head.one("host"), upstream.address.to_string());
    assert!(head.one("via").starts_with("1.0 traceparent-gateway-"));
    assert_eq!(span_of(gateway)["origin"], "continued");
}

#[test]
fn a_head_request_gets_the_length_and_no_body() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n");
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = gateway.connect();
    for _ in 0..2 {
        connection.write("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(connection.head().one("content-length"), "1234");
    }
    drop(connection);
    for span in gateway.spans() {
        assert_eq!((&span["name"], &span["status"], &span["error"]), (&"HEAD".into(), &200.into(), &Value::Null));
    }
}

#[test]
fn upstreams_errors_are_the_clients() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        exchange.write("HTTP/1.1 503 Later\r\nRetry-After: 5\r\nContent-Length: 4\r\n\r\nlate");
    });
    let gateway = Gateway::start(&upstream.url(), &[]);
    let response = get(gateway.address, &[]);
    assert_eq!((response.status, response.head.one("retry-after"), response.body.as_str()), (503, "5", "late"));
    let span = span_of(gateway);
    assert_eq!((&span["status"], &span["error"]), (&503.into(), &Value::Null));
}

#[test]
fn a_dead_upstream_answers_502_and_is_recorded() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let gateway = Gateway::start(&format!("http://{address}"), &[]);
    let mut connection = gateway.connect();
    for _ in 0..2 {
        connection.write(format!("GET /a HTTP/1.1\r\nHost: h\r\ntraceparent: {}\r\n\r\n", traceparent("01")));
        let response = connection.response();
        assert_eq!(response.status, 502);
        assert_eq!(response.head.one("content-type"), "text/plain; charset=utf-8");
        assert_eq!(response.body, "The service behind this gateway cannot be reached.\n");
    }
    drop(connection);
    let spans = gateway.spans();
    assert_eq!(spans.len(), 4);
    for span in spans {
        let status = if span["kind"] == "server" { 502.into() } else { Value::Null };
        assert_eq!(span["status"], status);
        assert_eq!(span["error"], "cannot connect to the upstream: connection refused");
        assert_eq!(span["origin"], "continued");
    }
}

#[test]
fn an_upstream_without_an_address_answers_502() {
    // Too long for a label of a name, so that no server has to be asked.
    let gateway = Gateway::start(&format!("http://{}.invalid", "a".repeat(64)), &[]);
    assert_eq!(get(gateway.address, &[]).status, 502);
    assert_eq!(span_of(gateway)["error"], "cannot connect to the upstream: no address found for its host");
}

#[test]
fn answers_that_are_none_are_502() {
    let cases = [
        (
            "",
            "The service behind this gateway closed the connection.\n",
            "the upstream closed the connection before it answered",
        ),
        (
            "\u{16}\u{3}\u{1}\r\n\r\n",
            "The service behind this gateway gave an invalid answer.\n",
            "the upstream's answer is not valid HTTP/1.1",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
            "The service behind this gateway gave an invalid answer.\n",
            "the upstream's answer is not valid HTTP/1.1",
        ),
    ];
    for (answer, body, error) in cases {
        let upstream = Upstream::start(move |exchange| {
            exchange.receive();
            exchange.write(answer);
            exchange.stream.get_ref().shutdown(std::net::Shutdown::Both).unwrap();
        });
        let gateway = Gateway::start(&upstream.url(), &[]);
        let response = get(gateway.address, &[]);
        assert_eq!((response.status, response.body.as_str()), (502, body));
        let span = span_of(gateway);
        assert_eq!((&span["status"], &span["error"]), (&502.into(), &error.into()));
    }
}

#[test]
fn connect_is_refused() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let response = send(gateway.address, "CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n");
    assert_eq!((response.status, response.body.as_str()), (501, "This gateway does not tunnel.\n"));
    let span = span_of(gateway);
    assert_eq!((&span["name"], &span["status"]), (&"CONNECT".into(), &501.into()));
}

#[test]
fn every_request_of_a_connection_has_a_span() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let mut connection = Connection::open(gateway.address);
    let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    connection.write(request.repeat(3));
    let sent: Vec<String> = (0..3)
        .map(|_| {
            assert_eq!(connection.response().status, 200);
            upstream.head().traceparent()[2].to_owned()
        })
        .collect();
    drop(connection);
    let spans = gateway.spans();
    let calls = spans.iter().filter(|span| span["kind"] == "client");
    let recorded: Vec<String> = calls.map(|span| span["span_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((spans.len(), recorded), (6, sent));
}

#[test]
fn connections_to_the_upstream_are_kept() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    for _ in 0..20 {
        assert_eq!(get(gateway.address, &[]).status, 200);
    }
    // A connection is back only a moment after its response has gone out.
    assert!(upstream.connections() <= 2, "{}", upstream.connections());
}

#[test]
fn spans_say_what_a_trusted_proxy_says() {
    let upstream = Upstream::start(ok);
    let listener = |forwarded: &str| {
        let url = upstream.url();
        format!("- address: 127.0.0.1:0\n  forwarded: {forwarded}\n  routes:\n  - prefix: /\n    upstream: {url}\n")
    };
    let text = format!("listeners:\n{}{}", listener("replace"), listener("append"));
    let gateway = Gateway::configured(&text, &[]);
    let fields = ["X-Forwarded-Proto: http", "Forwarded: for=\"[2001:db8::1]:4711\";proto=https;host=outer.example"];
    for address in &gateway.addresses {
        assert_eq!(get(*address, &fields).status, 200);
    }
    let servers: Vec<_> = gateway.spans().into_iter().filter(|span| span["kind"] == "server").collect();
    let described = ["url.scheme", "server.address", "server.port", "client.address"]
        .map(|key| [&servers[0]["attributes"][key], &servers[1]["attributes"][key]].map(ToString::to_string));
    assert_eq!(
        described,
        [
            ["\"http\"", "\"https\""],
            ["\"shop.example\"", "\"outer.example\""],
            ["80", "443"],
            ["\"127.0.0.1\"", "\"2001:db8::1\""],
        ]
    );
}
