//! The command `exec` around real commands, with a collector and without one.
#![cfg(all(unix, feature = "otlp"))]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Output, Stdio},
    sync::Arc,
    thread,
};

use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span};
use prost::Message;
use traceparent::{SpanId, TraceId};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn exec(options: &[&str], command: &[&str]) -> Command {
    let mut exec = Command::new(env!("CARGO_BIN_EXE_traceparent"));
    exec.arg("exec").args(options).arg("--").args(command);
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy().to_ascii_uppercase();
        if ["TRACE", "OTEL_"].iter().any(|start| name_text.starts_with(start)) || name_text.ends_with("_PROXY") {
            exec.env_remove(name);
        }
    }
    exec
}

fn stdout(output: &Output) -> Vec<&str> {
    std::str::from_utf8(&output.stdout).unwrap().lines().collect()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A collector that takes one request and answers with a status line. Returns its URL and, in the end, the span.
fn collector(status: &'static str) -> (String, thread::JoinHandle<Span>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let collector = thread::spawn(move || serve(listener.accept().unwrap().0, status).1);
    (url, collector)
}

/// Takes a request and answers it. Returns its head and the span.
fn serve(mut stream: impl Read + Write, status: &str) -> (String, Span) {
    let (head, body) = request(&mut stream);
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
    stream.flush().unwrap();
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("\r\ncontent-type: application/x-protobuf\r\n"), "{head}");
    let mut request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    (head, request.resource_spans.remove(0).scope_spans.remove(0).spans.remove(0))
}

fn request(stream: &mut impl Read) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    let length = head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap()];
    reader.read_exact(&mut body).unwrap();
    (head, body)
}

#[test]
fn the_trace_of_the_environment_goes_on_in_the_command() {
    let script = "echo \"$TRACEPARENT\"; echo \"$TRACESTATE\"; echo \"$1\"";
    let mut exec = exec(&[], &["sh", "-c", script, "sh", "a={{traceparent}}; {{tracestate}}"]);
    let output = exec.env("TRACEPARENT", TRACEPARENT).env("TRACESTATE", "rojo=1").output().unwrap();
    let lines = stdout(&output);
    let &[traceparent, tracestate, argument] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(traceparent.starts_with(&TRACEPARENT[..36]) && traceparent.ends_with("-01"), "{traceparent}");
    assert_ne!(traceparent, TRACEPARENT);
    assert_eq!(tracestate, "rojo=1");
    assert_eq!(argument, format!("a={traceparent}; rojo=1"));
}

#[test]
fn without_a_valid_trace_a_new_one_starts() {
    let script = &["sh", "-c", "echo \"$TRACEPARENT\"; echo \"${TRACESTATE-unset}\""];
    for (value, told) in [(None, ""), (Some(""), ""), (Some("00-1"), "too short")] {
        let mut exec = exec(&["--percent", "0"], script);
        exec.env("TRACESTATE", "rojo=1");
        if let Some(value) = value {
            exec.env("TRACEPARENT", value);
        }
        let output = exec.output().unwrap();
        let lines = stdout(&output);
        assert!(lines[0].len() == 55 && lines[0].ends_with("-02"), "{lines:?}");
        assert_eq!(lines[1], "unset");
        assert!(if told.is_empty() { stderr(&output).is_empty() } else { stderr(&output).contains(told) });
    }
}

#[test]
fn the_exit_code_is_the_commands() {
    let (url, collector) = collector("200 OK");
    for options in [vec![], vec!["--otlp", &url]] {
        assert_eq!(exec(&options, &["sh", "-c", "exit 3"]).status().unwrap().code(), Some(3), "{options:?}");
    }
    assert_eq!(collector.join().unwrap().name, "sh");
    assert_eq!(exec(&[], &["/no/such/command"]).output().unwrap().status.code(), Some(127));
    assert_eq!(exec(&["--json"], &["/no/such/command"]).output().unwrap().status.code(), Some(127));
    assert_eq!(exec(&[], &["/"]).output().unwrap().status.code(), Some(126));
}

