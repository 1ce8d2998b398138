//! The names and values of OpenTelemetry's conventions for HTTP and RPC that servers, clients and proxies share.
//!
//! [OpenTelemetry: HTTP spans](https://opentelemetry.io/docs/specs/semconv/http/http-spans/)

use http::{Method, Version};

mod grpc;

pub use self::grpc::{GrpcStatus, grpc_method, is_grpc_web};

/// The method of a request.
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// The method of a request as received, if the conventions do not know it.
pub const HTTP_REQUEST_METHOD_ORIGINAL: &str = "http.request.method_original";
/// The prefix of attributes that hold a field of the request.
pub const HTTP_REQUEST_HEADER: &str = "http.request.header.";
/// The status code of a response.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// The route that a request matched.
pub const HTTP_ROUTE: &str = "http.route";
/// The version of HTTP, as [`protocol_version`] writes it.
pub const NETWORK_PROTOCOL_VERSION: &str = "network.protocol.version";
/// The IP address of the other end of the connection.
pub const NETWORK_PEER_ADDRESS: &str = "network.peer.address";
/// The port of the other end of the connection.
pub const NETWORK_PEER_PORT: &str = "network.peer.port";
/// The address of the client, behind any proxies.
pub const CLIENT_ADDRESS: &str = "client.address";
/// The host that a request is for.
pub const SERVER_ADDRESS: &str = "server.address";
/// The port that a request is for.
pub const SERVER_PORT: &str = "server.port";
/// The whole URL of a client's request.
pub const URL_FULL: &str = "url.full";
/// The path of a URL.
pub const URL_PATH: &str = "url.path";
/// The query of a URL, without the `?`.
pub const URL_QUERY: &str = "url.query";
/// The scheme of a URL.
pub const URL_SCHEME: &str = "url.scheme";
/// The `User-Agent` field of a request.
pub const USER_AGENT_ORIGINAL: &str = "user_agent.original";
/// The class of error that a request ended with.
pub const ERROR_TYPE: &str = "error.type";
/// The method of a remote procedure call, with its service: `grpc.health.v1.Health/Check`.
pub const RPC_METHOD: &str = "rpc.method";
/// The method of a remote procedure call as received, if the server does not know it.
pub const RPC_METHOD_ORIGINAL: &str = "rpc.method_original";
/// The status of a remote procedure call, such as `OK`.
pub const RPC_RESPONSE_STATUS_CODE: &str = "rpc.response.status_code";
/// The system of a remote procedure call, such as `grpc`.
pub const RPC_SYSTEM_NAME: &str = "rpc.system.name";
/// The reason why the trace context of a request was refused. This name is not from the conventions.
pub const TRACEPARENT_REFUSED: &str = "traceparent.refused";

/// The format of the trace context that a request came with, such as `b3`. This name is not from the conventions.
pub const TRACEPARENT_FORMAT: &str = "traceparent.format";
/// The format of a trace context of another trace that a request came with. This name is not from the conventions.
pub const TRACEPARENT_CONFLICT: &str = "traceparent.conflict";

/// The value of [`HTTP_REQUEST_METHOD`] for methods that the conventions do not know.
pub const OTHER_METHOD: &str = "_OTHER";

/// The methods that the conventions know: those of RFC 9110, `PATCH` and `QUERY`.
///
/// [OpenTelemetry: `http.request.method`](https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/)
pub const KNOWN_METHODS: [&str; 10] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];

/// Returns the name of a method that the conventions know, or `None` for any other.
///
/// Methods are case-sensitive. Callers can send any number of unknown ones, so span names and metrics hold
/// [`OTHER_METHOD`] or `HTTP` in their place.
///
/// ```
/// use http::Method;
/// use traceparent_http::semconv::known_method;
///
/// assert_eq!(known_method(&Method::GET), Some("GET"));
/// assert_eq!(known_method(&Method::from_bytes(b"QUERY")?), Some("QUERY"));
/// assert_eq!(known_method(&Method::from_bytes(b"get")?), None);
/// # Ok::<(), http::method::InvalidMethod>(())
/// ```
pub fn known_method(method: &Method) -> Option<&'static str> {
    KNOWN_METHODS.into_iter().find(|known| *known == method.as_str())
}

/// Returns the value of [`NETWORK_PROTOCOL_VERSION`], or `None` for a version without a known name.
///
/// ```
/// use http::Version;
/// use traceparent_http::semconv::protocol_version;
///
/// assert_eq!(protocol_version(Version::HTTP_11), Some("1.1"));
/// assert_eq!(protocol_version(Version::HTTP_2), Some("2"));
/// ```
pub fn protocol_version(version: Version) -> Option<&'static str> {
    Some(match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => return None,
    })
}
