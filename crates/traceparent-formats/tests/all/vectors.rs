//! Every line of the vectors.

use crate::common::vectors::{Vector, read, values, verdict};

/// F 1, 6-8, 13-16, 18-20, 23-26, 29-33, 35-37, 39, 40, 42, 43, 45.
#[test]
fn every_vector_has_its_verdict() {
    let wrong: Vec<_> = read()
        .filter_map(|vector| {
            let answer = verdict(vector.format, &vector.format.read(|name| values(&vector.fields, name)));
            let Vector { line, format, verdict, why, .. } = vector;
            (answer != verdict).then(|| format!("line {line}, {format}: {answer} instead of {verdict} ({why})"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
