//! HTTP without tracing: servers, clients, and the rules of a proxy for heads and bodies.

mod body;
mod client;
mod failure;
mod headers;
mod server;
mod timer;

pub(crate) use self::{
    body::{BoxError, GuardedBody, Paused, TimeoutBody},
    client::{AnswerBody, Client, ConnectOptions, LivenessOptions, TcpConnector},
    failure::Failure,
    headers::{ForwardOptions, forward_request, host, names_one_host, remove_hop_by_hop, upgrade},
    server::{Handler, Peer, Server, UnderWay, allow_many_connections},
};
