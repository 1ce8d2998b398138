//! Collectors over TLS: spans arrive, or are dropped and said to be, and nothing goes to them in the clear.

use std::{net::SocketAddr, sync::atomic::Ordering::Relaxed};

use crate::support::{
    Authority, Collector, Folder, Gateway, Pair, ServerTls, Upstream, get, ok, refused, tls_in_front_of,
};

const PROTOCOLS: [&str; 2] = ["grpc", "http/protobuf"];

fn collector(protocol: &str) -> Collector {
    if protocol == "grpc" { Collector::grpc() } else { Collector::http() }
}

/// A server with this certificate for a protocol, which is the only one that it offers.
fn server(protocol: &str, pair: Pair) -> ServerTls<'static> {
    let protocols: &[&str] = if protocol == "grpc" { &["h2"] } else { &["http/1.1"] };
    ServerTls { protocols, ..ServerTls::new(pair) }
}

fn text(upstream: &Upstream, otlp: &str) -> String {
    format!(
        "listeners:\n  - address: 127.0.0.1:0\n    routes:\n      - prefix: /\n        upstream: {}\n{otlp}",
        upstream.url()
    )
}

fn otlp(protocol: &str, address: SocketAddr, tls: &str) -> String {
    let port = address.port();
    format!("tracing:\n  otlp: {{endpoint: 'https://localhost:{port}', protocol: {protocol}, tls: {tls}}}\n")
}

#[test]
fn spans_arrive_over_both_protocols() {
    let (folder, authority, upstream) = (Folder::new(), Authority::new("shop"), Upstream::start(ok));
    let ca = folder.write("ca.pem", &authority.certificate.pem());
    for protocol in PROTOCOLS {
        let collector = collector(protocol);
        let (address, connections) = tls_in_front_of(&server(protocol, authority.server()), collector.address);
        let text = text(&upstream, &otlp(protocol, address, &format!("{{ca: {ca}}}")));
        let gateway = Gateway::configured(&text, &[]);
        assert_eq!(get(gateway.address, &[]).status, 200);
        let stopped = gateway.stop();
        assert!(stopped.stderr.contains("stopped: 2 spans exported, 0 dropped"), "{}", stopped.stderr);
        assert_eq!((collector.all().len(), connections.load(Relaxed)), (2, 1), "{protocol}");
    }
}

#[test]
fn the_environment_names_files_and_a_client_certificate() {
    let (folder, authority, upstream) = (Folder::new(), Authority::new("shop"), Upstream::start(ok));
    let ca = folder.write("ca.pem", &authority.certificate.pem());
    folder.write_pair("client", &authority.client("gateway"));
    for protocol in PROTOCOLS {
        let collector = collector(protocol);
        let tls = server(protocol, authority.server()).for_clients_of(&authority);
        let (address, _) = tls_in_front_of(&tls, collector.address);
        let endpoint = format!("localhost:{}", address.port());
        let gateway = Gateway::start_in(
            &upstream.url(),
            &[],
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
                ("OTEL_EXPORTER_OTLP_INSECURE", "false"),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                ("OTEL_EXPORTER_OTLP_CERTIFICATE", &ca),
                ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", &folder.path("client.pem")),
                ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &folder.path("client.key")),
            ],
        );
        assert_eq!(get(gateway.address, &[]).status, 200);
        let stopped = gateway.stop();
        assert!(stopped.stderr.contains("stopped: 2 spans exported, 0 dropped"), "{}", stopped.stderr);
        assert_eq!(collector.all().len(), 2, "{protocol}");
    }
}

#[test]
fn a_collector_that_proves_nothing_gets_nothing() {
    let (folder, authority, upstream) = (Folder::new(), Authority::new("shop"), Upstream::start(ok));
    let ca = folder.write("ca.pem", &authority.certificate.pem());
    let named = |authority: &Authority| authority.sign(&["other.example"], |_| {});
    for protocol in PROTOCOLS {
        for (pair, told) in [
            (authority.expired(), "the collector's certificate has expired"),
            (named(&authority), "the collector's certificate is for another name"),
            (Authority::new("other").server(), "the collector's certificate is of an authority that is not trusted"),
        ] {
            let collector = collector(protocol);
            let (address, connections) = tls_in_front_of(&server(protocol, pair), collector.address);
            let text = text(&upstream, &otlp(protocol, address, &format!("{{ca: {ca}}}")));
            let gateway = Gateway::configured(&text, &[]);
            assert_eq!(get(gateway.address, &[]).status, 200);
            let stopped = gateway.stop();
            assert!(stopped.stderr.contains(told), "{protocol}: {}", stopped.stderr);
            assert!(stopped.stderr.contains("stopped: 0 spans exported, 2 dropped"), "{}", stopped.stderr);
            assert_eq!((collector.all().len(), connections.load(Relaxed)), (0, 0));
        }
        // A collector in the clear at the port of a URL with https.
        let collector = collector(protocol);
        let text = text(&upstream, &otlp(protocol, collector.address, &format!("{{ca: {ca}}}")));
        let gateway = Gateway::configured(&text, &[]);
        assert_eq!(get(gateway.address, &[]).status, 200);
        let stopped = gateway.stop();
        assert!(stopped.stderr.contains("stopped: 0 spans exported, 2 dropped"), "{}", stopped.stderr);
        assert!(collector.all().is_empty(), "{protocol}");
    }
}

/// Spans are exported at once.
const AT_ONCE: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "20");