#[test]
fn the_signal_that_ends_the_command_ends_exec() {
    let (url, collector) = collector("200 OK");
    for options in [vec![], vec!["--otlp", &url]] {
        let status = exec(&options, &["sh", "-c", "kill -TERM $$"]).status().unwrap();
        assert_eq!(status.signal(), Some(15), "{options:?}");
    }
    let span = collector.join().unwrap();
    assert_eq!(span.status.unwrap().message, "the command has ended with SIGTERM");
}

#[test]
fn a_signal_reaches_the_command() {
    let (url, collector) = collector("200 OK");
    for options in [vec![], vec!["--otlp", &url]] {
        let script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done";
        let mut child = exec(&options, &["sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(7), "{options:?}");
    }
    collector.join().unwrap();
}

#[test]
fn the_span_is_the_commands_own() {
    let (url, collector) = collector("202 Accepted");
    let mut exec = exec(&["--otlp", &url, "--name", "build"], &["sh", "-c", "echo $TRACEPARENT"]);
    let output = exec.env("TRACEPARENT", TRACEPARENT).output().unwrap();
    assert!(stderr(&output).is_empty(), "{}", stderr(&output));
    let span = collector.join().unwrap();
    let trace_id = TraceId::from_bytes(span.trace_id.try_into().unwrap()).unwrap();
    let [span_id, parent_id] =
        [span.span_id, span.parent_span_id].map(|id| SpanId::from_bytes(id.try_into().unwrap()).unwrap());
    assert_eq!(stdout(&output), [format!("00-{trace_id}-{span_id}-01")]);
    assert_eq!((parent_id.to_string().as_str(), span.name.as_str()), ("00f067aa0ba902b7", "build"));
    assert!(span.start_time_unix_nano > 0 && span.start_time_unix_nano <= span.end_time_unix_nano);
}

#[test]
fn a_trace_that_is_not_sampled_has_no_span() {
    // The collector would refuse to end without a request.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let output = exec(&["--otlp", &url, "--percent", "0"], &["true"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_collector_that_fails_does_not_fail_the_command() {
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (busy, collector) = collector("503 Service Unavailable");
    for (url, told) in [
        (format!("http://{away}"), "the span is lost: "),
        (format!("http://{}", silent.local_addr().unwrap()), "the collector does not answer"),
        (busy, "the collector answers with status 503"),
    ] {
        let output = exec(&["--otlp", &url], &["sh", "-c", "echo done; exit 5"]).output().unwrap();
        assert_eq!((output.status.code(), stdout(&output)), (Some(5), vec!["done"]), "{url}");
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
    }
    collector.join().unwrap();
}

#[test]
fn a_collector_has_tls_if_its_certificate_is_trusted() {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(issued.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("collector.pem");
    fs::write(&file, issued.cert.pem()).unwrap();
    let collector = thread::spawn(move || {
        let tls = || rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        // Of the first one, the certificate is not trusted.
        let mut stream = listener.accept().unwrap().0;
        assert!(tls().complete_io(&mut stream).is_err());
        serve(rustls::StreamOwned::new(tls(), listener.accept().unwrap().0), "200 OK")
    });
    let output = exec(&["--otlp", &url], &["true"]).output().unwrap();
    assert!(output.status.success() && stderr(&output).contains("invalid peer certificate"), "{}", stderr(&output));
    let mut exec = exec(&["--otlp", &url], &["true"]);
    exec.env("OTEL_EXPORTER_OTLP_CERTIFICATE", &file).env("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b");
    let output = exec.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
    let (head, span) = collector.join().unwrap();
    assert!(head.contains("\r\napi-key: a b\r\n"), "{head}");
    assert_eq!(span.name, "true");
}

#[test]
fn json_is_for_standard_error() {
    let output = exec(&["--json"], &["sh", "-c", "echo own; exit 4"]).output().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(4), vec!["own"]));
    let json: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(json["exit_code"], 4);
    assert_eq!(json["program"], "sh");
    assert_eq!(json["trace_id"].as_str().unwrap().len(), 32);
    assert!(json["seconds"].as_f64().unwrap() >= 0.0);
}
