use crate::support::{CALLER, Connection, Gateway, TRACE_ID, Upstream, get, ok, send, traceparent};

fn routes(upstream: &Upstream, lines: &str) -> String {
    let url = upstream.url();
    format!(
        "listeners:
- address: 127.0.0.1:0
  routes:
  - prefix: /
    upstream: {url}
  - prefix: /healthz
    upstream: {url}
{lines}"
    )
}

const CHECK: &str = "GET /healthz HTTP/1.1\r\nHost: h\r\n";

#[test]
fn untraced_requests_pass_unchanged() {
    let upstream = Upstream::start(ok);
    let mut gateway =
        Gateway::configured(&(routes(&upstream, "    trace: false\n") + "admin: {address: 127.0.0.1:0}\n"), &[]);
    let admin = gateway.admin();
    assert_eq!(send(gateway.address, format!("{CHECK}\r\n")).status, 200);
    let head = upstream.head();
    assert!(head.all("traceparent").is_empty() && head.all("tracestate").is_empty());
    let came = traceparent("00");
    let request = format!("{CHECK}traceparent: {came}\r\ntracestate: A=1\r\ntracestate: b=2\r\nb3: 0\r\n\r\n");
    assert_eq!(send(gateway.address, request).status, 200);
    let head = upstream.head();
    assert_eq!((head.one("traceparent"), head.one("b3")), (&*came, "0"));
    assert_eq!(head.all("tracestate"), ["A=1", "b=2"]);
    // What is invalid is not this gateway's to judge.
    assert_eq!(send(gateway.address, format!("{CHECK}traceparent: x\r\n\r\n")).status, 200);
    assert_eq!(upstream.head().one("traceparent"), "x");
    let metrics = send(admin, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").body;
    assert!(metrics.contains("requests_total{status=\"2xx\"} 3"), "{metrics}");
    assert!(metrics.contains("contexts_total{origin=\"started\"} 0"), "{metrics}");

    get(gateway.address, &[]);
    assert_eq!(upstream.head().all("traceparent").len(), 1);
    assert_eq!(gateway.spans().len(), 2);
}

#[test]
fn untraced_requests_of_untrusted_callers_lose_their_context() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::configured(&routes(&upstream, "    trace: false\n  trust: restart\n"), &[]);
    let context = traceparent("01");
    send(gateway.address, format!("{CHECK}traceparent: {context}\r\nbaggage: a=b\r\n\r\n"));
    let head = upstream.head();
    assert!(head.all("traceparent").is_empty() && head.all("baggage").is_empty());
}

#[test]
fn a_route_has_its_own_percentage() {
    let upstream = Upstream::start(ok);
    for (tracing, environment, [all, check]) in [
        ("tracing: {random_sampling: 100}\n", &[][..], ["03", "02"]),
        ("", &[("OTEL_TRACES_SAMPLER", "always_on")], ["03", "02"]),
    ] {
        let text = routes(&upstream, "    random_sampling: 0\n") + tracing;
        let gateway = Gateway::configured(&text, environment);
        let mut connection = Connection::open(gateway.address);
        for (path, flags) in [("/", all), ("/healthz", check), ("/healthz/live", check)] {
            connection.write(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
            assert_eq!(connection.response().status, 200);
            assert_eq!(upstream.head().traceparent()[3], flags, "{path}");
        }
        // Callers' decisions count as elsewhere.
        connection.write(format!("{CHECK}traceparent: {}\r\n\r\n", traceparent("01")));
        connection.response();
        assert_eq!(upstream.head().traceparent()[3], "01");
    }
}

#[test]
fn samplers_of_the_environment_decide_as_they_are_named() {
    for (sampler, came, goes) in [
        ("always_off", "01", "00"),
        ("ALWAYS_OFF", "03", "02"),
        ("always_on", "00", "01"),
        ("traceidratio", "00", "01"),
        ("parentbased_always_off", "01", "01"),
        ("parentbased_always_on", "00", "00"),
        ("parentbased_traceidratio", "00", "00"),
    ] {
        let upstream = Upstream::start(ok);
        let gateway = Gateway::start_in(&upstream.url(), &[], &[("OTEL_TRACES_SAMPLER", sampler)]);
        get(gateway.address, &[&format!("traceparent: {}", traceparent(came))]);
        let head = upstream.head();
        let [_, trace_id, _, flags] = head.traceparent();
        assert_eq!((trace_id, flags), (TRACE_ID, goes), "{sampler}");
    }
}

#[test]
fn a_disabled_sdk_makes_no_spans_and_contexts_go_on() {
    let upstream = Upstream::start(ok);
    let environment = [("OTEL_SDK_DISABLED", "True"), ("OTEL_TRACES_EXPORTER", "console")];
    let gateway = Gateway::start_in(&upstream.url(), &[], &environment);
    get(gateway.address, &[&format!("traceparent: {}", traceparent("01")), "tracestate: a=1"]);
    let head = upstream.head();
    // No span of the gateway's stands between, or the caller's child would be an orphan.
    assert_eq!((head.traceparent()[2], head.one("tracestate")), (CALLER, "a=1"));
    let stopped = gateway.stop();
    assert!(stopped.status.success() && stopped.spans.is_empty());
}
