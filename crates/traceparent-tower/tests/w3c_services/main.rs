//! Plays every case of the specification to the two conformance services, over real sockets.
#![allow(clippy::panic, clippy::unwrap_used)]

mod cases;

#[path = "../../../traceparent-opentelemetry/examples/w3c_service_otel.rs"]
#[allow(dead_code)]
mod on_opentelemetry;
#[path = "../../examples/w3c_service.rs"]
#[allow(dead_code)]
mod on_tower;

use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::cases::{Case, Expected, PARENT_ID, TRACE_ID};

/// The header lines of each call, by its path.
type Calls = Arc<Mutex<BTreeMap<String, Vec<(String, Vec<u8>)>>>>;

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Reads one message: its first line, its unchanged header lines, and its body.
async fn read(stream: &mut (impl AsyncBufReadExt + Unpin)) -> Option<(String, Vec<(String, Vec<u8>)>)> {
    let mut first = String::new();
    if stream.read_line(&mut first).await.ok()? == 0 {
        return None;
    }
    let (mut headers, mut length) = (Vec::new(), 0);
    loop {
        let mut line = Vec::new();
        stream.read_until(b'\n', &mut line).await.ok()?;
        let line = line.strip_suffix(b"\r\n")?;
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = String::from_utf8(line[..colon].to_vec()).ok()?;
        let value = line[colon + 1..].trim_ascii().to_vec();
        if name.eq_ignore_ascii_case("content-length") {
            length = std::str::from_utf8(&value).ok()?.parse().ok()?;
        }
        headers.push((name, value));
    }
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    Some((first, headers))
}

/// Who the services are told to call: keeps what they send.
async fn record_calls(listener: TcpListener, calls: Calls) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let calls = calls.clone();
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            while let Some((first, headers)) = read(&mut stream).await {
                let path = first.split(' ').nth(1).unwrap().to_owned();
                assert!(first.starts_with("POST "), "{first}");
                assert!(calls.lock().unwrap().insert(path.clone(), headers).is_none(), "{path} twice");
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
        });
    }
}

struct Harness {
    service: SocketAddr,
    callee: SocketAddr,
    calls: Calls,
}

impl Harness {
    async fn new(service: SocketAddr) -> Self {
        let (listener, callee) = listen().await;
        let calls = Calls::default();
        tokio::spawn(record_calls(listener, calls.clone()));
        Self { service, callee, calls }
    }

    /// Sends these header lines and asks for as many calls; returns the headers of each.
    async fn play(&self, id: usize, lines: &[Vec<u8>], calls: usize) -> Vec<Vec<(String, Vec<u8>)>> {
        let path = |call: usize| format!("/{id}/{call}");
        let arguments: Vec<_> = (0..calls)
            .map(|call| json!({ "url": format!("http://{}{}", self.callee, path(call)), "arguments": [] }))
            .collect();
        let body = serde_json::to_vec(&arguments).unwrap();
        let mut request = b"POST /test HTTP/1.1\r\nhost: service\r\nconnection: close\r\n".to_vec();
        for line in lines {
            request.extend_from_slice(line);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        request.extend_from_slice(&body);

        let mut stream = TcpStream::connect(self.service).await.unwrap();
        stream.write_all(&request).await.unwrap();
        let (status, headers) = read(&mut BufReader::new(stream)).await.unwrap();
        assert_eq!(status.trim_end(), "HTTP/1.1 200 OK");
        assert!(headers.iter().any(|(name, value)| name == "content-type" && value == b"application/json"));
        let mut recorded = self.calls.lock().unwrap();
        (0..calls).map(|call| recorded.remove(&path(call)).unwrap()).collect()
    }
}

/// What one call carried.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    trace_id: String,
    parent_id: String,
    flags: String,
    tracestate: String,
}

