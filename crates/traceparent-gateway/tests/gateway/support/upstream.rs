use std::{
    io::{BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use super::{Head, impatient};

/// A service that answers every request in the same way.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    received: Receiver<(Head, Vec<u8>)>,
}

/// One request on its way through the upstream.
pub(crate) struct Exchange {
    pub(crate) head: Head,
    pub(crate) stream: BufReader<TcpStream>,
    received: Sender<(Head, Vec<u8>)>,
}

impl Exchange {
    /// Reads the body and tells the test about the request.
    pub(crate) fn receive(&mut self) -> Vec<u8> {
        let body = self.head.read_body(&mut self.stream);
        // The test may have seen enough.
        let _ = self.received.send((self.head.clone(), body.clone()));
        body
    }

    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        // The gateway may be gone.
        let _ = self.stream.get_mut().write_all(bytes.as_ref());
    }
}

/// An upstream that reads requests, and answers none while the returned end is kept.
pub(crate) fn silent() -> (Upstream, Sender<()>) {
    let (end, waiting) = channel();
    let waiting = Mutex::new(waiting);
    let upstream = Upstream::start(move |exchange| {
        exchange.receive();
        let _ = waiting.lock().unwrap().recv();
    });
    (upstream, end)
}

/// An upstream that answers `late`, one request for each use of the returned end, and all when it is dropped.
pub(crate) fn late() -> (Upstream, Sender<()>) {
    let (go_on, waiting) = channel();
    let waiting = Mutex::new(waiting);
    let upstream = Upstream::start(move |exchange| {
        exchange.receive();
        let _ = waiting.lock().unwrap().recv();
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
    });
    (upstream, go_on)
}

/// Answers 200 with the body `ok`.
pub(crate) fn ok(exchange: &mut Exchange) {
    exchange.receive();
    exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/// Answers 200 with as many bytes as the target `/NUMBER` tells, or none.
pub(crate) fn sized(exchange: &mut Exchange) {
    exchange.receive();
    let target = exchange.head.first_line.split(' ').nth(1).expect("a target");
    let length = target.trim_start_matches('/').parse().unwrap_or(0);
    exchange.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
    exchange.write(vec![b'x'; length]);
}

impl Upstream {
    /// Starts a service that answers like this, on any number of connections.
    pub(crate) fn start(answer: impl Fn(&mut Exchange) + Send + Sync + 'static) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").expect("a port"), answer)
    }

    /// Starts it at a place that is taken already.
    pub(crate) fn start_on(listener: TcpListener, answer: impl Fn(&mut Exchange) + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().expect("an address");
        let (sender, received) = channel();
        let answer = Arc::new(answer);
        let connections = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Relaxed);
                let (sender, answer) = (sender.clone(), Arc::clone(&answer));
                thread::spawn(move || {
                    let stream = stream.expect("a connection");
                    impatient(&stream);
                    let mut stream = BufReader::new(stream);
                    while let Some(head) = Head::read(&mut stream) {
                        let mut exchange = Exchange { head, stream, received: sender.clone() };
                        answer(&mut exchange);
                        stream = exchange.stream;
                    }
                });
            }
        });
        Self { address, connections, received }
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// The next request that came, and its body.
    pub(crate) fn received(&self) -> (Head, Vec<u8>) {
        self.received.recv_timeout(Duration::from_secs(60)).expect("a request")
    }

    /// The head of the next request, if one has come already.
    pub(crate) fn next(&self) -> Option<Head> {
        self.received.try_recv().ok().map(|(head, _)| head)
    }

    /// The head of the next request that came.
    pub(crate) fn head(&self) -> Head {
        self.received().0
    }

    /// How the gateway is told about it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
