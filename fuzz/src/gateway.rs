//! Bytes of a client, sent through the gateway to a server that reads them strictly.

mod upstream;

use std::{cell::RefCell, collections::BTreeMap, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
    time::timeout,
};
use traceparent_formats::KNOWN_FIELDS;

use self::upstream::{Received, Upstream};
use crate::naive;

/// The settings that matter to what goes on, as keys of the listener and of its route.
const SETTINGS: [(&str, &str); 4] = [
    ("trust: continue", "egress: inject"),
    ("trust: restart", "egress: inject"),
    ("trust: ignore", "egress: strip"),
    ("forwarded: append", "egress: strip"),
];

/// The fields of a single connection. `TE`, `Connection` and `Transfer-Encoding` go on with one value each.
///
/// [RFC 9110, section 7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)
const NEVER: [&str; 4] = ["keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"];

/// The fields that trailers may not have, since they frame, route or authorize the request.
const NEVER_IN_TRAILERS: [&str; 10] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "forwarded",
    "host",
    "te",
    "transfer-encoding",
    "via",
    "x-forwarded-for",
];

/// Any bytes of a client: what goes on is one request for each that was sent, without a field of the connection, and with
/// the trace context that the settings allow.
///
/// The first byte chooses the settings, the others go to the gateway as they are.
pub fn gateway(input: &[u8]) {
    thread_local! {
        static WORLD: RefCell<World> = RefCell::new(World::new());
    }
    let Some((first, bytes)) = input.split_first() else { return };
    WORLD.with_borrow_mut(|world| world.play(usize::from(*first) % SETTINGS.len(), bytes));
}

/// A gateway for each of the settings, and the server behind them.
struct World {
    runtime: Runtime,
    gateways: Vec<SocketAddr>,
    upstream: Upstream,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (gateways, upstream) = runtime.block_on(async {
            let upstream = Upstream::listen().await;
            let mut gateways = Vec::new();
            for (listener, route) in SETTINGS {
                let configuration = format!(
                    "listeners:\n  - address: 127.0.0.1:0\n    {listener}\n    routes:\n      - prefix: /\n        \
                     upstream: http://{}\n        {route}\n",
                    upstream.address,
                );
                gateways.push(traceparent_gateway::fuzzing::serve(&configuration).await.unwrap());
            }
            (gateways, upstream)
        });
        Self { runtime, gateways, upstream }
    }

    fn play(&self, settings: usize, bytes: &[u8]) {
        let gateway = self.gateways[settings];
        let answer = self.runtime.block_on(async { timeout(Duration::from_secs(8), exchange(gateway, bytes)).await });
        let answer = answer.expect("the connection ends after the client has ended its side");
        let is_http1 = answer.is_empty() || answer.starts_with(b"HTTP/1.0 ") || answer.starts_with(b"HTTP/1.1 ");
        assert!(is_http1 || bytes.starts_with(b"PRI "), "{answer:?}");
        let requests = self.upstream.take();
        let sent = bytes.windows(6).filter(|window| window.eq_ignore_ascii_case(b"HTTP/1")).count();
        assert!(requests.len() <= sent || bytes.starts_with(b"PRI "), "{} requests out of {sent}", requests.len());
        for request in requests {
            let request =
                request.unwrap_or_else(|malformed| panic!("{malformed:?} for {:?}", bytes.escape_ascii().to_string()));
            check(settings, &request);
        }
    }
}

/// Sends bytes and the end of the stream, and returns what is answered.
async fn exchange(gateway: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    let mut answer = Vec::new();
    // The gateway may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

/// Checks a request that has gone on.
fn check(settings: usize, request: &Received) {
    let fields = by_name(&request.fields);
    let all = |name: &str| fields.get(name).cloned().unwrap_or_default();

    for name in NEVER {
        assert!(!fields.contains_key(name), "{name}");
    }
    assert!(matches!(&all("te")[..], [] | [b"trailers"]));
    let upgrade = all("upgrade");
    match &all("connection")[..] {
        [] => assert!(upgrade.is_empty() && all("te").is_empty()),
        [b"te"] => assert!(upgrade.is_empty()),
        [b"upgrade"] => assert_eq!(upgrade.len(), 1),
        other => panic!("{other:?}"),
    }
    assert!(matches!(&all("transfer-encoding")[..], [] | [b"chunked"]));
    assert!(all("content-length").len() + all("transfer-encoding").len() <= 1);
    assert!(all("host").len() <= 1);
    assert!(!fields.keys().any(|name| name.contains('_') && name.replace('_', "-").starts_with("x-forwarded-")));

    let (listener, route) = SETTINGS[settings];
    let traceparents = all("traceparent");
    let tracestates = all("tracestate");
    if route == "egress: strip" {
        assert!(KNOWN_FIELDS.iter().all(|name| !fields.contains_key(*name)), "{fields:?}");
    } else {
        let [traceparent] = traceparents[..] else { panic!("{} traceparents", traceparents.len()) };
        assert!(naive::traceparent(traceparent).is_some());
        assert!(tracestates.len() <= 1 && tracestates.iter().all(|list| naive::tracestate(list).is_some()));
    }
    if listener == "trust: restart" {
        let ours = ["traceparent", "tracestate"];
        let foreign = KNOWN_FIELDS.iter().filter(|name| !ours.contains(name));
        assert!(foreign.into_iter().all(|name| !fields.contains_key(*name)), "{fields:?}");
    }
    if listener != "forwarded: append" {
        assert_eq!(all("x-forwarded-for"), [b"127.0.0.1"]);
        assert!(!fields.contains_key("forwarded") && !fields.contains_key("x-real-ip"));
    }

    let trailers = by_name(&request.trailers);
    for name in NEVER_IN_TRAILERS.iter().chain(&["traceparent", "tracestate"]) {
        assert!(!trailers.contains_key(*name), "{name}");
    }
    if route == "egress: strip" || listener == "trust: restart" {
        assert!(KNOWN_FIELDS.iter().all(|name| !trailers.contains_key(*name)), "{trailers:?}");
    }
}

fn by_name(fields: &[(String, Vec<u8>)]) -> BTreeMap<&str, Vec<&[u8]>> {
    let mut by_name = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in fields {
        by_name.entry(name.as_str()).or_default().push(value.as_slice());
    }
    by_name
}
