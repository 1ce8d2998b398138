//! Upstreams over TLS: which protocol is spoken, and what becomes of requests when the handshake fails.

use std::{net::SocketAddr, sync::atomic::Ordering::Relaxed, thread};

use hyper::Version;
use rcgen::ExtendedKeyUsagePurpose;
use rustls::version::{TLS12, TLS13};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::spawn_blocking,
};

use crate::support::{
    Authority, Connection, Folder, Gateway, Pair, Response, ServerTls, TlsUpstream, get, refused, send, server_and_call,
};

/// The URL of an upstream by a name that has several addresses on some systems.
fn route(address: SocketAddr, keys: &str) -> String {
    let port = address.port();
    format!(
        "listeners:\n  - address: 127.0.0.1:0\n    routes:\n      - prefix: /\n        upstream: \
         https://localhost:{port}\n        {keys}\n"
    )
}

/// What became of one request.
struct Outcome {
    response: Response,
    call: Value,
    /// The kind of failure, out of the metrics.
    kind: Option<String>,
}

impl Outcome {
    #[track_caller]
    fn assert_failed(&self, status: u16, kind: &str, told: &str) {
        assert_eq!((self.response.status, self.kind.as_deref()), (status, Some(kind)), "{}", self.call);
        assert_eq!(self.call["error"], told);
    }
}

/// Sends one request through a gateway with these keys for its route.
async fn call(address: SocketAddr, keys: &str) -> Outcome {
    let text = route(address, keys) + "admin: {address: '127.0.0.1:0'}\n";
    spawn_blocking(move || {
        let mut gateway = Gateway::configured(&text, &[]);
        let response = get(gateway.address, &[]);
        let metrics = send(gateway.admin(), "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").body;
        let kinds = metrics.lines().filter_map(|line| line.strip_prefix("traceparent_gateway_failures_total{kind=\""));
        let kind = kinds.map(|line| line.strip_suffix("\"} 1").unwrap().to_owned()).next();
        Outcome { response, call: server_and_call(&gateway.spans()).1.unwrap(), kind }
    })
    .await
    .unwrap()
}

/// Signs a certificate.
type Sign = fn(&Authority) -> Pair;

