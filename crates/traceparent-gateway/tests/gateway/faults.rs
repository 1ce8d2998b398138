use std::{
    collections::HashMap,
    io::{BufRead, Read},
    sync::{Arc, Mutex, mpsc::channel},
    thread,
};

use crate::support::{Connection, Gateway, Upstream};

const CLIENTS: usize = 16;
const ROUNDS: usize = 10;

/// What an upstream does, by the path, and what the client and the span say to it.
const FATES: [(&str, u16, Option<&str>); 5] = [
    ("/well", 200, None),
    ("/late", 504, Some("the upstream took too long to answer")),
    ("/never", 502, Some("the upstream closed the connection before it answered")),
    ("/half", 200, Some("the upstream closed the connection before the end of its answer")),
    ("/nonsense", 502, Some("the upstream's answer is not valid HTTP/1.1")),
];

/// Whatever the upstream does to some requests, under load, the others do not feel it, and each is told of as it was.
#[test]
fn an_upstreams_faults_are_those_requests_own() {
    let (end, waiting) = channel::<()>();
    let waiting = Arc::new(Mutex::new(waiting));
    let upstream = Upstream::start(move |exchange| {
        let path = exchange.head.first_line.split(' ').nth(1).unwrap().to_owned();
        exchange.receive();
        match path.as_str() {
            "/well" => return exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell"),
            "/late" => drop(waiting.lock().unwrap().recv()),
            "/half" => exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf"),
            "/nonsense" => exchange.write("nonsense\r\n\r\n"),
            _ => {}
        }
        let _ = exchange.stream.get_ref().shutdown(std::net::Shutdown::Both);
    });
    let gateway = Gateway::configured(
        &format!(
            "listeners:\n  - address: 127.0.0.1:0\n    routes:\n      - prefix: /\n        upstream: {0}\n      \
             - prefix: /late\n        upstream: {0}\n        timeout: 100ms\n",
            upstream.url()
        ),
        &[],
    );
    let address = gateway.address;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            thread::spawn(move || {
                for round in 0..ROUNDS * FATES.len() {
                    let (path, status, error) = FATES[(client + round) % FATES.len()];
                    let mut connection = Connection::open(address);
                    connection.write(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
                    if path == "/half" {
                        assert_eq!(connection.head().first_line, "HTTP/1.1 200 OK");
                        let mut half = [0; 4];
                        connection.stream.read_exact(&mut half).unwrap();
                        assert_eq!(connection.stream.fill_buf().unwrap_or(&[]), b"");
                    } else {
                        let response = connection.response();
                        assert_eq!((response.status, error.is_none()), (status, response.body == "well"), "{path}");
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    drop(end);

    let mut told = HashMap::new();
    for span in gateway.spans().iter().filter(|span| span["kind"] == "server") {
        let path = span["attributes"]["url.path"].as_str().unwrap().to_owned();
        *told.entry((path, span["status"].clone(), span["error"].clone())).or_insert(0) += 1;
    }
    let expected =
        FATES.map(|(path, status, error)| ((path.to_owned(), status.into(), error.into()), CLIENTS * ROUNDS));
    assert_eq!(told, expected.into());
}
