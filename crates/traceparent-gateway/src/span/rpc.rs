use std::sync::Arc;

use hyper::{HeaderMap, Uri};
use traceparent::sampler::SpanKind;
use traceparent_http::semconv::{
    GrpcStatus, OTHER_METHOD, RPC_METHOD, RPC_METHOD_ORIGINAL, RPC_RESPONSE_STATUS_CODE, RPC_SYSTEM_NAME, grpc_method,
    is_grpc_web,
};

use super::{Attributes, semconv::cut};

/// A gRPC call, and its status as far as it is known.
///
/// [OpenTelemetry: gRPC](https://opentelemetry.io/docs/specs/semconv/rpc/grpc/)
#[derive(Clone, Debug)]
pub(crate) struct RpcCall {
    /// Service and method.
    method: Arc<str>,
    /// Whether trailers are in the body, and so not seen.
    is_web: bool,
    status: Option<GrpcStatus>,
    /// Whether the status is one of the gateway, which says nothing about the method.
    is_refused: bool,
}

impl RpcCall {
    /// The class of error of an answer without a status.
    pub(crate) const STATUS_MISSING: &'static str = "grpc_status_missing";

    /// Returns the call that a request makes, or `None` if it makes none.
    pub(crate) fn new(headers: &HeaderMap, uri: &Uri) -> Option<Self> {
        let method = cut(grpc_method(headers, uri)?).into();
        Some(Self { method, is_web: is_grpc_web(headers), status: None, is_refused: false })
    }

    /// Records the status that the head or the trailers of the answer have. That of trailers counts.
    pub(crate) fn answered(&mut self, fields: &HeaderMap) {
        self.status = GrpcStatus::extract(fields).or(self.status);
    }

    /// Records the status with which the gateway refuses the call.
    pub(crate) fn refused(&mut self, fields: &HeaderMap) {
        self.answered(fields);
        self.is_refused = true;
    }

    pub(crate) const fn status(&self) -> Option<GrpcStatus> {
        self.status
    }

    /// Returns whether an answer that has ended lacks its status.
    pub(crate) const fn is_status_missing(&self) -> bool {
        self.status.is_none() && !self.is_web
    }

    /// Returns the status if it is an error for this side of the call.
    pub(crate) fn error(&self, kind: SpanKind) -> Option<GrpcStatus> {
        let is_error = |status: &GrpcStatus| match kind {
            SpanKind::Client => status.is_client_error(),
            _ => status.is_server_error(),
        };
        self.status.filter(is_error)
    }

    /// Returns the method if the answer shows that the server knows it. No other one names spans, since clients can send
    /// any.
    pub(crate) fn known_method(&self) -> Option<&str> {
        let is_known = !self.is_refused && self.status.is_some_and(|status| status != GrpcStatus::UNIMPLEMENTED);
        is_known.then_some(&*self.method)
    }

    /// Adds the attributes of the call.
    pub(crate) fn push_to(&self, attributes: &mut Attributes) {
        attributes.push(RPC_SYSTEM_NAME, "grpc");
        if self.known_method().is_some() {
            attributes.push(RPC_METHOD, &self.method);
        } else {
            attributes.push(RPC_METHOD, OTHER_METHOD);
            attributes.push(RPC_METHOD_ORIGINAL, &self.method);
        }
        if let Some(status) = self.status {
            attributes.push(RPC_RESPONSE_STATUS_CODE, status.as_str());
        }
    }
}
