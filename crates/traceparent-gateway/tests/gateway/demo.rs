use std::{
    collections::BTreeSet,
    net::TcpListener,
    process::{Command, Output},
};

use crate::support::Collector;

const BINARY: &str = env!("CARGO_BIN_EXE_traceparent-gateway");

/// A row of the printed table: number, service, span id, parent id.
type Row<'a> = (usize, &'a str, &'a str, &'a str);

fn demo() -> String {
    // No limits of spans get in its way.
    let variables = [("COLUMNS", "100"), ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "0")];
    let output = Command::new(BINARY).arg("demo").envs(variables).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn rows(printed: &str) -> Vec<Row<'_>> {
    let lines = printed.lines().skip_while(|line| !line.trim_start().starts_with('#')).skip(1);
    lines
        .take_while(|line| !line.is_empty())
        .map(|line| {
            let (number, rest) = line.trim_start().split_once("  ").unwrap();
            let service = rest.trim_start_matches([' ', '├', '└', '│']).split("  ").next().unwrap();
            let mut ids = line.rsplit("  ");
            let parent_id = ids.next().unwrap();
            (number.parse().unwrap(), service, ids.next().unwrap(), parent_id)
        })
        .collect()
}

#[test]
fn the_printed_tree_is_the_scene() {
    let printed = demo();
    let rows = rows(&printed);
    let services: Vec<&str> = rows.iter().map(|row| row.1).collect();
    assert_eq!(
        services,
        [
            "customer",
            "agent 1 gateway",
            "agent 1 gateway",
            "agent 1 main",
            "payment service",
            "agent 2 gateway",
            "agent 2 gateway",
            "agent 2 support",
            "technical support",
            "agent 3 gateway",
            "agent 3 gateway",
            "agent 3 orders",
            "inventory",
        ]
    );
    let parents: Vec<Option<usize>> =
        rows.iter().map(|row| rows.iter().find(|parent| parent.2 == row.3).map(|parent| parent.0)).collect();
    let expected = [
        None,
        Some(1),
        Some(2),
        Some(3),
        Some(4),
        Some(4),
        Some(6),
        Some(7),
        Some(8),
        Some(4),
        Some(10),
        Some(11),
        Some(12),
    ];
    assert_eq!(parents, expected);
    assert_eq!(rows[0].3, "-");
    assert!(
        printed.ends_with("The tree is the expected one: 13 spans in one trace, every parent right.\n"),
        "{printed}"
    );
}

#[test]
fn it_fits_into_a_hundred_columns() {
    let printed = demo();
    for line in printed.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert_eq!(printed.matches('█').next(), Some("█"));
}

#[test]
fn every_run_is_another_trace() {
    let trace = |printed: &str| printed.lines().find(|line| line.starts_with("trace ")).unwrap().to_owned();
    assert_ne!(trace(&demo()), trace(&demo()));
}

fn exported(endpoint: &str, protocol: &str) -> Output {
    let mut command = Command::new(BINARY);
    command.args(["demo", "--otlp", endpoint]).env("COLUMNS", "100").env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
    command.env("OTEL_EXPORTER_OTLP_TIMEOUT", "1000").output().unwrap()
}

#[test]
fn what_is_exported_is_what_is_printed() {
    for (protocol, collector) in [("grpc", Collector::grpc()), ("http/protobuf", Collector::http())] {
        let Output { status, stdout, stderr } = exported(&format!("http://{}", collector.address), protocol);
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        assert_eq!(String::from_utf8_lossy(&stderr), "13 spans exported, 0 dropped\n");
        let printed = String::from_utf8(stdout).unwrap();
        let printed: BTreeSet<_> = rows(&printed)
            .into_iter()
            .map(|(_, service, id, parent)| (service.to_owned(), id.to_owned(), parent.trim_matches('-').to_owned()))
            .collect();
        let exported: BTreeSet<_> = collector
            .all()
            .iter()
            .map(|span| (span.resource("service.name").unwrap(), span.span_id(), span.parent_id()))
            .collect();
        assert_eq!(exported, printed);
        assert_eq!(exported.len(), 13);
    }
}

#[test]
fn a_trace_that_does_not_arrive_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let absent = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let Output { status, stdout, stderr } = exported(&absent, "http/protobuf");
    assert_eq!(status.code(), Some(1));
    // The scene itself has gone well.
    assert!(String::from_utf8_lossy(&stdout).contains("The tree is the expected one"));
    let told = String::from_utf8_lossy(&stderr);
    assert!(told.ends_with("error: the demo's trace did not arrive at the collector\n"), "{told}");
}
