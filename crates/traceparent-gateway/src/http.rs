//! HTTP without tracing: servers, clients, and the rules of a proxy for heads and bodies.

#[macro_use]
mod forward;

mod body;
mod client;
mod coding;
mod date;
mod departure;
mod descriptors;
mod expect;
mod failure;
mod field_values;
mod fields;
mod forwarded;
mod headers;
mod insertions;
mod interim;
mod max_forwards;
mod pipe;
mod server;
mod stream_body;
mod target;
mod tcp;
mod timer;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "http/no_tls.rs"]
mod tls;
mod tokens;
mod trailers;
mod upgrade;
mod upstream_places;
mod via;
mod watch;

pub(crate) use self::{
    body::{BoxError, GuardedBody, Paused, TimeoutBody},
    client::{AnswerBody, Client, Connect, ConnectOptions, Connector, LivenessOptions, Offer, Stream},
    coding::{check_coding, frame},
    departure::Departure,
    descriptors::{for_upstreams, raise_limit, share},
    expect::ExpectBody,
    failure::{Failure, TlsFailure, TlsPeer},
    fields::FieldRules,
    headers::{ForwardOptions, forward_request, host, remove_hop_by_hop},
    interim::{Answered, Interim, InterimReceiver},
    max_forwards::answer_last_hop,
    server::{ClientBody, ConnectionCounts, Handler, Peer, PeerTls, Refusal, Server, UnderWay},
    target::{check_target, encode_target, is_host},
    tls::{TlsClient, TlsError, TlsServer},
    trailers::TrailersBody,
    upgrade::{is_asked_for, upgrade},
    upstream_places::UpstreamPlaces,
    via::Pseudonym,
};
