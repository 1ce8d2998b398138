use serde_json::Value;

use crate::support::{
    Gateway, TRACE_ID, Upstream, file, get, ok, refused, send, server_and_call, span_of, traceparent,
};

/// One listener with these routes: prefix, upstream, and further lines.
fn routes(routes: &[(&str, &str, &str)]) -> String {
    let routes = routes.iter().map(|(prefix, upstream, further)| {
        format!("      - prefix: {prefix}\n        upstream: {upstream}\n        {further}\n")
    });
    format!("listeners:\n  - address: 127.0.0.1:0\n    routes:\n{}", routes.collect::<String>())
}

fn named(name: &'static str) -> Upstream {
    Upstream::start(move |exchange| {
        exchange.receive();
        exchange.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len()));
    })
}

fn path(gateway: &Gateway, path: &str) -> (u16, String) {
    let response = send(gateway.address, format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
    (response.status, response.body)
}

#[test]
fn a_right_file_is_said_to_be_right() {
    let file = file(include_str!("../../gateway.yaml"));
    let (code, told) = refused(&["run", "--check", "--config", file.to_str().unwrap()]);
    assert_eq!((code, told.as_str()), (0, "configuration OK\n"));
}

#[test]
fn a_wrong_file_is_said_to_be_wrong_where() {
    let file = file("listeners:\n  - adress: 127.0.0.1:1\n");
    let file = file.to_str().unwrap();
    for args in [&["run", "--check", "--config", file][..], &["run", "--config", file]] {
        let (code, told) = refused(args);
        assert_eq!(code, 1);
        let key = "listeners[0].adress: unknown field `adress`, expected one of address, tls, trust, forwarded, underscores, propagators, limits, routes";
        assert_eq!(told, format!("error: {file}:2:5: {key}\n"));
    }
}

#[test]
fn flags_and_a_file_exclude_each_other() {
    for flag in [
        &["--upstream", "http://h"][..],
        &["--admin", "127.0.0.1:0"],
        &["--trust", "ignore"],
        &["--random-sampling", "1"],
    ] {
        let (code, told) = refused(&[&["run", "--config", "gateway.yaml"], flag].concat());
        assert_eq!(code, 2);
        assert!(told.contains("cannot be used with"), "{told}");
    }
}

#[test]
fn the_longest_prefix_leads_on() {
    let [shop, cart] = [named("shop"), named("cart")];
    let gateway = Gateway::configured(&routes(&[("/shop", &shop.url(), ""), ("/shop/cart", &cart.url(), "")]), &[]);
    assert_eq!(path(&gateway, "/shop/cart/1?a=/shop"), (200, "cart".into()));
    assert_eq!(path(&gateway, "/shop/carts"), (200, "shop".into()));
    assert_eq!(path(&gateway, "/shopping"), (404, "Nothing is served here.\n".into()));
    assert_eq!(cart.head().first_line, "GET /shop/cart/1?a=/shop HTTP/1.1");
    let spans = gateway.spans();
    let servers: Vec<&Value> = spans.iter().filter(|span| span["kind"] == "server").collect();
    assert_eq!(servers[0]["name"], "GET /shop/cart");
    assert_eq!(
        (&servers[2]["status"], &servers[2]["error"]),
        (&404.into(), &"no route leads to the request's target".into())
    );
}

#[test]
fn third_parties_do_not_learn_of_the_trace() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::configured(&routes(&[("/", &upstream.url(), "egress: strip")]), &[]);
    get(gateway.address, &[&format!("traceparent: {}", traceparent("01")), "tracestate: rojo=1"]);
    let head = upstream.head();
    assert_eq!((head.all("traceparent").len(), head.all("tracestate").len()), (0, 0));
    let (server, call) = server_and_call(&gateway.spans());
    assert_eq!((&server["origin"], &call.unwrap()["status"]), (&"continued".into(), &200.into()));
}

#[test]
fn every_listener_has_its_own_trust() {
    let upstream = Upstream::start(ok);
    let listener = |trust: &str| {
        let route = format!("      - prefix: /\n        upstream: {}\n", upstream.url());
        format!("  - address: 127.0.0.1:0\n    trust: {trust}\n    routes:\n{route}")
    };
    let gateway = Gateway::configured(&format!("listeners:\n{}{}", listener("continue"), listener("ignore")), &[]);
    let line = format!("traceparent: {}", traceparent("01"));
    for address in &gateway.addresses {
        get(*address, &[&line]);
    }
    let spans = gateway.spans();
    let servers = spans.iter().filter(|span| span["kind"] == "server");
    let traces: Vec<_> = servers.map(|span| (&span["origin"], span["trace_id"] == TRACE_ID)).collect();
    assert_eq!(traces, [(&"continued".into(), true), (&"restarted".into(), false)]);
}