/// The certificate of an authority for `ca`, and the authority.
fn trusted(folder: &Folder) -> (Authority, String) {
    let authority = Authority::new("shop");
    let ca = folder.write("ca.pem", &authority.certificate.pem());
    (authority, format!("tls: {{ca: {ca}}}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_chooses_the_protocol() {
    let folder = Folder::new();
    let (authority, ca) = trusted(&folder);
    for (protocols, http2, version) in [
        (&["h2", "http/1.1"][..], "auto", Version::HTTP_2),
        (&["http/1.1"], "auto", Version::HTTP_11),
        (&[], "auto", Version::HTTP_11),
        (&["h2", "http/1.1"], "false", Version::HTTP_11),
        (&["h2", "http/1.1"], "true", Version::HTTP_2),
    ] {
        let tls = ServerTls { protocols, ..ServerTls::new(authority.server()) };
        let mut upstream = TlsUpstream::start(tls).await;
        let Outcome { response, call, .. } = call(upstream.address, &format!("{ca}\n        http2: {http2}")).await;
        assert_eq!((response.status, response.body.as_str()), (200, "ok"), "{protocols:?}, http2: {http2}");
        let request = upstream.received.recv().await.unwrap();
        assert_eq!(request.version(), version, "{protocols:?}, http2: {http2}");
        assert_eq!(call["attributes"]["url.full"], format!("https://localhost:{}/", upstream.address.port()));
        let number = if version == Version::HTTP_2 { "2" } else { "1.1" };
        assert_eq!(call["attributes"]["network.protocol.version"], number);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_tls_are_spoken() {
    let folder = Folder::new();
    let (authority, ca) = trusted(&folder);
    for version in [&TLS12, &TLS13] {
        let tls = ServerTls { versions: vec![version], ..ServerTls::new(authority.server()) };
        let upstream = TlsUpstream::start(tls).await;
        assert_eq!(call(upstream.address, &ca).await.response.status, 200, "{version:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_prove_nothing_are_failures_of_their_own() {
    let folder = Folder::new();
    let (authority, ca) = trusted(&folder);
    let other = |_: &Authority| Authority::new("shop").server();
    let of_clients = |authority: &Authority| {
        authority.sign(&["localhost"], |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])
    };
    let named = |authority: &Authority| authority.sign(&["other.example"], |_| {});
    let cases: [(Sign, _, _); 5] = [
        (Authority::expired, "expired", "the upstream's certificate has expired"),
        (Authority::not_yet_valid, "not_yet_valid", "the upstream's certificate is not valid yet"),
        (named, "wrong_name", "the upstream's certificate is for another name"),
        (other, "unknown_authority", "the upstream's certificate is of an authority that is not trusted"),
        (of_clients, "invalid", "the upstream's certificate is not valid"),
    ];
    for (sign, kind, told) in cases {
        for version in [&TLS12, &TLS13] {
            let tls = ServerTls { versions: vec![version], ..ServerTls::new(sign(&authority)) };
            let mut upstream = TlsUpstream::start(tls).await;
            let outcome = call(upstream.address, &ca).await;
            outcome.assert_failed(502, &format!("upstream_certificate_{kind}"), told);
            assert_eq!(outcome.response.body, "The service behind this gateway cannot prove who it is.\n");
            assert!(upstream.received.try_recv().is_err(), "nothing is sent");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authorities_of_the_system_do_not_know_ours() {
    let upstream = TlsUpstream::start(ServerTls::new(Authority::new("shop").server())).await;
    let outcome = call(upstream.address, "").await;
    let told = "the upstream's certificate is of an authority that is not trusted";
    outcome.assert_failed(502, "upstream_certificate_unknown_authority", told);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_can_be_asked_for() {
    let folder = Folder::new();
    let (authority, ca) = trusted(&folder);
    let pair = authority.sign(&["api.internal"], |_| {});
    let upstream = TlsUpstream::start(ServerTls::new(pair)).await;
    let keys = ca.replace('}', ", server_name: api.internal}");
    assert_eq!(call(upstream.address, &keys).await.response.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_prove_who_they_are() {
    let folder = Folder::new();
    let (authority, ca) = trusted(&folder);
    folder.write_pair("right", &authority.client("gateway"));
    folder.write_pair("wrong", &Authority::new("other").client("gateway"));
    let identity = |name: &str| {
        let (certificate, key) = (folder.path(&format!("{name}.pem")), folder.path(&format!("{name}.key")));
        ca.replace('}', &format!(", certificate: {certificate}, key: {key}}}"))
    };
    for http2 in ["true", "false"] {
        for (keys, failure) in [
            (identity("right"), None),
            (ca.clone(), Some(("required", "the upstream asks for a client certificate"))),
            (identity("wrong"), Some(("refused", "the upstream refuses the client certificate"))),
        ] {
            let tls = ServerTls::new(authority.server()).for_clients_of(&authority);
            let mut upstream = TlsUpstream::start(tls).await;
            let outcome = call(upstream.address, &format!("{keys}\n        http2: {http2}")).await;
            match failure {
                None => assert_eq!(outcome.response.status, 200, "{keys}, http2: {http2}"),
                Some((kind, told)) => outcome.assert_failed(502, &format!("upstream_client_certificate_{kind}"), told),
            }
            assert_eq!(upstream.received.try_recv().is_ok(), failure.is_none());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_that_is_not_offered_is_a_failure() {
    let folder = Folder::new();
    let (authority, ca) = trusted(&folder);
    for protocols in [&["http/1.1"][..], &[]] {
        let tls = ServerTls { protocols, ..ServerTls::new(authority.server()) };
        let upstream = TlsUpstream::start(tls).await;
        let outcome = call(upstream.address, &format!("{ca}\n        http2: true")).await;
        let told = "the upstream does not offer the route's HTTP version over TLS";
        outcome.assert_failed(502, "upstream_tls_no_common_protocol", told);
    }
}

/// A server that answers a hello with these bytes and closes, or says nothing.
async fn raw(answer: Option<&'static [u8]>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let mut stream = listener.accept().await.unwrap().0;
            tokio::spawn(async move {
                let mut hello = [0; 4096];
                let received = stream.read(&mut hello).await.unwrap();
                assert_eq!(hello[..2], [0x16, 3], "a hello of TLS, and nothing in the clear: {received} bytes");
                match answer {
                    Some(answer) => stream.write_all(answer).await.unwrap(),
                    None => drop(stream.read(&mut hello).await),
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_fails_is_never_followed_by_clear_text() {
    let incompatible = ("incompatible", "the upstream and the gateway have no TLS version and cipher in common");
    for (answer, (kind, told)) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], ("not_spoken", "the upstream does not speak TLS at this port")),
        (b"", ("closed", "the upstream closed the connection during the TLS handshake")),
        (b"\x15\x03\x03\x00\x02\x02\x28", incompatible),
        (b"\x15\x03\x03\x00\x02\x02\x46", incompatible),
        (b"\x15\x03\x03\x00\x02\x02\x70", ("unknown_name", "the upstream has no certificate for the name")),
        (b"\x15\x03\x03\x00\x02\x02\x50", ("broken", "the TLS handshake with the upstream failed")),
    ] {
        let outcome = call(raw(Some(answer)).await, "").await;
        outcome.assert_failed(502, &format!("upstream_tls_{kind}"), told);
        assert_eq!(outcome.response.body, "The service behind this gateway cannot be reached over TLS.\n");
    }
    let outcome = call(raw(None).await, "connect_timeout: 1s").await;
    outcome.assert_failed(504, "upstream_tls_late", "the TLS handshake with the upstream took too long");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_share_what_the_upstream_chose() {
    let folder = Folder::new();
    let (authority, ca) = trusted(&folder);
    for protocols in [&["h2", "http/1.1"][..], &["http/1.1"]] {
        let tls = ServerTls { protocols, ..ServerTls::new(authority.server()) };
        let upstream = TlsUpstream::start(tls).await;
        let text = route(upstream.address, &ca);
        let load = spawn_blocking(move || {
            let gateway = Gateway::configured(&text, &[]);
            let clients: Vec<_> = (0..8)
                .map(|_| {
                    let mut client = Connection::open(gateway.address);
                    thread::spawn(move || {
                        for _ in 0..20 {
                            client.write("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
                            assert_eq!(client.response().status, 200);
                        }
                    })
                })
                .collect();
            for client in clients {
                client.join().unwrap();
            }
        });
        load.await.unwrap();
        let connections = upstream.connections.load(Relaxed);
        if protocols.len() == 2 {
            assert_eq!(connections, 1);
        } else {
            assert!((1..=8).contains(&connections), "{connections}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_upgrade_needs_http_1() {
    let folder = Folder::new();
    let (authority, ca) = trusted(&folder);
    let mut upstream = TlsUpstream::start(ServerTls::new(authority.server())).await;
    let text = route(upstream.address, &ca);
    let requests = spawn_blocking(move || {
        let gateway = Gateway::configured(&text, &[]);
        for lines in [&[][..], &["Connection: upgrade", "Upgrade: websocket"], &[]] {
            assert_eq!(get(gateway.address, lines).status, 200);
        }
    });
    requests.await.unwrap();
    for version in [Version::HTTP_2, Version::HTTP_11, Version::HTTP_2] {
        assert_eq!(upstream.received.recv().await.unwrap().version(), version);
    }
}

#[test]
fn a_check_reads_certificates_and_keys() {
    let folder = Folder::new();
    let authority = Authority::new("shop");
    let ca = folder.write("ca.pem", &authority.certificate.pem());
    folder.write_pair("one", &authority.client("one"));
    folder.write_pair("two", &authority.client("two"));
    let (empty, broken) = (folder.write("empty.pem", ""), folder.write("broken.pem", "-----BEGIN CERTIFICATE-----\n?"));
    let (one, one_key, two_key) = (folder.path("one.pem"), folder.path("one.key"), folder.path("two.key"));
    let absent = folder.path("absent.pem");
    for (keys, told) in [
        (format!("ca: {absent}"), format!("{absent}: cannot be read: No such file or directory (os error 2)")),
        (format!("ca: {empty}"), format!("{empty}: no certificate in PEM form")),
        (format!("ca: {broken}"), format!("{broken}: not valid PEM")),
        (
            format!("ca: {ca}, certificate: {one}, key: {one}"),
            format!("{one}: no private key without a password in PEM form"),
        ),
        (
            format!("ca: {ca}, certificate: {one}, key: {two_key}"),
            format!("{two_key}: the key is not that of the certificate in {one}"),
        ),
        (format!("ca: {ca}, server_name: 'a b'"), "server_name is neither a host name nor an IP address".to_owned()),
    ] {
        let file = folder.write("gateway.yaml", &route(([127, 0, 0, 1], 1).into(), &format!("tls: {{{keys}}}")));
        let expected = format!("error: cannot set up TLS: {told}\n");
        assert_eq!(refused(&["run", "--config", &file, "--check"]), (1, expected));
    }
    // Relative paths are those of the file's folder.
    let keys = "tls: {ca: ca.pem, certificate: one.pem, key: one.key}";
    let file = folder.write("gateway.yaml", &route(([127, 0, 0, 1], 1).into(), keys));
    assert_eq!(refused(&["run", "--config", &file, "--check"]), (0, "configuration OK\n".to_owned()));
    assert_ne!(one_key, two_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_reads_the_files_again() {
    let folder = Folder::new();
    let (authority, _) = trusted(&folder);
    let tls = ServerTls::new(authority.server()).for_clients_of(&authority);
    let upstream = TlsUpstream::start(tls).await;
    folder.write_pair("client", &Authority::new("other").client("gateway"));
    let path = |name| folder.path(name);
    let keys =
        format!("tls: {{ca: {}, certificate: {}, key: {}}}", path("ca.pem"), path("client.pem"), path("client.key"));
    let text = route(upstream.address, &keys);
    let reloads = spawn_blocking(move || {
        let mut gateway = Gateway::configured(&text, &[]);
        assert_eq!(get(gateway.address, &[]).status, 502);
        folder.write_pair("client", &authority.client("gateway"));
        assert_eq!(gateway.reload(&text), "configuration reloaded");
        assert_eq!(get(gateway.address, &[]).status, 200);
        let key = folder.write("client.key", "");
        assert_eq!(
            gateway.reload(&text),
            format!(
                "reload failed, keeping the current configuration: cannot set up TLS: {key}: no private key without a \
                 password in PEM form"
            )
        );
        assert_eq!(get(gateway.address, &[]).status, 200);
    });
    reloads.await.unwrap();
}
