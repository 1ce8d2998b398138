//! Recorded sessions: the README's, and those of each command in `tests/commands`.
#![cfg(feature = "otlp")]
#![allow(clippy::unwrap_used)]

use std::{
    io::Write,
    process::{Command, Stdio},
};

const COMMANDS: [&str; 8] = ["explain", "check", "new", "child", "convert", "sample", "response", "exec"];

fn stdout(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_traceparent")).args(arguments).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn sessions_are_as_recorded() {
    trycmd::TestCases::new().case("tests/commands/*.trycmd");
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = stdout(&["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "{command} for {shell}");
        }
        let json: serde_json::Value = serde_json::from_str(&stdout(&["completions", shell, "--json"])).unwrap();
        assert_eq!(json["text"], script.as_str());
    }
}

#[test]
fn the_man_page_has_a_section_for_every_command() {
    let page = stdout(&["man"]);
    assert!(page.contains(".TH traceparent 1"), "{page}");
    for command in COMMANDS {
        assert!(page.contains(&format!(".SH \"TRACEPARENT {}\"\n", command.to_uppercase())), "{command}");
    }
    let json: serde_json::Value = serde_json::from_str(&stdout(&["man", "--json"])).unwrap();
    assert_eq!(json["text"], page.as_str());
}

#[test]
fn headers_are_read_from_standard_input() {
    let text = "> GET / HTTP/1.1\r\n> Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n>\r\n";
    let mut command = Command::new(env!("CARGO_BIN_EXE_traceparent"));
    let mut child = command.arg("explain").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("traceparent: 00-4bf92f35"));
}
