use core::fmt;

use http::{
    HeaderMap, HeaderName, Uri,
    header::{CONTENT_TYPE, HeaderValue},
};

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The names of the status codes, in the order of their numbers.
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Returns service and method of a gRPC call, such as `grpc.health.v1.Health/Check`, or `None` for any other request.
///
/// A call has the content type `application/grpc` or `application/grpc-web`, with or without a format of messages.
///
/// [OpenTelemetry: gRPC](https://opentelemetry.io/docs/specs/semconv/rpc/grpc/)
///
/// ```
/// use http::{HeaderMap, Uri};
/// use traceparent_http::semconv::grpc_method;
///
/// let mut headers = HeaderMap::new();
/// let uri = Uri::from_static("/grpc.health.v1.Health/Check");
/// assert_eq!(grpc_method(&headers, &uri), None);
/// headers.append("content-type", "application/grpc+proto".parse()?);
/// assert_eq!(grpc_method(&headers, &uri), Some("grpc.health.v1.Health/Check"));
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
pub fn grpc_method<'a>(headers: &HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let content_type = content_type(headers);
    let is_call = is_of_type(content_type, "application/grpc") || is_web_type(content_type);
    let method = uri.path().strip_prefix('/').filter(|_| is_call)?;
    let (service, name) = method.split_once('/')?;
    if service.is_empty() || name.is_empty() || name.contains('/') { None } else { Some(method) }
}

/// Returns whether a request is a call of gRPC-Web, whose trailers are in the body.
pub fn is_grpc_web(headers: &HeaderMap) -> bool {
    is_web_type(content_type(headers))
}

fn content_type(headers: &HeaderMap) -> &[u8] {
    headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default()
}

fn is_web_type(content_type: &[u8]) -> bool {
    is_of_type(content_type, "application/grpc-web") || is_of_type(content_type, "application/grpc-web-text")
}

fn is_of_type(content_type: &[u8], kind: &str) -> bool {
    let Some((start, rest)) = content_type.split_at_checked(kind.len()) else { return false };
    start.eq_ignore_ascii_case(kind.as_bytes()) && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
}

/// The status of a gRPC call.
///
/// [gRPC: status codes](https://grpc.io/docs/guides/status-codes/)
///
/// ```
/// use http::HeaderMap;
/// use traceparent_http::semconv::GrpcStatus;
///
/// let mut trailers = HeaderMap::new();
/// assert_eq!(GrpcStatus::extract(&trailers), None);
/// trailers.append("grpc-status", "14".parse()?);
/// let status = GrpcStatus::extract(&trailers).unwrap();
/// assert_eq!((status.code(), status.as_str()), (14, "UNAVAILABLE"));
/// assert!(status.is_server_error());
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GrpcStatus(u8);

impl GrpcStatus {
    /// The call succeeded.
    pub const OK: Self = Self(0);

    /// The status is not known, or not one of gRPC's.
    pub const UNKNOWN: Self = Self(2);

    /// The server does not know the method.
    pub const UNIMPLEMENTED: Self = Self(12);

    /// Returns the status in the trailers of an answer, or in its head if it has no body. Returns `None` if there is none.
    ///
    /// A field that is not a number from 0 to 16, or occurs more than once, is [`UNKNOWN`](Self::UNKNOWN).
    pub fn extract(fields: &HeaderMap) -> Option<Self> {
        let mut values = fields.get_all(&GRPC_STATUS).into_iter();
        let value = values.next()?;
        if values.next().is_some() {
            return Some(Self::UNKNOWN);
        }
        let code = match value.as_bytes() {
            [digit @ b'0'..=b'9'] => digit - b'0',
            [b'1', digit @ b'0'..=b'6'] => 10 + (digit - b'0'),
            _ => return Some(Self::UNKNOWN),
        };
        Some(Self(code))
    }

    /// Returns the number of the status, from 0 to 16.
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Returns the name of the status, such as `DEADLINE_EXCEEDED`: the value of
    /// [`RPC_RESPONSE_STATUS_CODE`](super::RPC_RESPONSE_STATUS_CODE).
    pub const fn as_str(self) -> &'static str {
        NAMES[self.0 as usize]
    }

    /// Returns whether the status is an error of the server that answers with it.
    ///
    /// [OpenTelemetry: gRPC server](https://opentelemetry.io/docs/specs/semconv/rpc/grpc/#server)
    pub const fn is_server_error(self) -> bool {
        // UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS
        matches!(self.0, 2 | 4 | 12..=15)
    }

    /// Returns whether the status is an error for the client that receives it: any but `OK`.
    ///
    /// [OpenTelemetry: gRPC client](https://opentelemetry.io/docs/specs/semconv/rpc/grpc/#client)
    pub const fn is_client_error(self) -> bool {
        self.0 != 0
    }
}

impl fmt::Display for GrpcStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