#[test]
fn the_file_comes_before_the_environment_and_that_before_the_default() {
    let upstream = Upstream::start(ok);
    let service = |text: &str, environment: &[(&str, &str)]| {
        let gateway = Gateway::configured(text, environment);
        get(gateway.address, &[]);
        span_of(gateway)
    };
    let nothing = routes(&[("/", &upstream.url(), "")]);
    let named = format!("{nothing}tracing:\n  service_name: file\n  random_sampling: 100\n");
    let environment = [("OTEL_SERVICE_NAME", "environment"), ("OTEL_TRACES_SAMPLER", "always_off")];
    let told = |span: &Value| (span["service"].as_str().unwrap().to_owned(), span["sampled"] == true);
    assert_eq!(told(&service(&nothing, &[])), ("gateway".into(), true));
    assert_eq!(told(&service(&nothing, &environment)), ("environment".into(), false));
    assert_eq!(told(&service(&named, &environment)), ("file".into(), true));
}

#[test]
fn a_variable_that_is_wrong_is_told_and_ignored() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::configured(&routes(&[("/", &upstream.url(), "")]), &[("OTEL_TRACES_SAMPLER", "sometimes")]);
    assert_eq!(get(gateway.address, &[]).status, 200);
    assert_eq!(span_of(gateway)["sampled"], true);
}

#[test]
fn a_client_may_ask_for_a_trace() {
    let upstream = Upstream::start(ok);
    let text = routes(&[("/", &upstream.url(), "")]) + "tracing:\n  random_sampling: 0\n";
    let gateway = Gateway::configured(&text, &[]);
    get(gateway.address, &[]);
    get(gateway.address, &["x-client-trace-id: 1"]);
    assert_eq!(upstream.head().traceparent()[3], "02");
    assert_eq!(upstream.head().traceparent()[3], "03");
}

#[test]
fn routes_and_sampling_change_without_losing_a_connection() {
    let [old, new] = [named("old"), named("new")];
    let mut gateway = Gateway::configured(&routes(&[("/", &old.url(), "")]), &[]);
    let mut connection = gateway.connect();
    let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    connection.write(request);
    assert_eq!(connection.response().body, "old");
    assert_eq!(old.head().traceparent()[3], "03");

    let text = routes(&[("/", &new.url(), "")]) + "tracing:\n  random_sampling: 0\n";
    assert_eq!(gateway.reload(&text), "configuration reloaded");
    connection.write(request);
    assert_eq!(connection.response().body, "new");
    assert_eq!(new.head().traceparent()[3], "02");
}

#[test]
fn a_request_in_flight_keeps_to_what_it_started_with() {
    let (go_on, waiting) = std::sync::mpsc::channel::<()>();
    let waiting = std::sync::Mutex::new(waiting);
    let old = Upstream::start(move |exchange| {
        exchange.receive();
        waiting.lock().unwrap().recv().unwrap();
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold");
    });
    let new = named("new");
    let mut gateway = Gateway::configured(&routes(&[("/", &old.url(), "")]), &[]);
    let mut connection = gateway.connect();
    connection.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    old.head();
    assert_eq!(gateway.reload(&routes(&[("/", &new.url(), "")])), "configuration reloaded");
    go_on.send(()).unwrap();
    assert_eq!(connection.response().body, "old");
    assert_eq!(path(&gateway, "/").1, "new");
}

#[test]
fn a_broken_file_changes_nothing_and_says_so() {
    let upstream = Upstream::start(ok);
    let text = routes(&[("/", &upstream.url(), "")]);
    let mut gateway = Gateway::configured(&text, &[]);
    let told = gateway.reload(&text.replace("upstream", "downstream"));
    assert!(told.starts_with("reload failed, keeping the current configuration: "), "{told}");
    assert!(told.contains(".yaml:5:9: listeners[0].routes[0].downstream: unknown field"), "{told}");
    assert_eq!(path(&gateway, "/"), (200, "ok".into()));
    assert_eq!(gateway.reload(&text), "configuration reloaded");
}

#[test]
fn what_cannot_change_while_it_runs_is_told() {
    let upstream = Upstream::start(ok);
    let text = routes(&[("/", &upstream.url(), "")]);
    let mut gateway = Gateway::configured(&text, &[]);
    let more = text.replace("127.0.0.1:0", "127.0.0.1:1") + "tracing:\n  service_name: new\n";
    assert_eq!(
        gateway.reload(&more),
        "service_name, otlp, admin and access_log stay as they are until the next start\n\
         the listener at 127.0.0.1:0 needs a restart to change\n\
         the listener at 127.0.0.1:1 needs a restart to open\n\
         configuration reloaded"
    );
    assert_eq!(path(&gateway, "/"), (200, "ok".into()));
    assert_eq!(span_of(gateway)["service"], "gateway");
}
