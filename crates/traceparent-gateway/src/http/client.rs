use std::time::Duration;

use hyper::body::{Body, Bytes};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::config::Route;

/// A client that keeps its connections.
pub(crate) type Client<B> = legacy::Client<HttpConnector, B>;

/// What connections of one kind have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Whether HTTP/2 is spoken, without asking first, rather than HTTP/1.1.
    pub(crate) http2: bool,
    /// How long a connection may take to come up.
    pub(crate) connect_timeout: Duration,
}

impl Default for Manner {
    fn default() -> Self {
        Self { http2: false, connect_timeout: Route::CONNECT_TIMEOUT }
    }
}

pub(crate) fn client<B>(manner: Manner) -> Client<B>
where
    B: Body<Data = Bytes> + Send,
{
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(manner.connect_timeout));
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new()).http2_only(manner.http2);
    builder.build(connector)
}
