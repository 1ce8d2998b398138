use std::process::Command;

/// A row of the printed table: number, service, span id, parent id.
type Row<'a> = (usize, &'a str, &'a str, &'a str);

fn demo() -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_traceparent-gateway")).arg("demo").env("COLUMNS", "100").output().unwrap();
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
