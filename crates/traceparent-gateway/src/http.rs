//! HTTP without tracing: servers, clients, and what a proxy does to heads and bodies.

pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod failure;
pub(crate) mod headers;
pub(crate) mod server;
mod timer;
