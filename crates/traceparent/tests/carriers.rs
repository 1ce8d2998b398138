//! The environment and comments in SQL.
#![cfg(feature = "std")]
#![allow(clippy::unwrap_used)]

use std::{ffi::OsString, process::Command};

use proptest::prelude::*;
use traceparent::{
    ErrorKind, Incoming, Origin, Outgoing, Policy, RandomIdGenerator, TraceState,
    carrier::{CommandExt, EnvContext, SqlComment},
    sampler::{AlwaysOn, SamplerConfig, TraceIdRatioBased},
};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn environment(variables: &[(&str, &[u8])]) -> EnvContext {
    EnvContext::from_fn(|name| {
        let value = variables.iter().find(|(known, _)| *known == name)?.1;
        Some(OsString::from(String::from_utf8_lossy(value).into_owned()))
    })
}

fn span(incoming: Incoming<'_>) -> Outgoing<'static> {
    Policy::new(AlwaysOn).apply(incoming, &RandomIdGenerator).into_owned()
}

#[test]
fn an_empty_variable_is_not_set() {
    assert_eq!(environment(&[]).incoming(), Incoming::Absent);
    assert_eq!(environment(&[("TRACEPARENT", b"")]).incoming(), Incoming::Absent);
    assert_eq!(environment(&[("TRACEPARENT", b" \t"), ("TRACESTATE", b"a=1")]).incoming(), Incoming::Absent);
    assert_eq!(EnvContext::default().incoming(), Incoming::Absent);
}

#[test]
fn names_are_in_upper_case_and_values_may_have_white_space_around() {
    let traceparent = format!(" {TRACEPARENT}\t");
    let context = environment(&[("TRACEPARENT", traceparent.as_bytes()), ("TRACESTATE", b"a=1")]);
    assert_eq!(context.incoming().context().unwrap().tracestate.as_str(), "a=1");
    assert_eq!(environment(&[("traceparent", TRACEPARENT.as_bytes())]).incoming(), Incoming::Absent);
}

#[test]
fn a_broken_variable_restarts_the_trace() {
    let context = environment(&[("TRACEPARENT", b"00-\xff"), ("TRACESTATE", b"a=1")]);
    assert!(context.incoming().error().is_some());
    let span = span(context.incoming());
    assert_eq!((span.origin(), span.tracestate().to_string()), (Origin::Restarted, String::new()));

    let context = environment(&[("TRACEPARENT", TRACEPARENT.as_bytes()), ("TRACESTATE", b"A=1")]);
    let incoming = context.incoming();
    assert!(incoming.context().is_some_and(|context| context.tracestate.is_empty()));
    assert_eq!(incoming.error().unwrap().kind(), ErrorKind::UpperCase);
}

#[test]
fn a_child_process_gets_the_names_and_no_stale_list() {
    let variables = |span: &Outgoing<'_>| {
        let mut command = Command::new("child");
        command.env("TRACESTATE", "stale=1").trace_context(span);
        let variables = command.get_envs();
        let text = |value: &std::ffi::OsStr| value.to_str().unwrap().to_owned();
        variables.map(|(name, value)| (text(name), value.map(text))).collect::<Vec<_>>()
    };
    let started = span(Incoming::Absent);
    let traceparent = Some(started.traceparent().to_string());
    assert_eq!(variables(&started), [("TRACEPARENT".into(), traceparent), ("TRACESTATE".into(), None)]);

    let continued = span(Incoming::from_fields([TRACEPARENT], ["a=1"]));
    assert_eq!(variables(&continued)[1], ("TRACESTATE".into(), Some("a=1".into())));
}

#[cfg(unix)]
#[test]
fn a_real_child_reads_what_its_parent_wrote() {
    let span = span(Incoming::from_fields([TRACEPARENT], ["a=1,b=2"]));
    let output = Command::new("env").trace_context(&span).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let read = EnvContext::from_fn(|name| {
        output.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(OsString::from)
    });
    let incoming = read.incoming();
    let context = incoming.context().unwrap();
    assert_eq!((context.traceparent, context.tracestate.as_str()), (span.traceparent(), "a=1,b=2"));
}

fn commented(list: &str, statement: &str) -> String {
    let span = span(Incoming::from_fields([TRACEPARENT], [list]));
    SqlComment::new(&span).append_to(statement).to_string()
}

#[test]
fn a_statement_with_a_comment_stays_as_it_is() {
    for statement in [
        "SELECT 1 /* one */",
        "SELECT 1 -- one",
        "-- one\nSELECT 1",
        "SELECT '--'",
        "SELECT 1 /* open",
        "/*+ hint */ SELECT 1;",
        "",
        " \n",
    ] {
        assert_eq!(commented("a=1", statement), statement);
    }
}

#[test]
fn the_comment_stands_at_the_end_before_the_semicolon() {
    let without_list = |statement| {
        let sql = commented("", statement);
        let (before, comment) = sql.split_once("/*traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-").unwrap();
        (before.to_owned(), comment[16..].to_owned())
    };
    assert_eq!(without_list("SELECT 1"), ("SELECT 1 ".into(), "-01'*/".into()));
    assert_eq!(without_list("SELECT 1 ;\n"), ("SELECT 1 ".into(), "-01'*/;".into()));
}

#[test]
fn letters_digits_and_four_marks_stand_for_themselves() {
    let sql = commented("a=Zz09-._~*/", "SELECT 1");
    assert!(sql.ends_with(",tracestate='a%3DZz09-._~%2A%2F'*/"), "{sql}");
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'%' => {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
                rest = &after[2..];
            }
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

proptest! {
    #[test]
    fn nothing_in_a_list_ends_the_comment(value in "[ -+\\--<>-~]{0,40}[!-+\\--<>-~]") {
        let list = format!("a={value}");
        prop_assume!(TraceState::parse(list.as_bytes()).is_ok());
        let sql = commented(&list, "SELECT 1");
        prop_assert_eq!((sql.matches("/*").count(), sql.matches("*/").count(), sql.ends_with("'*/")), (1, 1, true));
        prop_assert_eq!(sql.matches('\'').count(), 4);
        let (_, encoded) = sql.split_once("tracestate='").unwrap();
        prop_assert_eq!(decoded(encoded.strip_suffix("'*/").unwrap()), list);
    }
}

/// Runs itself with the variables set, since a process cannot set its own safely.
#[test]
fn a_sampler_is_read_from_the_environment() {
    const SELF: &str = "a_sampler_is_read_from_the_environment";
    if std::env::var_os("OTEL_TRACES_SAMPLER_ARG").is_some_and(|arg| arg == "child") {
        let error = SamplerConfig::from_env().unwrap_err();
        assert_eq!(error.sampler(), SamplerConfig::TraceIdRatio(TraceIdRatioBased::new(1.0)));
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([SELF, "--exact"]).env("OTEL_TRACES_SAMPLER", "TraceIdRatio").env("OTEL_TRACES_SAMPLER_ARG", "child");
    let output = child.output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[test]
fn the_context_of_the_process_is_read() {
    const SELF: &str = "the_context_of_the_process_is_read";
    if std::env::var_os("TRACESTATE").is_some_and(|list| list == "test=child") {
        let environment = EnvContext::of_process();
        let incoming = environment.incoming();
        let context = incoming.context().unwrap();
        assert_eq!((&*context.traceparent.to_string(), context.tracestate.as_str()), (TRACEPARENT, "test=child"));
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([SELF, "--exact"]).env("TRACEPARENT", TRACEPARENT).env("TRACESTATE", "test=child");
    let output = child.output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}
