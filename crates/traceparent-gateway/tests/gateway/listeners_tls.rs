//! Listeners with TLS: what is negotiated, who is let in, and how certificates change.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes, client::conn::http2::handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::version::{TLS12, TLS13};
use tokio_rustls::TlsConnector;

use crate::support::{
    Authority, ClientTls, Folder, Gateway, TlsConnection, Upstream,
    http2::{Frames, GOAWAY, WIDE},
    ok, refused, send, server_and_call,
};

/// A listener with the certificate in `server.pem` and `server.key`, and more keys.
fn listener(folder: &Folder, upstream: &Upstream, tls: &str, keys: &str) -> String {
    let (certificate, key, upstream) = (folder.path("server.pem"), folder.path("server.key"), upstream.url());
    format!(
        "listeners:\n  - address: 127.0.0.1:0\n    tls: {{certificate: {certificate}, key: {key}{tls}}}\n    {keys}\n    \
         routes:\n      - prefix: /\n        upstream: {upstream}\n"
    )
}

/// A certificate for a listener, its authority, and an upstream.
pub(crate) struct Scene {
    pub(crate) folder: Folder,
    pub(crate) authority: Authority,
    pub(crate) upstream: Upstream,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let (folder, authority) = (Folder::new(), Authority::new("shop"));
        folder.write_pair("server", &authority.server());
        Self { folder, authority, upstream: Upstream::start(ok) }
    }

    /// A listener with more keys of `tls` and of itself.
    pub(crate) fn text(&self, tls: &str, keys: &str) -> String {
        listener(&self.folder, &self.upstream, tls, keys)
    }

    fn gateway(&self, tls: &str, keys: &str) -> Gateway {
        Gateway::configured(&self.text(tls, keys), &[])
    }

    pub(crate) fn client(&self) -> ClientTls {
        ClientTls::trusting(&self.authority)
    }
}

