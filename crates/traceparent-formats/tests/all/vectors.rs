//! Every line of the vectors (F 1-8, 13-46).

use crate::common::vectors::{read, values, verdict};

#[test]
fn every_vector_has_its_verdict() {
    let mut wrong = String::new();
    for vector in read() {
        let answer = verdict(vector.format, &vector.format.read(|name| values(&vector.fields, name)));
        if answer != vector.verdict {
            wrong += &format!(
                "line {}, {}: {answer} instead of {} ({})\n",
                vector.line, vector.format, vector.verdict, vector.why
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
