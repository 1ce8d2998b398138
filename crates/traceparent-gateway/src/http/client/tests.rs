use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Bytes};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, timeout},
};

use super::{
    Client, ConnectOptions, LivenessOptions, Offer,
    connect::{Connect, Connected, connect_any},
};
use crate::{
    config::Http2,
    http::{Failure, Interim},
};

/// Connects to the first of several addresses that takes a connection, whatever the name.
#[derive(Debug)]
struct Addresses(Vec<SocketAddr>);

impl Connect for Addresses {
    type Stream = TcpStream;

    async fn connect(&self, _: &str, _: u16, offer: Offer, limit: Duration) -> Result<Connected<TcpStream>, Failure> {
        let (stream, peer) = connect_any(&self.0, Instant::now() + limit).await?;
        Ok(Connected { stream, peer, protocol: offer.without_tls(), place: None })
    }
}

/// Connects to an address, after a connection that the upstream has reset.
#[derive(Debug)]
struct ResetOnce {
    address: SocketAddr,
    was_reset: AtomicBool,
}

impl Connect for ResetOnce {
    type Stream = TcpStream;

    async fn connect(&self, _: &str, _: u16, offer: Offer, limit: Duration) -> Result<Connected<TcpStream>, Failure> {
        if !self.was_reset.swap(true, Relaxed) {
            return Err(Failure::Unreachable(io::ErrorKind::ConnectionReset));
        }
        let (stream, peer) = connect_any(&[self.address], Instant::now() + limit).await?;
        Ok(Connected { stream, peer, protocol: offer.without_tls(), place: None })
    }
}

fn options() -> ConnectOptions {
    let second = Duration::from_secs(1);
    ConnectOptions {
        authority: "orders.example".parse().unwrap(),
        tls: None,
        http2: Http2::Always,
        connect_timeout: 60 * second,
        retries: 1,
        header_bytes: 64 * 1024,
        header_fields: 100,
        liveness: LivenessOptions { ping_interval: 60 * second, ping_timeout: 60 * second, idle_timeout: 60 * second },
    }
}

/// A replica that runs until it is told to stop, and then finishes the calls under way.
struct Replica {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Replica {
    async fn start(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        Self { address, stop, task: tokio::spawn(run(listener, stopped)) }
    }

    /// Stops the replica, and starts it again at the same address.
    async fn restart(self) -> Self {
        self.stop.send_replace(true);
        self.task.await.unwrap();
        Self::start(self.address).await
    }
}

async fn run(listener: TcpListener, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            stream = listener.accept() => stream.unwrap().0,
        };
        connections.spawn(serve(stream, stopped.clone()));
    }
    drop(listener);
    connections.join_all().await;
}

async fn serve(stream: TcpStream, mut stopped: watch::Receiver<bool>) {
    let Ok(mut server) = h2::server::handshake(stream).await else { return };
    let mut stopping = false;
    loop {
        let call = select! {
            call = server.accept() => call,
            _ = stopped.wait_for(|stopped| *stopped), if !stopping => {
                stopping = true;
                server.graceful_shutdown();
                continue;
            }
        };
        let Some(Ok((request, mut response))) = call else { return };
        tokio::spawn(async move {
            let mut body = request.into_body();
            let mut received = 0;
            while let Some(data) = body.data().await {
                let Ok(data) = data else { return };
                received += data.len();
                let _ = body.flow_control().release_capacity(data.len());
            }
            if let Ok(mut stream) = response.send_response(Response::new(()), false) {
                let _ = stream.send_data(received.to_string().into(), true);
            }
        });
    }
}

async fn call<C: Connect>(client: &Client<Full<Bytes>, C>) -> Result<Bytes, Failure> {
    let request = Request::post("http://orders.example/Orders/Place").body(Full::from("order")).unwrap();
    let (head, body) = request.into_parts();
    let response = client.request(&head, body, &Interim::channel(&Request::new(())).0, &mut None).await?;
    Ok(response.into_body().collect().await.map_err(|_| Failure::AnswerCut)?.to_bytes())
}

#[tokio::test]
async fn a_body_that_found_no_connection_is_sent_on_the_next_one() {
    let replica = Replica::start(SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let client = Client::new(ResetOnce { address: replica.address, was_reset: AtomicBool::new(false) }, options());
    let answered = timeout(Duration::from_secs(60), call(&client)).await;
    assert_eq!(answered.unwrap().unwrap(), "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_fails_no_call() {
    let mut replicas = Vec::new();
    for _ in 0..2 {
        replicas.push(Replica::start(SocketAddr::from(([127, 0, 0, 1], 0))).await);
    }
    let client = Client::new(Addresses(replicas.iter().map(|replica| replica.address).collect()), options());
    let (running, called) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicUsize>::default());
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let (client, running, called) = (client.clone(), Arc::clone(&running), Arc::clone(&called));
        callers.spawn(async move {
            while running.load(Relaxed) {
                assert_eq!(call(&client).await.unwrap(), "5");
                called.fetch_add(1, Relaxed);
            }
        });
    }
    for restart in 0..20 {
        // The next one is restarted only when calls are answered again.
        while called.load(Relaxed) < 100 * (restart + 1) {
            if let Some(ended) = callers.try_join_next() {
                ended.unwrap();
            }
            sleep(Duration::from_millis(1)).await;
        }
        let replica = replicas.remove(0);
        replicas.push(replica.restart().await);
    }
    running.store(false, Relaxed);
    callers.join_all().await;
}