impl Sent {
    /// Reads the headers by the letter: W3C 5, 6, 8, 9, 10, 32, 42, 44, 49.
    fn read(headers: &[(String, Vec<u8>)], context: &str) -> Self {
        let all = |name: &str| {
            let fields = headers.iter().filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name));
            let fields: Vec<_> = fields.collect();
            assert!(fields.iter().all(|(candidate, _)| candidate == name), "{context}: a name not in lower case");
            fields.into_iter().map(|(_, value)| String::from_utf8(value.clone()).unwrap()).collect::<Vec<_>>()
        };
        let [traceparent] = &all("traceparent")[..] else { panic!("{context}: not one traceparent") };
        let parts: Vec<&str> = traceparent.split('-').collect();
        let [version, trace_id, parent_id, flags] = parts[..] else { panic!("{context}: {traceparent}") };
        assert_eq!([version.len(), trace_id.len(), parent_id.len(), flags.len()], [2, 32, 16, 2], "{traceparent}");
        assert_eq!(version, "00", "{context}");
        let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        assert!([trace_id, parent_id, flags].into_iter().all(hex), "{context}: {traceparent}");
        assert!([trace_id, parent_id].into_iter().all(|id| id.bytes().any(|byte| byte != b'0')), "{traceparent}");

        let tracestate = match &all("tracestate")[..] {
            [] => String::new(),
            [list] => {
                assert_ne!(list, "", "{context}: an empty tracestate");
                list.clone()
            }
            _ => panic!("{context}: more than one tracestate"),
        };
        Self { trace_id: trace_id.into(), parent_id: parent_id.into(), flags: flags.into(), tracestate }
    }
}

#[track_caller]
fn assert_sent(sent: &Sent, case: &Case, context: &str) {
    assert_ne!(sent.parent_id, PARENT_ID, "{context}");
    match &case.expected {
        Expected::Continued(flags, list) => {
            assert_eq!((sent.trace_id.as_str(), sent.flags.as_str()), (TRACE_ID, *flags), "{context}");
            assert_eq!(&sent.tracestate, list, "{context}");
        }
        Expected::Restarted => {
            assert!(!sent.trace_id.contains("1234567890123456789"), "{context}: {}", sent.trace_id);
            // Sampled by the service's own decision, and truly random: W3C 13, 25, 37.
            assert_eq!((sent.flags.as_str(), sent.tracestate.as_str()), ("03", ""), "{context}");
        }
    }
}

async fn plays_every_case(service: SocketAddr) {
    let harness = Harness::new(service).await;
    let cases = cases::all();
    for (id, case) in cases.iter().enumerate() {
        let context = format!("case {id}, {}", case.name);
        let calls = harness.play(id, &case.lines, 1).await;
        assert_sent(&Sent::read(&calls[0], &context), case, &context);
    }
    // Each call is a span of its own in one trace: W3C 17, 72.
    let names: HashSet<_> = cases.iter().map(|case| case.name).collect();
    for (id, case) in cases.iter().enumerate() {
        let id = cases.len() + id;
        let context = format!("case {id}, {}, three times", case.name);
        let calls = harness.play(id, &case.lines, 3).await;
        let sent: Vec<_> = calls.iter().map(|headers| Sent::read(headers, &context)).collect();
        for sent in &sent {
            assert_sent(sent, case, &context);
        }
        let distinct = |part: fn(&Sent) -> &String| sent.iter().map(part).collect::<HashSet<_>>().len();
        assert_eq!((distinct(|sent| &sent.trace_id), distinct(|sent| &sent.parent_id)), (1, 3), "{context}");
    }
    println!("{} requests over {} cases", 2 * cases.len(), names.len());
}

#[tokio::test]
async fn the_service_on_tower_answers_every_case() {
    let (listener, address) = listen().await;
    tokio::spawn(on_tower::accept(listener));
    plays_every_case(address).await;
}

#[tokio::test]
async fn the_service_on_opentelemetry_answers_every_case() {
    let (listener, address) = listen().await;
    tokio::spawn(on_opentelemetry::accept(listener));
    plays_every_case(address).await;
}
