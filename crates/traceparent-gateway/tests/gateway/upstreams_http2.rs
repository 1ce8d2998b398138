//! What becomes of requests when connections to HTTP/2 upstreams end, fall silent or are full.

use std::{
    future::{Future, pending},
    io::{Read, Write},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use h2::{
    Reason, RecvStream,
    server::{Builder, SendResponse},
};
use hyper::{Request, Response, body::Bytes};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{
        Barrier, Semaphore,
        mpsc::{UnboundedReceiver, unbounded_channel},
    },
    task::spawn_blocking,
    time::sleep,
};

use crate::support::{
    Connection, Gateway, get,
    http2::{SETTINGS, WINDOW_UPDATE, frame},
    span_of,
};

type Call = (Request<RecvStream>, SendResponse<Bytes>);

fn route(upstream: SocketAddr, keys: &str) -> String {
    format!(
        "listeners:\n  - address: 127.0.0.1:0\n    routes:\n      - prefix: /\n        upstream: http://{upstream}\n        \
         http2: true\n        {keys}\n"
    )
}

/// What an upstream does with a connection after a call.
enum Next {
    GoOn,
    GoAway,
    Silence,
    Close,
}

/// Starts an upstream that takes a limited number of streams at a time; the function gets the number of the connection and, on it,
/// of the call.
async fn upstream<F>(streams: u32, answer: impl Fn(usize, usize, Call) -> F + Send + Sync + 'static) -> SocketAddr
where
    F: Future<Output = Next> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        for number in 0.. {
            let stream = listener.accept().await.unwrap().0;
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut server =
                    Builder::new().max_concurrent_streams(streams).handshake::<_, Bytes>(stream).await.unwrap();
                let mut calls = 0;
                while let Some(Ok(call)) = server.accept().await {
                    match answer(number, calls, call).await {
                        Next::GoOn => {}
                        Next::GoAway => server.graceful_shutdown(),
                        Next::Silence => pending().await,
                        Next::Close => break,
                    }
                    calls += 1;
                }
            });
        }
    });
    address
}

fn ok((_, mut response): Call) {
    // The gateway may have lost its patience.
    if let Ok(mut stream) = response.send_response(Response::new(()), false) {
        let _ = stream.send_data("ok".into(), true);
    }
}

