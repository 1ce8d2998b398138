//! The gateway inside of another program. This is for fuzzing alone, and outside of semantic versioning.

use std::{future::pending, io, net::SocketAddr, path::Path, sync::Arc};

use crate::{
    config::{Config, Environment},
    http::{Server, UpstreamPlaces},
    proxy::Proxy,
    telemetry::Telemetry,
    tracer::Tracer,
};

/// Serves the first listener of a configuration in a task of the current runtime, and returns its address. No span leaves
/// it.
///
/// # Errors
///
/// Returns an error if the configuration is invalid, or if its address cannot be listened on.
pub async fn serve(configuration: &str) -> io::Result<SocketAddr> {
    let Config { listeners, tracing, .. } =
        Config::parse(Path::new("fuzzing.yaml"), configuration, &Environment::default()).map_err(io::Error::other)?;
    let listener = listeners.into_iter().next().ok_or(io::ErrorKind::NotFound)?;
    let mut telemetry = Telemetry::new(&tracing, Environment::default());
    let (recorder, metrics) = (telemetry.recorder(), Arc::clone(telemetry.metrics()));
    let tracer = Tracer::new(&tracing, listener.trust, recorder, metrics, listener.forwarded);
    let mut server = Server::bind(listener.address).await?;
    let address = server.address();
    let proxy = Arc::new(Proxy::new(tracer, listener, UpstreamPlaces::default()).map_err(io::Error::other)?);
    tokio::spawn(async move { server.serve(proxy, pending()).await });
    Ok(address)
}
