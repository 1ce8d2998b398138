use std::net::TcpListener;

use crate::support::refused;

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

#[test]
fn bad_upstreams_are_told_with_a_way_out() {
    let cases = [
        ("127.0.0.1:8080", "not a URL; write it in full, such as http://127.0.0.1:8080"),
        ("https://127.0.0.1", "only http:// is supported"),
        ("ftp://127.0.0.1", "only http:// is supported"),
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
    let cases: [(&[&str], &str); 5] = [
        (&[], "Usage: traceparent-gateway <COMMAND>"),
        (&["run"], "--upstream <URL>"),
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
