use std::time::Duration;

use hyper::body::{Body, Bytes};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::config::Route;

/// A client that keeps its connections open.
pub(crate) type Client<B> = legacy::Client<HttpConnector, B>;

/// The options of connections to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectOptions {
    /// Whether to use HTTP/2, with prior knowledge, instead of HTTP/1.1.
    pub(crate) http2: bool,
    /// The time limit for connecting.
    pub(crate) connect_timeout: Duration,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self { http2: false, connect_timeout: Route::CONNECT_TIMEOUT }
    }
}

/// Creates a client.
pub(crate) fn client<B>(options: ConnectOptions) -> Client<B>
where
    B: Body<Data = Bytes> + Send,
{
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(options.connect_timeout));
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new()).http2_only(options.http2);
    builder.build(connector)
}