#[test]
fn files_that_cannot_be_used_stop_no_request() {
    let (folder, authority, upstream) = (Folder::new(), Authority::new("shop"), Upstream::start(ok));
    for protocol in PROTOCOLS {
        let collector = collector(protocol);
        let (address, connections) = tls_in_front_of(&server(protocol, authority.server()), collector.address);
        let ca = folder.path(&format!("{}.pem", address.port()));
        let text = text(&upstream, &otlp(protocol, address, &format!("{{ca: {ca}}}")));
        let (told, mut gateway) = Gateway::configured_told(&text, &[AT_ONCE]);
        let absent = format!("{ca}: cannot be read: No such file or directory (os error 2)");
        assert_eq!(told, [format!("cannot set up TLS to the collector, dropping spans: {absent}")]);
        assert_eq!(get(gateway.address, &[]).status, 200);
        assert_eq!(gateway.told(), "export failed, dropping spans: there is no TLS to the collector");
        assert_eq!(connections.load(Relaxed), 0);
        // Still not there.
        let told = gateway.reload(&text);
        assert_eq!(
            told,
            format!("cannot set up TLS to the collector, dropping spans: {absent}\nconfiguration reloaded")
        );

        // Not whole yet, which is noticed without a signal.
        std::fs::write(&ca, "").unwrap();
        let told = format!("cannot set up TLS to the collector, dropping spans: {ca}: no certificate in PEM form");
        assert_eq!(gateway.told(), told);
        assert_eq!(gateway.told(), "certificates and keys reloaded, except for those to the collector");

        std::fs::write(&ca, authority.certificate.pem()).unwrap();
        assert_eq!(gateway.told(), "certificates and keys reloaded");
        assert_eq!(get(gateway.address, &[]).status, 200);
        assert_eq!(gateway.told(), "export recovered");
        let stopped = gateway.stop();
        assert!(stopped.stderr.contains("stopped: 2 spans exported, 2 dropped"), "{}", stopped.stderr);
        assert_eq!(collector.all().len(), 2, "{protocol}");
    }
}

#[test]
fn certificates_are_read_again() {
    let (folder, authority, upstream) = (Folder::new(), Authority::new("shop"), Upstream::start(ok));
    let ca = folder.write("ca.pem", &authority.certificate.pem());
    let renew = |authority: &Authority| folder.write_pair("client", &authority.client("gateway"));
    let (certificate, key) = (folder.path("client.pem"), folder.path("client.key"));
    for protocol in PROTOCOLS {
        let collector = collector(protocol);
        let tls = server(protocol, authority.server()).for_clients_of(&authority);
        let (address, connections) = tls_in_front_of(&tls, collector.address);
        renew(&Authority::new("others"));
        let keys = format!("{{ca: {ca}, certificate: {certificate}, key: {key}}}");
        let text = text(&upstream, &otlp(protocol, address, &keys));
        let mut gateway = Gateway::configured(&text, &[AT_ONCE, ("OTEL_BSP_EXPORT_TIMEOUT", "1000")]);
        let served = |gateway: &Gateway| assert_eq!(get(gateway.address, &[]).status, 200);
        served(&gateway);
        assert!(gateway.told().starts_with("export failed, dropping spans: "));

        renew(&authority);
        assert_eq!(gateway.reload(&text), "configuration reloaded");
        served(&gateway);
        assert_eq!(gateway.told(), "export recovered");
        assert_eq!((collector.received().1.len(), connections.load(Relaxed)), (2, 1), "{protocol}");

        // Another certificate is for another connection.
        renew(&authority);
        assert_eq!(gateway.reload(&text), "configuration reloaded");
        served(&gateway);
        assert_eq!((collector.received().1.len(), connections.load(Relaxed)), (2, 2), "{protocol}");

        // One that cannot be used changes nothing.
        folder.write("client.key", "");
        let told = format!(
            "cannot set up TLS to the collector, keeping the current certificates and keys: {key}: no private key without a \
             password in PEM form"
        );
        assert_eq!(gateway.reload(&text), format!("{told}\nconfiguration reloaded"));
        served(&gateway);
        assert_eq!((collector.received().1.len(), connections.load(Relaxed)), (2, 2), "{protocol}");
        let stopped = gateway.stop();
        assert!(stopped.stderr.contains("stopped: 6 spans exported, 2 dropped"), "{}", stopped.stderr);
    }
}

#[test]
fn keys_are_printed_nowhere() {
    let (folder, upstream) = (Folder::new(), Upstream::start(ok));
    let secret = "c2VjcmV0";
    let absent = folder.path("absent.pem");
    let otlp = |ca: &str| {
        format!(
            "tracing:\n  otlp: {{endpoint: 'https://localhost:1', headers: {{x-api-key: {secret}}}, tls: {{{ca}}}}}\n"
        )
    };
    let wrong = folder.write("wrong.yaml", &text(&upstream, &otlp(&format!("ca: {absent}"))));
    let (code, told) = refused(&["run", "--config", &wrong, "--check"]);
    let expected = "error: cannot set up TLS to the collector: ";
    assert_eq!((code, told.strip_prefix(expected).is_some(), told.contains(secret)), (1, true, false), "{told}");
    let bad = folder.write("bad.yaml", &text(&upstream, &otlp("").replace(secret, &format!("\"{secret}\\n\""))));
    let (code, told) = refused(&["run", "--config", &bad, "--check"]);
    assert_eq!((code, told.contains("not a header value"), told.contains(secret)), (1, true, false), "{told}");

    let environment = [("OTEL_EXPORTER_OTLP_HEADERS", "x-other=b3RoZXI")];
    let gateway = Gateway::configured(&text(&upstream, &otlp("")), &environment);
    assert_eq!(get(gateway.address, &[]).status, 200);
    let stopped = gateway.stop();
    assert!(stopped.stderr.contains("export failed"), "{}", stopped.stderr);
    for secret in [secret, "b3RoZXI"] {
        assert!(!stopped.stderr.contains(secret), "{}", stopped.stderr);
    }
}