/// Sends requests on several connections, and returns how many were answered well.
async fn load(address: SocketAddr, clients: usize, requests: usize, method: &'static str) -> usize {
    let client = move || {
        let mut connection = Connection::open(address);
        let mut answered = 0;
        for _ in 0..requests {
            let body = if method == "POST" { "Content-Length: 4\r\n\r\nbody" } else { "\r\n" };
            connection.write(format!("{method} / HTTP/1.1\r\nHost: h\r\n{body}"));
            let response = connection.response();
            answered += usize::from((response.status, response.body.as_str()) == (200, "ok"));
        }
        answered
    };
    spawn_blocking(move || {
        let clients: Vec<_> = (0..clients).map(|_| thread::spawn(client)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_go_away_lose_nothing() {
    let served = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&served);
    let upstream = upstream(100, move |_, number, call| {
        count.fetch_add(1, Relaxed);
        ok(call);
        async move { if number == 99 { Next::GoAway } else { Next::GoOn } }
    });
    let gateway = Gateway::configured(&route(upstream.await, ""), &[]);
    assert_eq!(load(gateway.address, 8, 375, "POST").await, 3000);
    assert_eq!(served.load(Relaxed), 3000);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_streams_are_sent_again_whatever_the_method() {
    let number = AtomicUsize::new(0);
    let upstream = upstream(100, move |_, _, mut call| {
        if number.fetch_add(1, Relaxed) % 3 == 2 {
            call.1.send_reset(Reason::REFUSED_STREAM);
        } else {
            ok(call);
        }
        async { Next::GoOn }
    });
    let gateway = Gateway::configured(&route(upstream.await, ""), &[]);
    assert_eq!(load(gateway.address, 1, 100, "POST").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_reset_otherwise_is_not_sent_again() {
    let served = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&served);
    let upstream = upstream(100, move |_, _, mut call| {
        count.fetch_add(1, Relaxed);
        call.1.send_reset(Reason::INTERNAL_ERROR);
        async { Next::GoOn }
    });
    let gateway = Gateway::configured(&route(upstream.await, ""), &[]);
    assert_eq!(load(gateway.address, 1, 3, "GET").await, 0);
    assert_eq!(served.load(Relaxed), 3);
}

/// After a time-out, requests go elsewhere until the connection shows a sign of life.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_left() {
    let upstream = upstream(100, |connection, _, call| async move {
        if connection == 0 {
            return Next::Silence;
        }
        ok(call);
        Next::GoOn
    });
    let gateway = Gateway::configured(&route(upstream.await, "timeout: 300ms"), &[]);
    // The upstream's word about settings may still come to the first.
    assert!(load(gateway.address, 1, 20, "POST").await >= 18);
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_find_a_dead_connection() {
    let upstream = upstream(100, |connection, number, call| async move {
        if connection == 0 && number == 1 {
            return Next::Silence;
        }
        ok(call);
        Next::GoOn
    });
    let gateway = Gateway::configured(&route(upstream.await, "ping_interval: 50ms\n        ping_timeout: 50ms"), &[]);
    assert_eq!(load(gateway.address, 1, 3, "GET").await, 3);
}

/// What an upstream reads slowly, it takes nevertheless: PINGs wait behind it.
#[cfg(target_os = "linux")]
#[test]
fn an_upstream_that_reads_slowly_is_not_dead() {
    const LENGTH: usize = 8 << 20;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = listener.local_addr().unwrap();
    let reading = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let window = (1u32 << 30).to_be_bytes();
        let settings = [&[0, 4], &window[..]].concat();
        stream.write_all(&frame(SETTINGS, 0, 0, &settings)).unwrap();
        stream.write_all(&frame(WINDOW_UPDATE, 0, 0, &window)).unwrap();
        let (mut buffer, mut all) = (vec![0; 64 * 1024], 0);
        while all < LENGTH {
            thread::sleep(Duration::from_millis(40));
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(read) => all += read,
            }
        }
        all
    });
    let gateway = Gateway::configured(&route(upstream, "ping_interval: 500ms\n        ping_timeout: 500ms"), &[]);
    let mut client = Connection::open(gateway.address);
    client.write(format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {LENGTH}\r\n\r\n"));
    let sending = thread::spawn(move || {
        let _ = client.stream.get_mut().write_all(&vec![b'x'; LENGTH]);
        client
    });
    let read = reading.join().unwrap();
    assert!(read >= LENGTH, "{read}");
    drop(sending.join());
}

/// Clients that read nothing of their answers hold up no others.
#[tokio::test(flavor = "multi_thread")]
async fn streams_do_not_wait_for_each_other() {
    let upstream = upstream(100, |_, _, (request, mut response)| {
        if request.uri().path() == "/large" {
            let mut stream = response.send_response(Response::new(()), false).unwrap();
            stream.send_data(vec![b'x'; 8 << 20].into(), true).unwrap();
        } else {
            ok((request, response));
        }
        async { Next::GoOn }
    });
    let gateway = Gateway::configured(&route(upstream.await, ""), &[]);
    let address = gateway.address;
    let answered = spawn_blocking(move || {
        let stalled: Vec<_> = (0..32)
            .map(|_| {
                let mut client = Connection::open(address);
                client.write("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
                assert!(client.head().first_line.contains("200"));
                client
            })
            .collect();
        thread::sleep(Duration::from_millis(500));
        let response = get(address, &[]);
        drop(stalled);
        response.body
    });
    assert_eq!(answered.await.unwrap(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_opened_when_streams_are_used_up() {
    let all = Arc::new(Barrier::new(8));
    let connections = Arc::<AtomicUsize>::default();
    let most = Arc::clone(&connections);
    let upstream = upstream(2, move |connection, _, call| {
        most.fetch_max(connection + 1, Relaxed);
        let all = Arc::clone(&all);
        tokio::spawn(async move {
            all.wait().await;
            ok(call);
        });
        async { Next::GoOn }
    });
    let gateway = Gateway::configured(&route(upstream.await, ""), &[]);
    assert_eq!(load(gateway.address, 8, 1, "POST").await, 8);
    assert_eq!(connections.load(Relaxed), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_connections_is_bounded() {
    const MOST: usize = 16;
    let all = Arc::new(Barrier::new(MOST));
    let connections = Arc::<AtomicUsize>::default();
    let most = Arc::clone(&connections);
    let upstream = upstream(1, move |connection, number, call| {
        most.fetch_max(connection + 1, Relaxed);
        let all = Arc::clone(&all);
        async move {
            if connection < MOST && number == 0 {
                all.wait().await;
            }
            ok(call);
            Next::GoOn
        }
    });
    let gateway = Gateway::configured(&route(upstream.await, ""), &[]);
    assert_eq!(load(gateway.address, MOST + 8, 1, "POST").await, MOST + 8);
    assert_eq!(connections.load(Relaxed), MOST);
}

/// Starts an upstream that answers at once, one call at a time on a connection, and reads on. The receiver gets the connection of each
/// request, and how much of its body was received.
async fn early_upstream() -> (SocketAddr, UnboundedReceiver<(usize, usize)>) {
    let (sender, bodies) = unbounded_channel();
    let upstream = upstream(1, move |connection, _, (request, mut response): Call| {
        let (sender, mut body) = (sender.clone(), request.into_body());
        let mut stream = response.send_response(Response::new(()), false).unwrap();
        stream.send_data("ok".into(), true).unwrap();
        tokio::spawn(async move {
            let mut received = 0;
            while let Some(Ok(data)) = body.data().await {
                received += data.len();
            }
            sender.send((connection, received)).unwrap();
        });
        async { Next::GoOn }
    });
    (upstream.await, bodies)
}

/// Sends a request, gets its answer, and sends its body then, with something else in the midst of it.
async fn upload(address: SocketAddr, between: impl FnOnce() + Send + 'static) {
    let upload = spawn_blocking(move || {
        let mut connection = Connection::open(address);
        connection.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n");
        assert_eq!(connection.response().body, "ok");
        connection.write("bo");
        between();
        connection.write("dy");
    });
    upload.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_its_place_until_its_body_is_sent() {
    let (upstream, mut bodies) = early_upstream().await;
    let gateway = Gateway::configured(&route(upstream, "timeout: 5s"), &[]);
    let address = gateway.address;
    upload(address, move || assert_eq!(get(address, &[]).status, 200)).await;
    assert_eq!(bodies.recv().await, Some((1, 0)));
    assert_eq!(bodies.recv().await, Some((0, 4)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_still_sends_a_body_is_not_idle() {
    let (upstream, mut bodies) = early_upstream().await;
    let gateway = Gateway::configured(&route(upstream, "pool_idle_timeout: 100ms"), &[]);
    upload(gateway.address, || thread::sleep(Duration::from_millis(500))).await;
    assert_eq!(bodies.recv().await, Some((0, 4)));
}

/// The upstream resets what it does not read.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_wanted_gives_its_place_back() {
    let (sender, mut served) = unbounded_channel();
    let upstream = upstream(1, move |connection, _, call| {
        ok(call);
        sender.send(connection).unwrap();
        async { Next::GoOn }
    });
    let gateway = Gateway::configured(&route(upstream.await, ""), &[]);
    let address = gateway.address;
    upload(address, move || {
        assert_eq!(served.blocking_recv(), Some(0));
        // The reset may come later than the answer.
        let is_back = (0..1000).any(|_| {
            thread::sleep(Duration::from_millis(10));
            assert_eq!(get(address, &[]).status, 200);
            served.blocking_recv() == Some(0)
        });
        assert!(is_back);
    })
    .await;
}

/// An upstream that is restarted ends all of its connections, not the one that a request went out on alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_not_sent_again_on_a_connection_that_may_have_ended_too() {
    const CONNECTIONS: usize = 5;
    for (method, answered, arrivals) in [("GET", 1, 2), ("POST", 0, 1)] {
        let all = Arc::new(Barrier::new(CONNECTIONS));
        let served = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&served);
        let upstream = upstream(1, move |connection, number, call| {
            count.fetch_add(1, Relaxed);
            let all = Arc::clone(&all);
            async move {
                if number > 0 {
                    return Next::Close;
                }
                if connection < CONNECTIONS {
                    all.wait().await;
                }
                ok(call);
                Next::GoOn
            }
        });
        let gateway = Gateway::configured(&route(upstream.await, ""), &[]);
        assert_eq!(load(gateway.address, CONNECTIONS, 1, "POST").await, CONNECTIONS);
        assert_eq!(load(gateway.address, 1, 1, method).await, answered, "{method}");
        assert_eq!(served.load(Relaxed), CONNECTIONS + arrivals, "{method}");
    }
}

/// The connection ends when many others on it have been answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_an_interim_response_is_not_sent_again() {
    const OTHERS: usize = 256;
    for (has_interim, status) in [(true, 502), (false, 200)] {
        let (sender, mut unanswered) = unbounded_channel();
        let upstream = upstream(100, move |connection, number, mut call| {
            let ends = (connection, number) == (0, OTHERS + 2);
            if (connection, number) == (0, 1) {
                if has_interim {
                    call.1.send_informational(Response::builder().status(103).body(()).unwrap()).unwrap();
                }
                sender.send(call).unwrap();
            } else if !ends {
                ok(call);
            }
            async move { if ends { Next::Close } else { Next::GoOn } }
        });
        let gateway = Gateway::configured(&route(upstream.await, ""), &[]);
        assert_eq!(load(gateway.address, 1, 1, "GET").await, 1);
        let mut connection = Connection::open(gateway.address);
        connection.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        let _call = unanswered.recv().await.unwrap();
        assert_eq!(load(gateway.address, 1, OTHERS + 1, "GET").await, OTHERS + 1);
        let answered = spawn_blocking(move || {
            if has_interim {
                assert!(connection.head().first_line.starts_with("HTTP/1.1 103"));
            }
            connection.response().status
        });
        assert_eq!(answered.await.unwrap(), status);
    }
}

/// A connection with GOAWAY stays open while a call on it is under way.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_go_away_together_lose_nothing() {
    const CONNECTIONS: usize = 8;
    let (all, end) = (Arc::new(Barrier::new(2 * CONNECTIONS)), Arc::new(Semaphore::new(0)));
    let (gone, mut went) = unbounded_channel();
    let held = Arc::clone(&end);
    let upstream = upstream(2, move |connection, number, call| {
        let (all, held, gone) = (Arc::clone(&all), Arc::clone(&held), gone.clone());
        async move {
            if connection >= CONNECTIONS || number > 1 {
                ok(call);
                return Next::GoOn;
            }
            if number == 0 {
                tokio::spawn(async move {
                    all.wait().await;
                    drop(held.acquire().await);
                    ok(call);
                });
                return Next::GoOn;
            }
            all.wait().await;
            ok(call);
            gone.send(()).unwrap();
            Next::GoAway
        }
    });
    let gateway = Gateway::configured(&route(upstream.await, ""), &[]);
    let waiting = tokio::spawn(load(gateway.address, 2 * CONNECTIONS, 1, "POST"));
    for _ in 0..CONNECTIONS {
        went.recv().await.unwrap();
    }
    assert_eq!(load(gateway.address, 1, 20, "POST").await, 20);
    end.close();
    assert_eq!(waiting.await.unwrap(), 2 * CONNECTIONS);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_complete_only_if_its_stream_says_so() {
    for (ends, error) in
        [(true, Value::Null), (false, "the upstream closed the connection before the end of its answer".into())]
    {
        let upstream = upstream(100, move |_, _, mut call: Call| {
            let mut stream = call.1.send_response(Response::new(()), false).unwrap();
            stream.send_data("ok".into(), ends).unwrap();
            tokio::spawn(async move {
                sleep(Duration::from_millis(50)).await;
                call.1.send_reset(Reason::NO_ERROR);
                drop(stream);
            });
            async { Next::GoOn }
        });
        let gateway = Gateway::configured(&route(upstream.await, ""), &[]);
        let address = gateway.address;
        spawn_blocking(move || {
            let mut connection = Connection::open(address);
            connection.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            let mut answer = Vec::new();
            let head = connection.head();
            assert_eq!(head.one("transfer-encoding"), "chunked");
            if ends {
                answer = head.read_body(&mut connection.stream);
            } else {
                let _ = std::io::Read::read_to_end(&mut connection.stream, &mut answer);
                assert!(!answer.ends_with(b"0\r\n\r\n"), "{answer:?}");
            }
            assert!(!answer.is_empty());
        })
        .await
        .unwrap();
        assert_eq!(span_of(gateway)["error"], error);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_heads_go_through_up_to_limits_of_their_own() {
    for (fields, bytes, status) in [(101, 10, 200), (300, 10, 502), (1, 20_000, 200), (2, 40_000, 502)] {
        let upstream = upstream(100, move |_, _, (_, mut response): Call| {
            let mut head = Response::new(());
            for number in 0..fields {
                let name = hyper::header::HeaderName::try_from(format!("x-{number}")).unwrap();
                head.headers_mut().insert(name, "v".repeat(bytes).parse().unwrap());
            }
            response.send_response(head, true).unwrap();
            async { Next::GoOn }
        });
        let gateway = Gateway::configured(&route(upstream.await, ""), &[]);
        let address = gateway.address;
        let response = spawn_blocking(move || get(address, &[])).await.unwrap();
        assert_eq!(response.status, status, "{fields} {bytes}");
        let error = if status == 200 {
            Value::Null
        } else {
            "the head of the upstream's answer exceeds the route's header_bytes or header_fields".into()
        };
        assert_eq!(span_of(gateway)["error"], error, "{fields} {bytes}");
    }
}
