use std::{fs, net::TcpListener, process::Command};

use crate::support::{Collector, Gateway, Upstream, file, get, ok, refused};

const BINARY: &str = env!("CARGO_BIN_EXE_traceparent-gateway");

#[test]
fn a_port_in_use_is_told_with_a_way_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (code, told) = refused(&["run", "--listen", &address, "--upstream", "http://127.0.0.1:1"]);
    assert_eq!(code, 1);
    assert_eq!(
        told,
        format!(
            "error: cannot listen on {address}: the port is in use; stop the other program, or choose another port with --listen\n"
        )
    );
}

/// The advice names the setting of the address that is in use.
#[test]
fn the_setting_of_a_port_in_use_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let upstream = ["run", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0"];
    let routes = "routes: [{prefix: /, upstream: 'http://127.0.0.1:1'}]";
    let listeners =
        file(&format!("listeners: [{{address: '127.0.0.1:0', {routes}}}, {{address: '{address}', {routes}}}]"));
    let admin = file(&format!("listeners: [{{address: '127.0.0.1:0', {routes}}}]\nadmin: {{address: '{address}'}}"));
    let cases: [(&[&str], &str); 4] = [
        (&["demo", "--serve", "--admin", &address], "--admin"),
        (&[&upstream[..], &["--admin", &address]].concat(), "--admin"),
        (&["run", "--config", listeners.to_str().unwrap()], "listeners[1].address"),
        (&["run", "--config", admin.to_str().unwrap()], "admin.address"),
    ];
    for (args, setting) in cases {
        let output = Command::new(BINARY).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8(output.stderr).unwrap();
        let expected = format!(
            "error: cannot listen on {address}: the port is in use; stop the other program, or choose another port with {setting}\n"
        );
        assert!(told.ends_with(&expected), "{told}");
    }
    for file in [listeners, admin] {
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn run_alone_names_one_thing_to_do() {
    for args in [&["run"][..], &["run", "--listen", "127.0.0.1:0"]] {
        let expected = "error: no service to forward requests to; give its URL: \
                        traceparent-gateway run --upstream http://127.0.0.1:8080\n";
        assert_eq!(refused(args), (2, expected.to_owned()));
    }
}

#[test]
fn the_help_names_the_variables() {
    for args in [&["--help"][..], &["run", "--help"], &["demo", "--help"]] {
        let output = Command::new(BINARY).args(args).output().unwrap();
        assert!(output.status.success());
        let help = String::from_utf8(output.stdout).unwrap();
        for name in ["OTEL_EXPORTER_OTLP_[TRACES_]ENDPOINT", "OTEL_SERVICE_NAME", "OTEL_TRACES_SAMPLER", "OTEL_BSP_"] {
            assert!(help.contains(name), "{name}: {help}");
        }
        for line in help.lines() {
            assert!(line.chars().count() <= 125, "{line}");
        }
    }
}

#[test]
fn spans_go_to_the_collector_of_the_command_line() {
    let (upstream, collector) = (Upstream::start(ok), Collector::http());
    let url = format!("http://{}", collector.address);
    let gateway = Gateway::start(&upstream.url(), &["--otlp", &url]);
    get(gateway.address, &[]);
    let stopped = gateway.stop();
    assert!(
        stopped.stderr.ends_with("stopped: 2 spans exported, 0 dropped; 0 connections cut\n"),
        "{}",
        stopped.stderr
    );
    assert_eq!(stopped.spans.len(), 0);
    assert_eq!(collector.all().len(), 2);
}

#[test]
fn bad_collectors_are_told_with_a_way_out() {
    for command in [&["run", "--upstream", "http://h"][..], &["demo"]] {
        for (url, advice) in [
            ("127.0.0.1:4317", "write it in full, such as http://127.0.0.1:4317"),
            ("ftp://127.0.0.1", "are supported"),
        ] {
            let (code, told) = refused(&[command, &["--otlp", url]].concat());
            assert_eq!(code, 2);
            assert!(told.contains(advice), "{told}");
        }
    }
}

#[test]
fn bad_upstreams_are_told_with_a_way_out() {
    let cases = [
        ("127.0.0.1:8080", "not a URL; write it in full, such as http://127.0.0.1:8080"),
        ("ftp://127.0.0.1", "only http:// and https:// are supported"),
        ("http://me:secret@127.0.0.1", "remove the part before the @"),
        ("http://127.0.0.1/?a", "remove the part from the ? on"),
    ];
    for (upstream, advice) in cases {
        let (code, told) = refused(&["run", "--upstream", upstream]);
        assert_eq!(code, 2);
        assert!(told.contains(advice), "{told}");
    }
}

#[test]
fn bad_percentages_are_told_with_a_way_out() {
    for percent in ["101", "x", "12.", "-1", "0.1234567", ""] {
        let percent = format!("--random-sampling={percent}");
        let (code, told) = refused(&["run", "--upstream", "http://127.0.0.1", &percent]);
        assert_eq!(code, 2);
        assert!(told.contains("give a number from 0 to 100, such as 12.5"), "{told}");
    }
}

#[test]
fn bad_usage_is_told() {
    let cases: [(&[&str], &str); 4] = [
        (&[], "Usage: traceparent-gateway <COMMAND>"),
        (&["run", "--upstream", "http://h", "--trust", "nobody"], "continue, resample, restart, ignore"),
        (
            &["run", "--upstream", "http://h", "--listen", "80"],
            "give an IP address and a port, such as 127.0.0.1:10000",
        ),
        (&["walk"], "unrecognized subcommand"),
    ];
    for (args, advice) in cases {
        let (code, told) = refused(args);
        assert_eq!(code, 2);
        assert!(told.contains(advice), "{told}");
    }
}
