use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use http_body_util::{Either, Full};
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::{Body, Bytes, Incoming},
    header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE},
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use tokio::{io::copy_bidirectional, time::timeout, try_join};

use crate::{
    config::{Egress, Forwarded, Limits, Listener, Route, Routes},
    http::{
        body::{RequestBody, ResponseBody, SpanBody, Timely},
        client::{Client, Manner, client},
        failure::Failure,
        headers::{Passage, forward_request, names_one_host, remove_hop_by_hop, upgrade},
        server::{self, Handler, UnderWay},
    },
    tracer::{OpenSpan, Tracer},
};

/// Forwards the requests of one listener, with a span for each.
pub(crate) struct Proxy {
    settings: ArcSwap<Settings>,
}

/// What a request keeps to from its beginning to its end.
struct Settings {
    tracer: Tracer,
    forwarded: Forwarded,
    limits: Limits,
    routes: Routes,
    clients: Vec<(Manner, Client<RequestBody>)>,
}

impl Proxy {
    pub(crate) fn new(tracer: Tracer, listener: Listener) -> Self {
        Self { settings: ArcSwap::from_pointee(Settings::new(tracer, listener, &[])) }
    }

    /// Changes what happens to requests from now on. Connections stay, to clients and to upstreams.
    pub(crate) fn change(&self, tracer: Tracer, listener: Listener) {
        let settings = Settings::new(tracer, listener, &self.settings.load().clients);
        self.settings.store(Arc::new(settings));
    }
}

impl Settings {
    fn new(tracer: Tracer, listener: Listener, known: &[(Manner, Client<RequestBody>)]) -> Self {
        let mut clients: Vec<(Manner, _)> = Vec::new();
        for manner in listener.routes.iter().map(manner) {
            if clients.iter().all(|(other, _)| *other != manner) {
                let known = known.iter().find(|(other, _)| *other == manner);
                clients.push((manner, known.map_or_else(|| client(manner), |(_, client)| client.clone())));
            }
        }
        let Listener { forwarded, limits, routes, .. } = listener;
        Self { tracer, forwarded, limits, routes, clients }
    }

    async fn forward(
        &self,
        route: Option<&Route>,
        request: Request<Incoming>,
        span: &mut OpenSpan,
    ) -> Result<Response<Timely<Incoming>>, Failure> {
        let (mut parts, body) = request.into_parts();
        if parts.method == Method::CONNECT {
            return Err(Failure::Tunnel);
        }
        if parts.headers.len() > self.limits.header_fields.into() {
            return Err(Failure::TooManyFields);
        }
        if !names_one_host(&parts) {
            return Err(Failure::NotOneHost);
        }
        let route = route.ok_or(Failure::NoRoute)?;
        let (_, client) = self.clients.iter().find(|(of, _)| *of == manner(route)).ok_or(Failure::NoRoute)?;
        let sender = parts.extensions.remove::<server::Client>().ok_or(Failure::ClientLeft)?;

        let upgrade = if route.http2 { None } else { upgrade(&parts) };
        let passage =
            Passage { client: &sender.name, forwarded: self.forwarded, http2: route.http2, upgrade: upgrade.as_ref() };
        forward_request(&mut parts, passage);
        parts.uri = route.upstream.join(&parts.uri).ok_or(Failure::TargetTooLong)?;
        parts.version = if route.http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        let upgraded = upgrade.and_then(|_| parts.extensions.remove::<OnUpgrade>());
        parts.extensions.clear();

        let mut call = span.call(&parts.method, &parts.uri);
        match route.egress {
            Egress::Inject => call.inject(&mut parts.headers),
            Egress::Strip => traceparent_http::strip(&mut parts.headers),
        }
        // A body that is not there cannot be late.
        let limit = Some(self.limits.idle_timeout).filter(|_| !body.is_end_stream());
        let (body, cut) = RequestBody::new(Timely::new(body, limit));
        let answer = client.request(Request::from_parts(parts, body));
        let answer = async {
            match route.timeout {
                Some(limit) => timeout(limit, answer).await.map_err(|_| Failure::NoAnswerInTime)?,
                None => answer.await,
            }
            .map_err(|error| cut.get().copied().unwrap_or_else(|| Failure::of(&error)))
        };
        let mut response = answer.await.inspect_err(|failure| call.failed(*failure))?;
        call.answered(&response);
        span.follow(call);
        match upgraded {
            Some(upgraded) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                switch(upgraded, &mut response, sender.under_way);
            }
            _ if response.status().is_informational() => return Err(Failure::InvalidAnswer),
            _ => remove_hop_by_hop(response.headers_mut()),
        }
        *response.version_mut() = Version::HTTP_11;
        Ok(response.map(|body| Timely::new(body, route.idle_timeout)))
    }
}

impl Handler for Proxy {
    type Body = ResponseBody;

    fn limits(&self) -> Limits {
        self.settings.load().limits
    }

    /// Answers a request, by the upstream where that is possible. The span ends with the body.
    async fn handle(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let settings = self.settings.load_full();
        let route = settings.routes.find(request.uri().path());
        // A route for everything says nothing about a request.
        let name = route.map(|route| route.prefix.as_str()).filter(|prefix| *prefix != "/");
        let mut span = settings.tracer.serve(&request, name);
        let response = match settings.forward(route, request, &mut span).await {
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

/// Makes the two connections one, once the client has the response.
fn switch(client: OnUpgrade, response: &mut Response<Incoming>, under_way: UnderWay) {
    let upgrade = response.headers_mut().remove(UPGRADE);
    let upstream = hyper::upgrade::on(&mut *response);
    remove_hop_by_hop(response.headers_mut());
    if let Some(upgrade) = upgrade {
        response.headers_mut().insert(UPGRADE, upgrade);
    }
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    tokio::spawn(async move {
        if let Ok((client, upstream)) = try_join!(client, upstream) {
            // Either end may close as it likes: what was said is nobody's but theirs.
            let _ = copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(upstream)).await;
        }
        drop(under_way);
    });
}

/// The kind of connection that a route's upstream needs.
fn manner(route: &Route) -> Manner {
    Manner { http2: route.http2, connect_timeout: route.connect_timeout }
}

fn refusal(failure: Failure) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(failure.answer()));
    *response.status_mut() = failure.status();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").finish_non_exhaustive()
    }
}
