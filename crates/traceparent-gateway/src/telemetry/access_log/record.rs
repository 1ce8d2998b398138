use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use hyper::{Method, Version};
use traceparent::{Origin, SpanId, TraceId};

use crate::http::Failure;

/// A request that has ended, or was refused before its head had.
#[derive(Clone, Debug)]
pub(crate) struct AccessRecord {
    /// The time at which the head of the request had arrived.
    pub(crate) time: SystemTime,
    /// The time from then to the end of the response.
    pub(crate) duration: Duration,
    /// The address of the client, by what a trusted proxy says or else by the connection.
    pub(crate) client: IpAddr,
    /// The other end of the connection.
    pub(crate) peer: SocketAddr,
    /// `None` without a head.
    pub(crate) method: Option<Method>,
    /// The path, and the query without its values; `None` without a head.
    pub(crate) target: Option<String>,
    /// `None` without a head.
    pub(crate) version: Option<Version>,
    pub(crate) host: Option<String>,
    /// The URL that led to the request, without the values of its query.
    pub(crate) referer: Option<String>,
    pub(crate) user_agent: Option<String>,
    /// The status of the response; `None` without a response.
    pub(crate) status: Option<u16>,
    pub(crate) failure: Option<Failure>,
    /// The number of received bytes of the request's body.
    pub(crate) received: u64,
    /// The number of bytes of the response's body.
    pub(crate) sent: u64,
    /// The address of the connection to the upstream.
    pub(crate) upstream: Option<SocketAddr>,
    /// The time from the beginning of the call to the head of the upstream's answer.
    pub(crate) upstream_duration: Option<Duration>,
    /// `None` for a request that is not traced.
    pub(crate) trace: Option<TraceRecord>,
}

/// The trace of a request.
#[derive(Clone, Debug)]
pub(crate) struct TraceRecord {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) sampled: bool,
    pub(crate) origin: Origin,
    /// The errors of the received context, in words.
    pub(crate) refused: Option<Arc<str>>,
}

impl AccessRecord {
    /// Returns the approximate memory of the record, in bytes.
    pub(super) fn memory(&self) -> usize {
        let texts = [&self.target, &self.host, &self.referer, &self.user_agent];
        let texts = texts.into_iter().flatten().map(String::capacity);
        let method = self.method.as_ref().map_or(0, |method| method.as_str().len());
        size_of::<Self>() + method + texts.sum::<usize>()
    }
}
