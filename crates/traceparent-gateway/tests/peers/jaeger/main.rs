//! Jaeger's UI with traces in memory, taken by OTLP over gRPC: `jaeger UI_ADDRESS OTLP_ADDRESS`.

use std::{env, error::Error};

use otlp_embedded::{Config, State, TraceServiceImpl, TraceServiceServer, ui_app};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [ui, otlp] = &arguments[..] else { return Err("usage: jaeger UI_ADDRESS OTLP_ADDRESS".into()) };
    let state = State::new(Config { max_length: 1000, max_memory_usage: 1 << 27 });
    let service = TraceServiceServer::new(TraceServiceImpl::new(state.clone()));
    let collector = tonic::transport::Server::builder().add_service(service).serve(otlp.parse()?);
    let pages = axum::serve(TcpListener::bind(ui).await?, ui_app(state, "/")).into_future();
    tokio::select! {
        ended = pages => ended?,
        ended = collector => ended?,
    }
    Ok(())
}
