//! HTTP/1.1 upstreams that close connections on which the next request may be under way.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

#[cfg(feature = "tls")]
use crate::support::{Authority, Folder, ServerTls, tls_in_front_of};
use crate::support::{Connection, Gateway, Head};

const CLIENTS: usize = 32;

/// The numbers of requests of a test.
#[derive(Clone, Copy)]
struct Load {
    /// Those that may be repeated: they are idempotent and have no body.
    repeatable: usize,
    /// Those that must not arrive twice.
    single: usize,
}

/// How often the upstream has read and answered each request, by its target.
type Arrivals = Arc<Mutex<HashMap<String, Arrival>>>;

#[derive(Clone, Copy, Debug, Default)]
struct Arrival {
    read: usize,
    answered: usize,
}

struct Server {
    stream: BufReader<TcpStream>,
    arrivals: Arrivals,
}

impl Server {
    /// Starts an upstream, which answers the first request on each connection and then closes that in one of several ways
    /// within 30 ms.
    fn start() -> (SocketAddr, Arrivals) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let all = Arrivals::default();
        let arrivals = Arc::clone(&all);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let server = Self { stream: BufReader::new(stream.unwrap()), arrivals: Arc::clone(&arrivals) };
                thread::spawn(move || server.serve(number));
            }
        });
        (address, all)
    }

    fn serve(mut self, number: usize) {
        let pause = Duration::from_millis(number as u64 % 31);
        self.stream.get_ref().set_nodelay(true).unwrap();
        let Some(target) = self.read() else { return };
        self.answer(&target);
        match number % 3 {
            // It is busy with closing, and reads nothing.
            0 => thread::sleep(pause),
            // It closes after this time without a request.
            1 => {
                while self.has_request(pause) {
                    let Some(target) = self.read() else { return };
                    self.answer(&target);
                }
            }
            // It reads one more request, and closes without an answer to it or within the answer.
            _ => {
                if let Some(target) = self.read().filter(|target| target.starts_with("/cut")) {
                    self.write(if target.len() % 2 == 0 { "H" } else { "HTTP/1.1 200 OK\r\nContent-" });
                }
            }
        }
    }

    fn has_request(&mut self, pause: Duration) -> bool {
        self.stream.get_ref().set_read_timeout(Some(pause.max(Duration::from_millis(1)))).unwrap();
        let received = self.stream.fill_buf().is_ok_and(|received| !received.is_empty());
        self.stream.get_ref().set_read_timeout(None).unwrap();
        received
    }

    /// Reads a request, and returns its target.
    fn read(&mut self) -> Option<String> {
        let head = Head::read(&mut self.stream)?;
        head.read_body(&mut self.stream);
        let target = head.first_line.split(' ').nth(1).unwrap().to_owned();
        self.arrivals.lock().unwrap().entry(target.clone()).or_default().read += 1;
        Some(target)
    }

    fn answer(&mut self, target: &str) {
        self.arrivals.lock().unwrap().entry(target.to_owned()).or_default().answered += 1;
        self.write(&format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Target: {target}\r\n\r\n"));
    }

    fn write(&mut self, bytes: &str) {
        // The gateway may be gone.
        let _ = self.stream.get_mut().write_all(bytes.as_bytes());
    }
}

/// Returns a request and its target.
fn request(number: usize, is_repeatable: bool) -> (String, String) {
    let (method, path, rest) = if is_repeatable {
        (["GET", "HEAD", "PUT", "DELETE", "OPTIONS"][number % 5], "repeatable", "\r\n")
    } else {
        [
            ("POST", "single", "\r\n"),
            ("POST", "single", "Content-Length: 4\r\n\r\nbody"),
            ("PUT", "single", "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"),
            ("PATCH", "single", "Content-Length: 0\r\n\r\n"),
            ("GET", "cut", "\r\n"),
            ("HEAD", "cut", "\r\n"),
        ][number % 6]
    };
    let target = format!("/{path}/{number}");
    (format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{rest}"), target)
}

/// Sends a client's share of the requests, and returns their targets, each with whether it was answered.
fn send(gateway: SocketAddr, client: usize, load: Load) -> Vec<(String, bool)> {
    let mut connection = Connection::open(gateway);
    let mut answered = Vec::new();
    for number in (client..load.repeatable + load.single).step_by(CLIENTS) {
        let (request, target) = request(number, number < load.repeatable);
        connection.write(&request);
        let head = connection.head();
        let is_answer = head.first_line == "HTTP/1.1 200 OK";
        if is_answer {
            assert_eq!(head.one("x-target"), target);
        } else {
            assert_eq!(head.first_line, "HTTP/1.1 502 Bad Gateway");
        }
        if !request.starts_with("HEAD") {
            head.read_body(&mut connection.stream);
        }
        answered.push((target, is_answer));
        if head.all("connection") == ["close"] {
            // The failure has been told before the end of the request's body.
            assert!(!is_answer && request.contains("chunked"), "{request}");
            assert_end(&mut connection);
            connection = Connection::open(gateway);
        }
        thread::sleep(Duration::from_millis(number as u64 % 7 * 4));
    }
    connection.stream.get_ref().shutdown(Shutdown::Write).unwrap();
    assert_end(&mut connection);
    answered
}

/// Checks that nothing follows the responses, one to each request.
fn assert_end(connection: &mut Connection) {
    let mut rest = Vec::new();
    connection.stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
}

/// Sends requests through a gateway, and checks what has become of each.
fn assert_safe(gateway: Gateway, arrivals: &Arrivals, load: Load) {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let address = gateway.address;
            thread::spawn(move || send(address, client, load))
        })
        .collect();
    let answered: Vec<_> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    drop(gateway);
    let arrivals = arrivals.lock().unwrap();
    let of = |target: &str| arrivals.get(target).copied().unwrap_or_default();
    let is_repeatable = |target: &str| target.starts_with("/repeatable");
    let lost = answered.iter().filter(|(target, is_answered)| is_repeatable(target) && !is_answered).count();
    assert_eq!(lost, 0, "of {} requests", load.repeatable);
    for (target, is_answered) in &answered {
        let Arrival { read, answered } = of(target);
        assert_eq!(answered, usize::from(*is_answered), "{target}");
        // What was read without an answer may be sent again, but nothing else.
        let most = if is_repeatable(target) { 2 } else { 1 };
        assert!(read <= most, "{target} arrived {read} times");
    }
}

#[test]
fn no_request_is_lost_or_sent_twice_when_connections_close() {
    let (upstream, arrivals) = Server::start();
    let gateway = Gateway::start(&format!("http://{upstream}"), &[]);
    assert_safe(gateway, &arrivals, Load { repeatable: 2000, single: 1000 });
}

/// Connections over TLS end with a word about it or without one.
#[cfg(feature = "tls")]
#[test]
fn no_request_is_lost_or_sent_twice_when_connections_over_tls_close() {
    let (upstream, arrivals) = Server::start();
    let (folder, authority) = (Folder::new(), Authority::new("shop"));
    let (address, _) = tls_in_front_of(&ServerTls::new(authority.server()), upstream);
    let gateway = Gateway::configured(
        &format!(
            "listeners:\n  - address: 127.0.0.1:0\n    routes:\n      - prefix: /\n        http2: false\n        \
             upstream: https://localhost:{}\n        tls: {{ca: {}}}\n",
            address.port(),
            folder.write("ca.pem", &authority.certificate.pem()),
        ),
        &[],
    );
    assert_safe(gateway, &arrivals, Load { repeatable: 200, single: 100 });
}
