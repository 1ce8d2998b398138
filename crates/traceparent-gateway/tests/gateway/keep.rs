use std::{thread, time::Duration};

use crate::support::{Collector, Exchange, Gateway, Upstream, send, traceparent};

/// Starts a gateway that samples nothing and keeps what `keep` says, with the spans that it exports.
fn keeping(upstream: &Upstream, keep: &str) -> (Gateway, Collector) {
    let collector = Collector::http();
    let text = format!(
        "listeners:\n  - address: 127.0.0.1:0\n    routes:\n      - {{prefix: /, upstream: '{}'}}\n\
         admin:\n  address: 127.0.0.1:0\n\
         tracing:\n  random_sampling: 0\n  keep: {keep}\n  otlp: {{endpoint: 'http://{}', protocol: http/protobuf}}\n",
        upstream.url(),
        collector.address
    );
    (Gateway::configured(&text, &[]), collector)
}

fn of_status(exchange: &mut Exchange) {
    exchange.receive();
    let status = exchange.head.first_line.split(['/', ' ']).nth(2).unwrap().to_owned();
    exchange.write(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"));
}

#[test]
fn spans_of_unsampled_errors_are_kept() {
    let upstream = Upstream::start(of_status);
    let (mut gateway, collector) = keeping(&upstream, "{errors: true}");
    let admin = gateway.admin();
    let ask = |status: u16, lines: &str| {
        let request = format!("GET /{status} HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
        assert_eq!(send(gateway.address, request).status, status);
        upstream.head()
    };
    ask(200, "");
    ask(404, "");
    let own = ask(503, "");
    // A threshold says that a span was sampled, which a kept one was not.
    let list = "tracestate: ot=th:8;rv:00000000000000,a=b\r\n";
    let continued = ask(500, &format!("traceparent: {}\r\n{list}", traceparent("00")));
    // A sampled span is exported as ever.
    let sampled = ask(503, &format!("traceparent: {}\r\n", traceparent("01").replace('4', "5")));
    let metrics = send(admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").body;
    for line in [
        "requests_kept_total{reason=\"error\"} 2",
        "requests_kept_total{reason=\"slow\"} 0",
        "contexts_sampled_total 1",
    ] {
        assert!(metrics.contains(&format!("\ntraceparent_gateway_{line}\n")), "{line}: {metrics}");
    }
    let stopped = gateway.stop();
    assert!(stopped.stderr.contains("stopped: 6 spans exported, 0 dropped"), "{}", stopped.stderr);

    let exported = collector.all();
    assert_eq!(exported.len(), 6);
    for (head, flag, kept) in [(&own, "00", true), (&continued, "00", true), (&sampled, "01", false)] {
        let [_, trace_id, parent_id, flags] = head.traceparent();
        assert_eq!(u8::from_str_radix(flags, 16).unwrap() & 1, u8::from_str_radix(flag, 16).unwrap());
        let spans: Vec<_> = exported.iter().filter(|span| span.trace_id() == trace_id).collect();
        let [call, server] = spans[..] else { panic!("{spans:?}") };
        assert_eq!((call.span_id().as_str(), call.parent_id()), (parent_id, server.span_id()));
        for span in [call, server] {
            assert_eq!(span.attribute("traceparent.kept").as_deref(), kept.then_some("error"));
            assert_eq!(span.span.flags & 1, u32::from(!kept));
            assert!(!kept || !span.span.trace_state.contains("th:"), "{}", span.span.trace_state);
        }
    }
    assert!(!continued.all("tracestate").concat().contains("th:"));
    assert!(continued.all("tracestate").concat().contains("a=b"));
}

#[test]
fn spans_of_unsampled_slow_requests_are_kept() {
    let upstream = Upstream::start(|exchange| {
        if exchange.head.first_line.starts_with("GET /200/slow ") {
            thread::sleep(Duration::from_millis(300));
        }
        of_status(exchange);
    });
    let (gateway, collector) = keeping(&upstream, "{slower_than: 250ms}");
    for path in ["/503", "/200/slow"] {
        send(gateway.address, format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
    }
    gateway.stop();
    let slow: Vec<_> =
        collector.all().into_iter().filter(|span| span.attribute("url.path").as_deref() == Some("/200/slow")).collect();
    assert_eq!(slow.len(), 1);
    assert_eq!(slow[0].attribute("traceparent.kept").as_deref(), Some("slow"));
}

/// JSON lines hold all spans already; none is there twice.
#[test]
fn lines_of_kept_spans_are_marked() {
    let upstream = Upstream::start(of_status);
    let text = format!(
        "listeners:\n  - address: 127.0.0.1:0\n    routes:\n      - {{prefix: /, upstream: '{}'}}\n\
         tracing:\n  random_sampling: 0\n  keep: {{errors: true}}\n",
        upstream.url(),
    );
    let gateway = Gateway::configured(&text, &[]);
    for path in ["/503", "/200"] {
        send(gateway.address, format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
    }
    let spans = gateway.spans();
    assert_eq!(spans.len(), 4);
    for span in spans {
        let kept = span["status"] == 503;
        assert_eq!(span["sampled"], false);
        assert_eq!(span["attributes"].get("traceparent.kept").is_some(), kept, "{span}");
    }
}
