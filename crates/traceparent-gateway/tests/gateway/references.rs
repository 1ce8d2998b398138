//! Values of the configuration file that are elsewhere: in variables and in other files.

use std::fs;

use crate::support::{Collector, Gateway, Upstream, file, get, ok, refused};

fn text(upstream: &str, tracing: &str) -> String {
    format!(
        "listeners:\n  - address: 127.0.0.1:0\n    routes:\n      - prefix: /\n        upstream: {upstream}\ntracing:\n  \
         {tracing}\n"
    )
}

#[test]
fn values_come_from_variables_and_files() {
    let (upstream, collector) = (Upstream::start(ok), Collector::http());
    let secret = file("c2VjcmV0\n");
    let name = secret.file_name().unwrap().to_str().unwrap();
    let headers = format!("{{x-key: '${{file:{name}}}', x-team: 'a ${{TEAM}}', x-plain: '$${{TEAM}}'}}");
    let tracing = format!("service_name: ${{TEAM}}\n  otlp: {{endpoint: 'http://${{COLLECTOR}}', headers: {headers}}}");
    let environment = [("TEAM", "shop"), ("COLLECTOR", &collector.address.to_string())];
    let gateway = Gateway::configured(&text(&upstream.url(), &tracing), &environment);
    assert_eq!(get(gateway.address, &[]).status, 200);
    let stopped = gateway.stop();
    assert!(!stopped.stderr.contains("c2VjcmV0"), "{}", stopped.stderr);
    let (head, spans) = collector.received();
    assert_eq!((head.one("x-key"), head.one("x-team"), head.one("x-plain")), ("c2VjcmV0", "a shop", "${TEAM}"));
    assert_eq!(spans[0].resource("service.name").as_deref(), Some("shop"));
    fs::remove_file(secret).unwrap();
}

#[test]
fn a_missing_value_is_told_with_line_and_key() {
    for (tracing, told) in [
        ("service_name: ${ABSENT_HERE}", ":7:17: tracing.service_name: the variable ABSENT_HERE is not set"),
        (
            "otlp: {headers: {x-key: '${file:absent}'}}",
            ":7:27: tracing.otlp.headers.x-key: absent cannot be read: No such file or directory (os error 2)",
        ),
        (
            "random_sampling: ${1}",
            ":7:20: tracing.random_sampling: write ${VARIABLE} or ${file:PATH}, and $${ for the characters themselves",
        ),
    ] {
        let file = file(&text("http://h", tracing));
        let name = file.to_str().unwrap();
        assert_eq!(refused(&["run", "--config", name, "--check"]), (1, format!("error: {name}{told}\n")));
        fs::remove_file(file).unwrap();
    }
}
