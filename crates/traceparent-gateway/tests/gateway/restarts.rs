//! Upstreams that restart under load.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc::{Sender, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_client::TraceServiceClient,
    trace_service_server::{TraceService, TraceServiceServer},
};
use tokio::{runtime, sync::oneshot};
use tonic::{
    Request, Response, Status,
    transport::{Endpoint, Server, server::TcpIncoming},
};

use crate::support::Gateway;

const RESTARTS: usize = 10;
const CLIENTS: usize = 4;

fn block_on<F: Future>(future: impl FnOnce() -> F) -> F::Output {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { future().await })
}

/// A service that takes a moment for each call.
struct Slow;

#[tonic::async_trait]
impl TraceService for Slow {
    async fn export(
        &self,
        _: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        tokio::time::sleep(Duration::from_millis(2)).await;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// One of the servers of a service.
struct Instance {
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Instance {
    /// Starts a server beside others on one listener.
    fn start(listener: &TcpListener) -> Self {
        let listener = listener.try_clone().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = thread::spawn(move || {
            block_on(|| async {
                let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener).unwrap());
                let server = Server::builder().add_service(TraceServiceServer::new(Slow));
                let stopped = async { drop(stopped.await) };
                server.serve_with_incoming_shutdown(incoming, stopped).await.unwrap();
            });
        });
        Self { stop, running }
    }

    /// Stops the server after the calls that are under way.
    fn stop(self) {
        drop(self.stop);
        self.running.join().unwrap();
    }
}

fn call_until(done: &AtomicBool, gateway: String, calls: &AtomicUsize, failures: &Sender<Status>) {
    block_on(|| async {
        let channel = Endpoint::from_shared(gateway).unwrap().connect().await.unwrap();
        let mut client = TraceServiceClient::new(channel);
        while !done.load(Relaxed) {
            if let Err(status) = client.export(ExportTraceServiceRequest::default()).await {
                failures.send(status).unwrap();
            }
            calls.fetch_add(1, Relaxed);
        }
    });
}

#[test]
fn a_rolling_restart_fails_no_call() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let gateway = Gateway::configured(
        &format!(
            "listeners:\n  - address: 127.0.0.1:0\n    routes:\n      - {{prefix: /, upstream: \"http://{}\", http2: true}}\n",
            listener.local_addr().unwrap()
        ),
        &[],
    );
    let mut instances = [Instance::start(&listener), Instance::start(&listener)].map(Some);
    let (done, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (failed, failures) = channel();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (done, calls, failed) = (Arc::clone(&done), Arc::clone(&calls), failed.clone());
            let gateway = format!("http://{}", gateway.address);
            thread::spawn(move || call_until(&done, gateway, &calls, &failed))
        })
        .collect();
    for restart in 0..RESTARTS {
        let before = calls.load(Relaxed);
        while calls.load(Relaxed) < before + 20 {
            thread::sleep(Duration::from_millis(1));
        }
        let instance = &mut instances[restart % 2];
        instance.take().unwrap().stop();
        *instance = Some(Instance::start(&listener));
    }
    done.store(true, Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    let failures: Vec<_> = failures.try_iter().collect();
    assert!(failures.is_empty(), "{} of {} calls failed: {failures:?}", failures.len(), calls.load(Relaxed));
    for instance in instances.into_iter().flatten() {
        instance.stop();
    }
}
