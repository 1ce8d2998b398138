//! Handshakes of clients that fail, or never end: they are counted by reason, told without a byte of the client, and hold up
//! no other client.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use rcgen::ExtendedKeyUsagePurpose;
use rustls::{
    ClientConfig, ClientConnection,
    crypto::{CryptoProvider, ring},
    version::TLS12,
};

use crate::{
    listeners_tls::Scene,
    support::{Authority, ClientTls, Gateway, Pair, TlsConnection, late, send},
};

const FAILURES: &str = "traceparent_gateway_tls_handshake_failures_total{reason=\"";

/// The samples of the metrics whose names begin so: the rest of the name, and the number.
fn metrics(admin: SocketAddr, beginning: &str) -> Vec<(String, u64)> {
    let metrics = send(admin, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").body;
    let samples = metrics.lines().filter_map(|line| line.strip_prefix(beginning)?.rsplit_once(' '));
    samples.map(|(name, number)| (name.trim_end_matches("\"}").to_owned(), number.parse().unwrap())).collect()
}

fn metric(admin: SocketAddr, name: &str) -> u64 {
    match &metrics(admin, &format!("traceparent_gateway_{name}"))[..] {
        [(_, number)] => *number,
        samples => panic!("{name}: {samples:?}"),
    }
}

/// Waits until a number is the expected one; a test that hangs is better told than waited for.
#[track_caller]
fn eventually(expected: u64, number: impl Fn() -> u64) {
    let mut looks = (0..6000).map(|_| {
        thread::sleep(Duration::from_millis(10));
        number()
    });
    assert!(looks.any(|number| number == expected), "{} is not {expected}", number());
}

/// The first flight of a client.
fn hello(config: Arc<ClientConfig>) -> Vec<u8> {
    let mut session = ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    hello
}

/// Sends these bytes, and reads all that comes.
fn send_raw(address: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn every_failed_handshake_has_a_reason() {
    let (scene, clients) = (Scene::new(), Authority::new("clients"));
    let ca = scene.folder.write("clients.pem", &clients.certificate.pem());
    let text = scene.text(&format!(", client_ca: {ca}"), "") + "admin: {address: '127.0.0.1:0'}\n";
    let mut gateway = Gateway::configured(&text, &[]);
    let (address, admin) = (gateway.address, gateway.admin());
    let with = |pair: Pair| ClientTls { pair: Some(Arc::new(pair)), ..scene.client() };
    let open = |client: &ClientTls| {
        let _ = TlsConnection::open(address, client).and_then(|mut connection| connection.get());
    };
    let of_servers =
        clients.sign(&["localhost"], |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let of_servers = Arc::new(of_servers);
    let distrustful = ClientTls { roots: Authority::new("others").roots(), ..with(clients.client("orders")) };
    let foreign = ClientTls { protocols: &["smtp"], ..with(clients.client("orders")) };
    // The key of the listener is none for RSA.
    let cipher_suites = vec![ring::cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
    let provider = Arc::new(CryptoProvider { cipher_suites, ..ring::default_provider() });
    let rsa = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS12]).unwrap();
    let rsa = rsa.with_root_certificates(scene.authority.roots()).with_no_client_auth();
    // A hello, and the alert of an internal error.
    let begun = ClientTls { versions: vec![&TLS12], ..scene.client() };
    let broken = [&hello(begun.config())[..], b"\x15\x03\x03\x00\x02\x02\x50"].concat();

    let cases: [(&str, &str, &dyn Fn()); 11] = [
        ("certificate_expired", "the client's certificate has expired", &|| open(&with(clients.expired()))),
        ("certificate_not_yet_valid", "the client's certificate is not valid yet", &|| {
            open(&with(clients.not_yet_valid()));
        }),
        ("certificate_unknown_authority", "the client's certificate is of an authority that is not trusted", &|| {
            open(&with(Authority::new("others").client("orders")));
        }),
        ("certificate_invalid", "the client's certificate is not valid", &|| {
            open(&ClientTls { pair: Some(Arc::clone(&of_servers)), ..scene.client() });
        }),
        ("client_certificate_required", "the client has no certificate", &|| open(&scene.client())),
        ("server_certificate_refused", "the client refuses the server certificate", &|| open(&distrustful)),
        ("tls_incompatible", "the client and the gateway have no TLS version and cipher in common", &|| {
            send_raw(address, &hello(Arc::new(rsa.clone())));
        }),
        ("tls_no_common_protocol", "the client offers none of the listener's HTTP versions over TLS", &|| {
            open(&foreign);
        }),
        ("tls_not_spoken", "the client does not speak TLS at this port", &|| {
            send_raw(address, b"GET /\x1b[2J HTTP/1.1\r\n\r\n");
        }),
        ("tls_closed", "the client closed the connection during the TLS handshake", &|| {
            send_raw(address, b"\x16\x03\x01\x00\xa0\x01");
        }),
        ("tls_broken", "the TLS handshake with the client failed", &|| send_raw(address, &broken)),
    ];
    let mut failed = Vec::new();
    for (reason, told, fail) in cases {
        fail();
        assert_eq!(gateway.told(), format!("no TLS with 127.0.0.1: {told}"));
        failed.push(reason.to_owned());
        for (found, count) in metrics(admin, FAILURES) {
            assert_eq!(count, u64::from(failed.contains(&found)), "{found} after {reason}");
        }
    }
    // A client that leaves without a byte, such as a check of the port, has begun nothing.
    drop(TcpStream::connect(address).unwrap());
    open(&with(clients.client("orders")));
    assert_eq!(metric(admin, "tls_handshakes_total"), 1);
    assert_eq!(metrics(admin, FAILURES).into_iter().map(|(_, count)| count).sum::<u64>(), cases.len() as u64);
    // Further ones are counted, and not told yet.
    open(&scene.client());
    eventually(2, || metric(admin, "tls_handshake_failures_total{reason=\"client_certificate_required\"}"));
    let stopped = gateway.stop();
    assert!(!stopped.stderr.contains("no TLS"), "{}", stopped.stderr);
}

/// Connects clients that say nothing, or not the whole of a hello.
fn crowd(address: SocketAddr, scene: &Scene, size: usize) -> Vec<TcpStream> {
    let hello = hello(scene.client().config());
    let beginnings = [&b""[..], &hello[..1], &hello[..hello.len() / 2]];
    let clients = beginnings.into_iter().cycle().take(size).map(|beginning| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(beginning).unwrap();
        stream
    });
    clients.collect()
}

fn full(scene: &Scene, limits: &str) -> (Gateway, SocketAddr) {
    let text = scene.text("", &format!("limits: {{{limits}}}")) + "admin: {address: '127.0.0.1:0'}\n";
    let mut gateway = Gateway::configured(&text, &[]);
    let admin = gateway.admin();
    (gateway, admin)
}

#[test]
fn a_listener_full_of_handshakes_serves_other_clients() {
    let (upstream, go_on) = late();
    let scene = Scene { upstream, ..Scene::new() };
    for limits in ["connections: 8", "connections: 100, connections_per_address: 8"] {
        let (gateway, admin) = full(&scene, &format!("{limits}, header_timeout: 10min"));
        let mut busy = TlsConnection::open(gateway.address, &scene.client()).unwrap();
        busy.write("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        scene.upstream.head();

        let waiting = crowd(gateway.address, &scene, 24);
        eventually(25, || metric(admin, "connections_total"));
        // One is busy; seven of the others have a place.
        eventually(8, || metric(admin, "connections_open"));
        assert_eq!(metric(admin, "connections_evicted_total"), 17, "{limits}");
        for number in 1..=5 {
            go_on.send(()).unwrap();
            let mut other = TlsConnection::open(gateway.address, &scene.client()).unwrap();
            if number == 1 {
                assert_eq!(busy.try_response().unwrap().body, "late", "a busy connection gives way to none");
                go_on.send(()).unwrap();
            }
            assert_eq!(other.get().unwrap().body, "late");
            scene.upstream.head();
        }
        assert!(metric(admin, "connections_open") <= 8);
        drop(waiting);
    }
}

#[test]
fn the_time_limit_ends_handshakes() {
    let scene = Scene::new();
    let (mut gateway, admin) = full(&scene, "header_timeout: 200ms");
    let waiting = crowd(gateway.address, &scene, 9);
    for mut stream in waiting {
        let mut rest = Vec::new();
        assert!(stream.read_to_end(&mut rest).is_ok_and(|read| read == 0), "{rest:?}");
    }
    eventually(9, || metric(admin, "tls_handshake_failures_total{reason=\"tls_late\"}"));
    eventually(0, || metric(admin, "connections_open"));
    assert_eq!(gateway.told(), "no TLS with 127.0.0.1: the TLS handshake with the client took too long");
}

#[test]
fn a_client_without_a_place_is_told_so_in_tls() {
    let (upstream, go_on) = late();
    let scene = Scene { upstream, ..Scene::new() };
    let (gateway, admin) = full(&scene, "connections: 1");
    let mut busy = TlsConnection::open(gateway.address, &scene.client()).unwrap();
    busy.write("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    scene.upstream.head();
    let error = TlsConnection::open(gateway.address, &scene.client()).err().unwrap();
    assert_eq!(error.to_string(), "received fatal alert: InternalError");
    assert_eq!(metric(admin, "connections_refused_total{limit=\"connections\"}"), 1);
    go_on.send(()).unwrap();
    assert_eq!(busy.try_response().unwrap().body, "late");
}
