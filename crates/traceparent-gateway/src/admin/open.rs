use std::{future::pending, io, net::SocketAddr, sync::Arc};

use tokio::task::JoinSet;

use super::AdminService;
use crate::{http::Server, operator::tell};

/// Serves the admin API for as long as the returned set exists.
pub(crate) async fn open(address: SocketAddr, service: AdminService) -> io::Result<JoinSet<()>> {
    let mut server = Server::bind(address).await?;
    tell(format_args!("traces, metrics and health at http://{}", server.address()));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { server.serve(Arc::new(service), pending()).await });
    Ok(tasks)
}
