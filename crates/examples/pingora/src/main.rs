//! A proxy of pingora that takes part in traces: the filter of its requests continues the caller's trace, or starts one, and hands
//! the upstream a span of its own. `ProxyHttp` is all that a proxy needs.
//!
//! `cargo run` in this folder sends three requests through it and ends. The build needs cmake, for zlib-ng.

mod local;

use std::{env, net::SocketAddr, process, thread};

use async_trait::async_trait;
use pingora::prelude::*;
use traceparent::{Outgoing, Percent, Policy, RandomIdGenerator, sampler::ProbabilitySampler};

struct Proxy {
    upstream: SocketAddr,
    policy: Policy<ProbabilitySampler>,
}

/// The span that serves a request.
type Span = Outgoing<'static>;

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Option<Span>;

    fn new_ctx(&self) -> Self::CTX {
        None
    }

    /// Runs before all else, so that every other filter finds the span.
    async fn early_request_filter(&self, session: &mut Session, span: &mut Self::CTX) -> Result<()> {
        let incoming = traceparent_http::extract(&session.req_header().headers);
        if let Some(error) = incoming.error() {
            eprintln!("{}: {error}", session.request_summary());
        }
        *span = Some(self.policy.apply(incoming, &RandomIdGenerator).into_owned());
        Ok(())
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }

    /// Runs for each attempt, so that a retry has a span of its own.
    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        call: &mut RequestHeader,
        span: &mut Self::CTX,
    ) -> Result<()> {
        let Some(span) = span else { return Ok(()) };
        // Not by `traceparent_http::inject`: pingora keeps the spelling of the names beside the map.
        for (name, value) in span.child(&RandomIdGenerator).fields() {
            match value {
                Some(value) => call.insert_header(name, value.to_string())?,
                None => drop(call.remove_header(name)),
            }
        }
        Ok(())
    }

    /// Writes a line of the access log.
    async fn logging(&self, session: &mut Session, _: Option<&pingora::Error>, span: &mut Self::CTX) {
        let Some(span) = span else { return };
        let status = session.response_written().map_or(0, |response| response.status.as_u16());
        let parent = span.parent_id().map_or_else(|| "-".to_owned(), |id| id.to_string());
        eprintln!("{} {status} {} {parent}", session.request_summary(), span.traceparent());
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let upstream = local::upstream()?;
    let socket = env::temp_dir().join(format!("traceparent-pingora-{}", process::id()));

    let mut server = Server::new(None)?;
    server.bootstrap();
    // Callers decide about sampling. Of the traces that start here, one in ten is sampled.
    let policy = Policy::new(ProbabilitySampler::from_percent(Percent::from_static("10")));
    let mut proxy = http_proxy_service(&server.configuration, Proxy { upstream, policy });
    // A proxy on a network listens by `add_tcp`.
    proxy.add_uds(&socket.to_string_lossy(), None);
    server.add_service(proxy);
    thread::spawn(|| server.run_forever());

    let sent = local::requests(&socket);
    std::fs::remove_file(&socket)?;
    sent
}
