//! Recorded sessions: the README's, and those of each command in `tests/commands`.
#![cfg(feature = "otlp")]

#[test]
fn sessions_are_as_recorded() {
    trycmd::TestCases::new().case("tests/commands/*.trycmd");
}
