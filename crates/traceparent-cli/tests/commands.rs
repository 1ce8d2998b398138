//! Recorded sessions: the README's, and one for each command in `tests/commands`.

#[test]
fn sessions_are_as_recorded() {
    trycmd::TestCases::new().case("README.md").case("tests/commands/*.trycmd");
}
