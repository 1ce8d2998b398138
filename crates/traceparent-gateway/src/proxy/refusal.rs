use http_body_util::Full;
use hyper::{
    HeaderMap, Response, StatusCode, Uri,
    body::Bytes,
    header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue},
};
use traceparent_http::semconv::{grpc_method, is_grpc_web};

use crate::http::Failure;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The form in which a client understands a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefusalForm {
    /// A status of HTTP, and a text.
    Text,
    /// A status of gRPC, in a head without a body. Clients make `UNKNOWN` of most statuses of HTTP.
    Grpc {
        /// The content type of the call.
        content_type: &'static str,
    },
}

impl RefusalForm {
    /// Returns the form for the client that makes a request.
    pub(super) fn of(headers: &HeaderMap, uri: &Uri) -> Self {
        if grpc_method(headers, uri).is_none() {
            return Self::Text;
        }
        Self::Grpc { content_type: if is_grpc_web(headers) { "application/grpc-web" } else { "application/grpc" } }
    }

    /// Returns the answer to a request that fails.
    ///
    /// [gRPC over HTTP/2: responses](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses)
    pub(super) fn answer(self, failure: Failure) -> Response<Full<Bytes>> {
        let text = failure.answer();
        let (status, content_type, body) = match self {
            Self::Text => (failure.status(), "text/plain; charset=utf-8", Full::from(text)),
            Self::Grpc { content_type } => (StatusCode::OK, content_type, Full::default()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if failure.leaves_framing_open() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Self::Grpc { .. } = self {
            headers.insert(GRPC_STATUS, HeaderValue::from(u16::from(failure.grpc_status())));
            // Printable ASCII without a percent sign stands for itself.
            let message = HeaderValue::from_maybe_shared(Bytes::from_static(text.trim_ascii_end().as_bytes()));
            headers.extend(message.map(|message| (GRPC_MESSAGE, message)));
        }
        response
    }
}