#[test]
fn both_versions_are_served_and_told() {
    let scene = Scene::new();
    for version in [&TLS12, &TLS13] {
        for protocols in [&["h2", "http/1.1"][1..], &[]] {
            let gateway = scene.gateway("", "");
            let client = ClientTls { versions: vec![version], protocols, ..scene.client() };
            let mut connection = TlsConnection::open(gateway.address, &client).unwrap();
            let response = connection.get().unwrap();
            assert_eq!((response.status, response.body.as_str()), (200, "ok"));
            let head = scene.upstream.head();
            assert_eq!((head.one("x-forwarded-proto"), head.one("x-forwarded-host")), ("https", "shop.example"));
            let (span, _) = server_and_call(&gateway.spans());
            let attributes = &span["attributes"];
            assert_eq!(
                (attributes["url.scheme"].as_str(), attributes["server.port"].as_i64()),
                (Some("https"), Some(443))
            );
            assert_eq!(attributes["tls.client.subject"].as_str(), None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_negotiated() {
    let scene = Scene::new();
    let gateway = scene.gateway("", "");
    let client = ClientTls { protocols: &["h2", "http/1.1"], ..scene.client() };
    let stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let stream = TlsConnector::from(client.config()).connect("localhost".try_into().unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async { drop(connection.await) });
    let request = Request::get("https://shop.example/a").body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    assert_eq!(scene.upstream.head().one("x-forwarded-proto"), "https");
    let (span, _) = server_and_call(&gateway.spans());
    let attributes = &span["attributes"];
    assert_eq!((attributes["url.scheme"].as_str(), attributes["server.port"].as_i64()), (Some("https"), Some(443)));
    assert_eq!(attributes["network.protocol.version"], "2");
}

/// The client that gives way is told so inside of TLS, which comes to its own end.
#[test]
fn an_evicted_client_gets_goaway() {
    let scene = Scene::new();
    let gateway = scene.gateway("", "limits: {connections: 1}");
    let client = ClientTls { protocols: &["h2"], ..scene.client() };
    let connection = TlsConnection::open(gateway.address, &client).unwrap();
    let mut frames = Frames::start(connection.stream.into_inner(), WIDE);
    frames.request(1, true);
    assert_eq!(frames.body(1), b"ok");
    // The connection is busy for a moment after the last byte of its answer.
    let mut attempts = (0..500).map(|_| {
        thread::sleep(Duration::from_millis(10));
        TlsConnection::open(gateway.address, &scene.client())
    });
    let mut other = attempts.find_map(Result::ok).expect("the idle connection gives way");
    assert_eq!(other.get().unwrap().status, 200);
    let goaway = frames.receive().unwrap();
    assert_eq!((goaway.kind, goaway.code(), goaway.last()), (GOAWAY, 0, 1));
    assert_eq!(frames.receive(), None);
    // The end of a session without its alert would be an error.
    assert_eq!(frames.stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn protocols_that_are_not_spoken_are_refused() {
    let scene = Scene::new();
    let gateway = scene.gateway("", "");
    let client = ClientTls { protocols: &["smtp"], ..scene.client() };
    let error = TlsConnection::open(gateway.address, &client).err().unwrap();
    assert_eq!(error.to_string(), "received fatal alert: NoApplicationProtocol");
}

#[test]
fn a_trusted_proxys_list_goes_on_with_https() {
    let scene = Scene::new();
    let gateway = scene.gateway("", "forwarded: append");
    let mut connection = TlsConnection::open(gateway.address, &scene.client()).unwrap();
    connection.write("GET / HTTP/1.1\r\nHost: shop.example\r\nForwarded: for=192.0.2.1;proto=http\r\n\r\n");
    assert_eq!(connection.try_response().unwrap().status, 200);
    assert_eq!(scene.upstream.head().one("forwarded"), "for=192.0.2.1;proto=http, for=127.0.0.1;proto=https");
}

#[test]
fn clients_are_let_in_by_their_authority() {
    let scene = Scene::new();
    let clients = Authority::new("clients");
    let ca = scene.folder.write("clients.pem", &clients.certificate.pem());
    for version in [&TLS12, &TLS13] {
        let gateway = scene.gateway(&format!(", client_ca: {ca}"), "");
        let client = |pair| ClientTls { pair, versions: vec![version], ..scene.client() };
        // With TLS 1.3, a client hears about its certificate only after the handshake.
        let refusal = |client: &ClientTls| {
            let opened = TlsConnection::open(gateway.address, client);
            opened.and_then(|mut connection| connection.get().map(drop)).unwrap_err().to_string()
        };
        let told = refusal(&client(None));
        assert!(told.contains("CertificateRequired") || told.contains("HandshakeFailure"), "{version:?}: {told}");
        let wrong = Authority::new("others").client("orders");
        assert_eq!(refusal(&client(Some(Arc::new(wrong)))), "received fatal alert: UnknownCA", "{version:?}");
        assert!(scene.upstream.next().is_none());

        let right = client(Some(Arc::new(clients.client("orders, \u{1b}[2J"))));
        let mut connection = TlsConnection::open(gateway.address, &right).unwrap();
        assert_eq!(connection.get().unwrap().status, 200);
        scene.upstream.head();
        let (span, _) = server_and_call(&gateway.spans());
        assert_eq!(span["attributes"]["tls.client.subject"], "CN=orders\\, \\1b[2J");
    }
}

#[test]
fn a_plain_request_is_told_to_use_https() {
    let scene = Scene::new();
    let gateway = scene.gateway("", "");
    let body = "x".repeat(30_000);
    for request in [
        "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        format!("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 30000\r\n\r\n{body}"),
    ] {
        let response = send(gateway.address, request);
        assert_eq!((response.status, response.body.as_str()), (400, "This port speaks TLS: use https.\n"));
        assert_eq!(response.head.one("connection"), "close");
    }
    assert!(gateway.spans().is_empty());
    assert!(scene.upstream.next().is_none());
}

#[test]
fn a_hello_is_told_to_use_http() {
    let upstream = Upstream::start(ok);
    let gateway = Gateway::start(&upstream.url(), &[]);
    let client = ClientTls::trusting(&Authority::new("shop"));
    let error = TlsConnection::open(gateway.address, &client).err().unwrap();
    assert_eq!(error.to_string(), "received corrupt message of type InvalidContentType");
    // The first bytes of a hello, and what a tool shows that looks at the answer.
    let response = send(gateway.address, b"\x16\x03\x01\x00\xa0\x01");
    assert_eq!((response.status, response.body.as_str()), (400, "This port does not speak TLS: use http.\n"));
    assert!(gateway.spans().is_empty());
}

#[test]
fn handshakes_have_a_time_limit() {
    let scene = Scene::new();
    let gateway = scene.gateway("", "limits: {header_timeout: 200ms}");
    for beginning in [&b""[..], b"\x16", b"\x16\x03\x01\x00\xa0\x01"] {
        let mut stream = TcpStream::connect(gateway.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(beginning).unwrap();
        let mut rest = Vec::new();
        assert!(stream.read_to_end(&mut rest).is_ok_and(|read| read == 0), "{beginning:?}: {rest:?}");
    }
}

#[test]
fn stopping_does_not_wait_for_handshakes() {
    let scene = Scene::new();
    let gateway = scene.gateway("", "");
    let mut waiting = TcpStream::connect(gateway.address).unwrap();
    waiting.write_all(b"\x16\x03\x01").unwrap();
    // The listener accepts in order.
    assert_eq!(TlsConnection::open(gateway.address, &scene.client()).unwrap().get().unwrap().status, 200);
    let stopped = gateway.stop();
    assert!(stopped.stderr.contains("; 0 connections cut"), "{}", stopped.stderr);
}

#[test]
fn a_client_that_sends_no_more_gets_its_answer() {
    let scene = Scene::new();
    let gateway = scene.gateway("", "");
    let mut connection = TlsConnection::open(gateway.address, &scene.client()).unwrap();
    connection.write("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    connection.close_writing();
    assert_eq!(connection.try_response().unwrap().body, "ok");
}

#[test]
fn bodies_go_through_whole() {
    let body: String = (0..400_000).map(|number| char::from(b'a' + (number % 26) as u8)).collect();
    let expected = body.clone();
    let scene = Scene {
        upstream: Upstream::start(|exchange| {
            let body = exchange.receive();
            exchange.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()));
            exchange.write(body);
        }),
        ..Scene::new()
    };
    let gateway = scene.gateway("", "");
    let mut connection = TlsConnection::open(gateway.address, &scene.client()).unwrap();
    connection.write(format!("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    assert_eq!(connection.try_response().unwrap().body, expected);
}

#[test]
fn connections_become_tunnels_over_tls() {
    let upstream = Upstream::start(|exchange| {
        exchange.receive();
        exchange.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
        let mut heard = [0; 5];
        exchange.stream.read_exact(&mut heard).unwrap();
        exchange.write(heard);
    });
    let scene = Scene { upstream, ..Scene::new() };
    let gateway = scene.gateway("", "");
    let mut connection = TlsConnection::open(gateway.address, &scene.client()).unwrap();
    connection.write("GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    let answer = crate::support::Head::read(&mut connection.stream).unwrap();
    assert!(answer.first_line.starts_with("HTTP/1.1 101 "));
    connection.write("hello");
    let mut heard = [0; 5];
    connection.stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hello");
}

/// Waits for a line that begins so, and returns it.
fn told(gateway: &mut Gateway, beginning: &str) -> String {
    loop {
        let line = gateway.told();
        if line.starts_with(beginning) {
            return line;
        }
    }
}

#[test]
fn a_changed_pair_counts_without_a_signal() {
    let scene = Scene::new();
    let mut gateway = scene.gateway("", "");
    let mut old = TlsConnection::open(gateway.address, &scene.client()).unwrap();
    let first = old.certificate();
    assert_eq!(old.get().unwrap().status, 200);

    let pair = scene.authority.server();
    let second = pair.certificate.der().clone();
    scene.folder.write_pair("server", &pair);
    assert_eq!(told(&mut gateway, "certificates"), "certificates and keys reloaded");
    let mut new = TlsConnection::open(gateway.address, &scene.client()).unwrap();
    assert_eq!(new.certificate(), second);
    assert_ne!(first, second);
    assert_eq!((old.get().unwrap().status, new.get().unwrap().status), (200, 200));

    // A broken pair keeps the old one.
    let key = scene.folder.write("server.key", &scene.authority.server().key.serialize_pem());
    let certificate = scene.folder.path("server.pem");
    assert_eq!(
        told(&mut gateway, "cannot"),
        format!(
            "cannot set up TLS, keeping the current certificates and keys: {key}: the key is not that of the certificate \
             in {certificate}"
        )
    );
    let mut kept = TlsConnection::open(gateway.address, &scene.client()).unwrap();
    assert_eq!(kept.certificate(), second);
    for connection in [&mut old, &mut new, &mut kept] {
        assert_eq!(connection.get().unwrap().status, 200);
    }
}

#[test]
fn a_reload_reads_certificates_and_loses_no_request() {
    let scene = Scene::new();
    let mut gateway = scene.gateway("", "");
    let text = scene.text("", "");
    let (address, client): (SocketAddr, _) = (gateway.address, scene.client());
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let client = client.clone();
            thread::spawn(move || {
                let mut kept = TlsConnection::open(address, &client).unwrap();
                for _ in 0..50 {
                    assert_eq!(kept.get().unwrap().status, 200);
                    assert_eq!(TlsConnection::open(address, &client).unwrap().get().unwrap().status, 200);
                }
            })
        })
        .collect();
    for _ in 0..5 {
        scene.folder.write_pair("server", &scene.authority.server());
        assert_eq!(gateway.reload(&text), "configuration reloaded");
    }
    for client in clients {
        client.join().unwrap();
    }
}

#[test]
fn a_check_reads_the_listeners_files() {
    let scene = Scene::new();
    let absent = scene.folder.path("absent.pem");
    let file = scene.folder.write("gateway.yaml", &scene.text(&format!(", client_ca: {absent}"), ""));
    let told = format!("error: cannot set up TLS: {absent}: cannot be read: No such file or directory (os error 2)\n");
    assert_eq!(refused(&["run", "--config", &file, "--check"]), (1, told.clone()));
    assert_eq!(refused(&["run", "--config", &file]), (1, told));
}

#[test]
fn broken_handshakes_end_nothing_but_themselves() {
    let scene = Scene::new();
    let gateway = scene.gateway("", "");
    drop(TcpStream::connect(gateway.address).unwrap());
    let mut broken = TcpStream::connect(gateway.address).unwrap();
    broken.write_all(b"\x16\x03\x01\xff\xff").unwrap();
    assert_eq!(TlsConnection::open(gateway.address, &scene.client()).unwrap().get().unwrap().status, 200);
}
