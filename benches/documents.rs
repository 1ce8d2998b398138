//! The documents that show what was measured: the README's rows and chart, and the table of the benches.

use std::fs;

use crate::{Row, chart};

/// The operations in the README and its chart, the one where another library is faster among them.
const SHOWN: [&str; 8] = [
    "parse",
    "refuse, last byte bad",
    "refuse, upper case",
    "encode",
    "tracestate, update 3",
    "HeaderMap, extract 3",
    "hop 3",
    "OpenTelemetry API, hop 3",
];

/// Writes the chart, and the figures between the marks of both documents.
pub(crate) fn write(rows: &[Row]) {
    let shown: Vec<&Row> = SHOWN.iter().map(|name| rows.iter().find(|row| row.operation == *name).unwrap()).collect();
    fs::write("chart.svg", chart::draw(&shown)).unwrap();
    replace("../README.md", &table(&shown));
    replace("README.md", &table(&rows.iter().collect::<Vec<_>>()));
}

/// Puts figures into a document, between the line that begins them and the one that ends them.
fn replace(document: &str, figures: &str) {
    const MARKS: [&str; 2] = ["<!-- figures of benches/report -->\n", "<!-- end of figures -->\n"];
    let text = fs::read_to_string(document).unwrap();
    let (before, rest) = text.split_once(MARKS[0]).expect("a mark begins the figures");
    let (_, after) = rest.split_once(MARKS[1]).expect("a mark ends the figures");
    fs::write(document, [before, MARKS[0], "\n", figures, "\n", MARKS[1], after].concat()).unwrap();
}

fn table(rows: &[&Row]) -> String {
    let lines = rows.iter().map(|row| {
        let Row { operation, nanoseconds, instructions, allocations, .. } = row;
        let ratio = |time: f64| format!("{time:.1} ({:.1}x)", time / nanoseconds);
        let sdk = row.sdk.map(ratio).unwrap_or_default();
        let fastest = row.fastest.map(|(library, time)| format!("{library} {}", ratio(time))).unwrap_or_default();
        format!("| {operation} | {nanoseconds:.1} | {instructions:.0} | {allocations} | {sdk} | {fastest} |\n")
    });
    "| operation | ns | instructions | allocations | opentelemetry_sdk | fastest other |\n|---|---:|---:|---:|---:|---:|\n"
        .to_owned()
        + &lines.collect::<String>()
}
