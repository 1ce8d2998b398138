//! An upstream and a client on this machine.

use std::{
    error::Error,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::Duration,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Starts an upstream that answers each request with the lines of its head.
pub(crate) fn upstream() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut head) = (stream?, String::new());
            let mut reader = BufReader::new(&stream);
            while reader.read_line(&mut head)? > 2 {}
            let length = head.len();
            write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{head}")?;
        }
        io::Result::Ok(())
    });
    Ok(address)
}

/// Sends requests through the proxy, and looks at what the upstream has received.
pub(crate) fn requests(proxy: &Path) -> Result<(), Box<dyn Error>> {
    let list = "TraceState: congo=t61rcWkgMzE\r\n";

    let received = send(proxy, &format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n{list}"))?;
    let [traceparent] = fields(&received, "traceparent")[..] else { return Err(received.into()) };
    println!("continued: {traceparent}");
    assert!(traceparent.starts_with(&format!("00-{TRACE}-")) && traceparent.ends_with("-01"));
    assert!(!traceparent.contains("00f067aa0ba902b7"));
    assert_eq!(fields(&received, "tracestate"), ["congo=t61rcWkgMzE"]);

    let received = send(proxy, "")?;
    let [traceparent] = fields(&received, "traceparent")[..] else { return Err(received.into()) };
    println!("started:   {traceparent}");

    // An invalid header starts another trace, and the caller's list stays behind.
    let received = send(proxy, &format!("TraceParent: 00-{}-00f067aa0ba902b7-01\r\n{list}", TRACE.to_uppercase()))?;
    let [traceparent] = fields(&received, "traceparent")[..] else { return Err(received.into()) };
    println!("restarted: {traceparent}");
    assert!(!traceparent.contains(TRACE));
    let lists = fields(&received, "tracestate");
    assert!(lists.iter().all(|list| list.starts_with("ot=th:")), "{lists:?}");
    Ok(())
}

fn send(proxy: &Path, fields: &str) -> io::Result<String> {
    // The proxy starts beside the first request.
    let mut attempts = (0..1000).map(|_| {
        thread::sleep(Duration::from_millis(10));
        UnixStream::connect(proxy)
    });
    let mut stream = attempts.find_map(Result::ok).ok_or(io::ErrorKind::NotConnected)?;
    write!(stream, "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n{fields}\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}

/// Returns the values of a field, in any spelling of its name.
fn fields<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}
