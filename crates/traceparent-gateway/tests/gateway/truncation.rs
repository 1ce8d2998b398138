//! TLS that ends without `close_notify` in the midst of a message leaves that message incomplete, and its reader is told so.
//!
//! [RFC 9112, section 8](https://www.rfc-editor.org/rfc/rfc9112#section-8) and
//! [section 9.8](https://www.rfc-editor.org/rfc/rfc9112#section-9.8)

use std::{
    io::{BufReader, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener},
    sync::Arc,
    thread,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::{
    listeners_tls::Scene,
    support::{Authority, Folder, Gateway, Head, ServerTls, TlsConnection, Upstream, server_and_call},
};

/// How a server ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    CloseNotify,
    Truncated,
}

/// Starts a server that answers every request with these bytes, and ends the session.
fn start(config: Arc<ServerConfig>, answer: &'static str, end: End) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(session, stream.unwrap()));
            Head::read(&mut stream).unwrap();
            let stream = stream.get_mut();
            stream.write_all(answer.as_bytes()).unwrap();
            if end == End::CloseNotify {
                stream.conn.send_close_notify();
            }
            stream.flush().unwrap();
            let _ = stream.sock.shutdown(Shutdown::Write);
            // Closing with unread bytes could destroy what has been written.
            let _ = std::io::copy(&mut stream.sock, &mut std::io::sink());
        }
    });
    address
}

const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const NEITHER: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

/// Whether an answer that ends so is whole.
const ANSWERS: [(&str, &str, End, bool); 10] = [
    (LENGTH, "complete", End::CloseNotify, true),
    // A server that closes in the wrong way has sent all the same what it said.
    (LENGTH, "complete", End::Truncated, true),
    (LENGTH, "part", End::CloseNotify, false),
    (LENGTH, "part", End::Truncated, false),
    (CHUNKED, "8\r\ncomplete\r\n0\r\n\r\n", End::Truncated, true),
    (CHUNKED, "4\r\npart\r\n", End::CloseNotify, false),
    (CHUNKED, "4\r\npart\r\n", End::Truncated, false),
    (NEITHER, "complete", End::CloseNotify, true),
    // Only the end of the session tells that this is no more than a part.
    (NEITHER, "part", End::Truncated, false),
    (NEITHER, "", End::Truncated, false),
];

/// A gateway in front of a server that ends sessions so, over TLS itself.
fn gateway(scene: &Scene, head: &str, body: &str, end: End) -> Gateway {
    let (folder, upstreams) = (Folder::new(), Authority::new("upstreams"));
    let ca = folder.write("ca.pem", &upstreams.certificate.pem());
    let tls = ServerTls { protocols: &[], ..ServerTls::new(upstreams.server()) };
    let address = start(tls.config(), Box::leak(format!("{head}{body}").into_boxed_str()), end);
    let to = format!("https://localhost:{}\n        tls: {{ca: {ca}}}", address.port());
    Gateway::configured(&scene.text("", "").replace(&scene.upstream.url(), &to), &[])
}

#[test]
fn a_part_of_an_answer_is_not_taken_for_the_whole() {
    let scene = Scene::new();
    for (head, body, end, is_whole) in ANSWERS {
        // A client of HTTP/1.0 has nothing but the end of the session either.
        for (version, chunked) in [("1.1", true), ("1.0", false)] {
            let gateway = gateway(&scene, head, body, end);
            let mut client = TlsConnection::open(gateway.address, &scene.client()).unwrap();
            client.write(format!("GET / HTTP/{version}\r\nHost: shop.example\r\nConnection: close\r\n\r\n"));
            let mut answer = Vec::new();
            let read = client.stream.read_to_end(&mut answer);
            let answer = String::from_utf8(answer).unwrap();
            let about = format!("{head}{body:?}, {end:?}, HTTP/{version}: {answer}");
            assert!(answer.starts_with(&format!("HTTP/{version} 200 OK\r\n")), "{about}");
            assert_eq!(answer.contains("transfer-encoding: chunked"), chunked && head != LENGTH, "{about}");
            assert!(
                answer.contains(if is_whole {
                    "complete"
                } else if body.is_empty() {
                    "\r\n\r\n"
                } else {
                    "part"
                }),
                "{about}"
            );
            assert_eq!(
                read.map(drop).map_err(|error| error.kind()),
                if is_whole { Ok(()) } else { Err(ErrorKind::UnexpectedEof) },
                "{about}"
            );
            if chunked && head != LENGTH {
                assert_eq!(answer.ends_with("\r\n0\r\n\r\n"), is_whole, "{about}");
            }
            drop(client);
            let (span, call) = server_and_call(&gateway.spans());
            let error = (!is_whole).then_some("the upstream closed the connection before the end of its answer");
            assert_eq!((span["error"].as_str(), call.unwrap()["error"].as_str()), (error, error), "{about}");
        }
    }
}

#[test]
fn a_part_of_a_request_is_not_taken_for_the_whole() {
    for end in [End::CloseNotify, End::Truncated] {
        for rest in ["Content-Length: 8\r\n\r\npart", "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"] {
            let upstream = Upstream::start(|exchange| {
                let mut body = Vec::new();
                let _ = exchange.stream.read_to_end(&mut body);
                assert!(!body.ends_with(b"0\r\n\r\n"), "{body:?}");
            });
            let scene = Scene { upstream, ..Scene::new() };
            let gateway = Gateway::configured(&scene.text("", ""), &[]);
            let mut client = TlsConnection::open(gateway.address, &scene.client()).unwrap();
            client.write(format!("POST / HTTP/1.1\r\nHost: shop.example\r\n{rest}"));
            end_writing(&mut client, end);
            let answer = client.try_response();
            assert!(answer.as_ref().is_ok_and(|answer| answer.status == 400), "{end:?}, {rest}: {answer:?}");
            let (span, _) = server_and_call(&gateway.spans());
            assert_eq!(span["error"], "the request's body did not come to its end", "{end:?}, {rest}");
        }
    }
}

#[test]
fn a_whole_request_is_answered_however_its_session_ends() {
    for end in [End::CloseNotify, End::Truncated] {
        for rest in ["\r\n", "Content-Length: 4\r\n\r\nbody"] {
            let scene = Scene::new();
            let gateway = Gateway::configured(&scene.text("", ""), &[]);
            let mut client = TlsConnection::open(gateway.address, &scene.client()).unwrap();
            client.write(format!("POST / HTTP/1.1\r\nHost: shop.example\r\n{rest}"));
            end_writing(&mut client, end);
            assert_eq!(client.try_response().unwrap().body, "ok", "{end:?}, {rest}");
            let (span, _) = server_and_call(&gateway.spans());
            assert_eq!(span["error"].as_str(), None, "{end:?}, {rest}");
        }
    }
}

fn end_writing(client: &mut TlsConnection, end: End) {
    if end == End::CloseNotify {
        client.close_writing();
    }
    client.stream.get_ref().sock.shutdown(Shutdown::Write).unwrap();
}
