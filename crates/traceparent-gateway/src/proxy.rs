use http_body_util::{Either, Full};
use hyper::{
    Method, Request, Response, Version,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
};

use crate::{
    body::{ResponseBody, SpanBody},
    client::{Client, client},
    failure::Failure,
    headers::{forward_request, remove_hop_by_hop},
    server::Handler,
    tracer::{OpenSpan, Tracer},
    upstream::Upstream,
};

/// Forwards requests to one upstream, with a span for each.
#[derive(Debug)]
pub(crate) struct Proxy {
    tracer: Tracer,
    upstream: Upstream,
    client: Client<Incoming>,
}

impl Proxy {
    pub(crate) fn new(tracer: Tracer, upstream: Upstream) -> Self {
        Self { tracer, upstream, client: client() }
    }

    async fn forward(&self, request: Request<Incoming>, span: &mut OpenSpan) -> Result<Response<Incoming>, Failure> {
        if request.method() == Method::CONNECT {
            return Err(Failure::Tunnel);
        }
        let (mut parts, body) = request.into_parts();
        forward_request(&mut parts);
        parts.uri = self.upstream.join(&parts.uri).ok_or(Failure::TargetTooLong)?;
        parts.version = Version::HTTP_11;

        let mut call = span.call(&parts.method, &parts.uri);
        call.inject(&mut parts.headers);
        let request = Request::from_parts(parts, body);
        let answer = self.client.request(request).await;
        let mut response = answer.map_err(|error| Failure::of(&error)).inspect_err(|failure| call.failed(*failure))?;
        call.answered(&response);
        span.follow(call);
        if response.status().is_informational() {
            return Err(Failure::InvalidAnswer);
        }
        remove_hop_by_hop(response.headers_mut());
        *response.version_mut() = Version::HTTP_11;
        Ok(response)
    }
}

impl Handler for Proxy {
    type Body = ResponseBody;

    /// Answers a request, by the upstream where that is possible. The span ends with the body.
    async fn handle(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let mut span = self.tracer.serve(&request, None);
        let response = match self.forward(request, &mut span).await {
            Ok(response) => response.map(Either::Left),
            Err(failure) => {
                span.failed(failure);
                refusal(failure).map(Either::Right)
            }
        };
        span.answered(&response);
        response.map(|body| SpanBody::new(body, span))
    }
}

fn refusal(failure: Failure) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(failure.answer()));
    *response.status_mut() = failure.status();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
