//! Two services of axum, with a client of reqwest in between and logs in JSON. Every log line has the IDs of its request: those
//! of a task that outlives the handler, and those of a stream that is sent after it.
//!
//! `cargo run -p traceparent-tower --example axum --features axum,reqwest-middleware,tracing-subscriber`

use std::{error::Error, io, net::SocketAddr};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    response::Response,
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tokio::{net::TcpListener, sync::oneshot};
use tokio_stream::StreamExt;
use traceparent::{
    Percent,
    sampler::{AlwaysOn, ProbabilitySampler},
};
use traceparent_tower::{Egress, ExtractTraceContextLayer, InjectTraceContextLayer, TraceContextFormat, spawn};
use tracing::info;

/// The service that the public calls: it asks the other one, and writes a receipt behind the response.
#[derive(Clone)]
struct Orders {
    stock: SocketAddr,
    client: ClientWithMiddleware,
}

async fn order(State(orders): State<Orders>, Path(id): Path<u32>) -> Result<String, String> {
    info!(id, "an order arrives");
    let (written, receipt) = oneshot::channel();
    spawn(async move {
        info!(id, "a task of its own writes the receipt");
        written.send(()).ok();
    });
    let url = format!("http://{}/stock/{id}", orders.stock);
    let response = orders.client.get(url).send().await.map_err(|error| error.to_string())?;
    let body = response.bytes().await.map_err(|error| error.to_string())?;
    receipt.await.map_err(|error| error.to_string())?;
    Ok(format!("{} bytes", body.len()))
}

/// The service behind it, which answers with a stream.
async fn stock(Path(id): Path<u32>) -> Response {
    info!(id, "looking into the stock");
    let shelves = tokio_stream::iter(1..=3).map(move |shelf| {
        info!(id, shelf, "a shelf is sent");
        Ok::<_, io::Error>(Bytes::from(format!("{shelf}\n")))
    });
    Response::new(Body::from_stream(shelves))
}

/// Serves a router as `axum::serve` does, for which axum needs two more features.
async fn serve(router: Router) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(router.clone());
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(address)
}

/// Runs both services, and returns the body of one request's response.
async fn run() -> Result<String, Box<dyn Error>> {
    // Callers decide about sampling. Of the traces that start here, one in ten is sampled.
    let tenth = ProbabilitySampler::from_percent(Percent::from_static("10"));
    let stock = Router::new().route("/stock/{id}", get(stock)).layer(ExtractTraceContextLayer::new(AlwaysOn));
    let stock = serve(stock).await?;
    // The context stays inside.
    let inject = InjectTraceContextLayer::new().egress(|host: &str| match host {
        "127.0.0.1" => Egress::Inject,
        _ => Egress::Strip,
    });
    let client = reqwest::Client::builder().redirect(inject.redirect_policy()).build()?;
    let client = ClientBuilder::new(client).with(inject).build();
    let orders = Router::new()
        .route("/orders/{id}", get(order))
        .layer(ExtractTraceContextLayer::new(tenth))
        .with_state(Orders { stock, client });
    let orders = serve(orders).await?;

    let request = reqwest::Client::new().get(format!("http://{orders}/orders/7"));
    let request = request.header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    Ok(request.send().await?.error_for_status()?.text().await?)
}

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().json().flatten_event(true).map_event_format(TraceContextFormat::json).init();
    let body = tokio::runtime::Runtime::new()?.block_on(run())?;
    info!(body, "outside of a request, a line has no IDs");
    Ok(())
}
