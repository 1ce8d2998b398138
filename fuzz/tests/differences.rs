//! The list of known differences is true, and the comparison in the documentation is this list.

use traceparent_fuzz::{COLUMNS, DIFFERENCES, Difference, Seen, answers};

const COMPARISON: &str = "../crates/traceparent/docs/comparison.md";

fn example(row: &Difference) -> (&str, &str) {
    row.example.split_once('\n').unwrap_or((row.example, ""))
}

#[test]
fn every_difference_is_seen_in_its_libraries_and_in_no_other() {
    for row in DIFFERENCES {
        let (traceparent, tracestate) = example(row);
        assert!((row.applies)(traceparent, tracestate), "{}", row.what);
        let [ours, theirs @ ..] = answers(traceparent, tracestate);
        let differ =
            COLUMNS[1..].iter().zip(theirs).filter(|(_, theirs)| Seen::between(&ours, theirs) == Some(row.seen));
        let differ: Vec<_> = differ.map(|(library, _)| *library).collect();
        let rows =
            DIFFERENCES.iter().filter(|other| other.seen == row.seen && (other.applies)(traceparent, tracestate));
        let listed: Vec<_> = rows.flat_map(|row| row.libraries).collect();
        assert!(row.libraries.iter().all(|library| differ.contains(library)), "{}: {differ:?}", row.what);
        assert!(differ.iter().all(|library| listed.contains(&library)), "{}: {differ:?}", row.what);
    }
}

#[test]
fn every_library_reads_what_is_plain() {
    let plain = [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", ""),
    ];
    for (traceparent, tracestate) in plain {
        let [ours, theirs @ ..] = answers(traceparent, tracestate);
        assert!(ours.is_some());
        assert!(theirs.iter().all(|theirs| Seen::between(&ours, theirs).is_none()));
    }
}

/// One row of the table: what each library makes of the example.
fn row(row: &Difference) -> String {
    let (traceparent, tracestate) = example(row);
    let cells = answers(traceparent, tracestate).map(|answer| row.seen.in_words(answer.as_ref()));
    format!("| {} | {} | {} |", row.what, row.requirement, cells.join(" | "))
}

#[test]
fn the_comparison_in_the_documentation_says_what_is_seen() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(COMPARISON);
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, table) = text.split_at(text.find("| headers |").unwrap());
    let after = table.find("\n\n").map_or("", |end| &table[end..]);
    let head = format!("| headers | requirement | {} |\n|{}", COLUMNS.join(" | "), "---|".repeat(COLUMNS.len() + 2));
    let rows: Vec<_> = [head].into_iter().chain(DIFFERENCES.iter().map(row)).collect();
    let expected = format!("{before}{}{}", rows.join("\n"), if after.is_empty() { "\n" } else { after });
    if std::env::var_os("WRITE_COMPARISON").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected, "run again with WRITE_COMPARISON=1");
}
