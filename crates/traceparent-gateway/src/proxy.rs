//! A request's way through the gateway.

use std::{fmt, future::pending, sync::Arc};

use arc_swap::ArcSwap;
use http_body_util::{Either, Full};
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::{Body, Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    upgrade::OnUpgrade,
};
use tokio::select;

use self::{
    body::{RequestBody, ResponseBody},
    upgrade::switch,
};
use crate::{
    config::{Forwarded, Limits, Listener, Route, Routes},
    http::{
        AnswerBody, Client, ConnectOptions, Failure, ForwardOptions, Handler, LivenessOptions, Peer, TcpConnector,
        TimeoutBody, forward_request, names_one_host, remove_hop_by_hop, upgrade,
    },
    tracer::{OpenSpan, SpanBody, Tracer},
};

mod body;
mod upgrade;

/// Forwards the requests of one listener, with a span for each.
pub(crate) struct Proxy {
    settings: ArcSwap<Settings>,
}

/// The settings of a request from its beginning to its end.
struct Settings {
    tracer: Tracer,
    forwarded: Forwarded,
    limits: Limits,
    routes: Routes,
    clients: Vec<Client<RequestBody>>,
}

impl Proxy {
    pub(crate) fn new(tracer: Tracer, listener: Listener) -> Self {
        Self { settings: ArcSwap::from_pointee(Settings::new(tracer, listener, &[])) }
    }

    /// Replaces the settings of later requests. Connections to clients and to upstreams stay open.
    pub(crate) fn change(&self, tracer: Tracer, listener: Listener) {
        let settings = Settings::new(tracer, listener, &self.settings.load().clients);
        self.settings.store(Arc::new(settings));
    }
}

impl Settings {
    fn new(tracer: Tracer, listener: Listener, known: &[Client<RequestBody>]) -> Self {
        let mut clients: Vec<Client<RequestBody>> = Vec::new();
        for route in listener.routes.iter() {
            if clients.iter().all(|client| !serves(client, route)) {
                let known = known.iter().find(|client| serves(client, route)).cloned();
                clients.push(known.unwrap_or_else(|| Client::new(TcpConnector, connect_options(route))));
            }
        }
        let Listener { forwarded, limits, routes, .. } = listener;
        Self { tracer, forwarded, limits, routes, clients }
    }

    async fn forward(
        &self,
        route: Option<&Route>,
        sender: Peer,
        request: Request<Incoming>,
        span: &OpenSpan,
    ) -> Result<(Response<TimeoutBody<AnswerBody>>, OpenSpan), Failure> {
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
        let client = self.clients.iter().find(|client| serves(client, route)).ok_or(Failure::NoRoute)?;

        let upgrade = if route.http2 { None } else { upgrade(&parts) };
        let options = ForwardOptions {
            client: &sender.name,
            forwarded: self.forwarded,
            http2: route.http2,
            upgrade: upgrade.as_ref(),
        };
        forward_request(&mut parts, options);
        parts.uri = route.upstream.join(&parts.uri).ok_or(Failure::TargetTooLong)?;
        parts.version = if route.http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        let upgraded = upgrade.and_then(|_| parts.extensions.remove::<OnUpgrade>());
        parts.extensions.clear();

        let mut call = span.call(&parts.method, &parts.uri);
        call.inject(&mut parts.headers);
        route.egress.apply(&mut parts.headers);
        // An absent body cannot be late.
        let limit = Some(self.limits.idle_timeout).filter(|_| !body.is_end_stream());
        let (body, progress) = RequestBody::new(TimeoutBody::new(body, limit));
        let overdue = async {
            match route.timeout {
                Some(limit) => progress.overdue(limit).await,
                None => pending().await,
            }
        };
        let mut peer = None;
        let answer = select! {
            biased;
            answer = client.request(Request::from_parts(parts, body), &mut peer) => {
                answer.map_err(|failure| progress.failure().unwrap_or(failure))
            }
            () = overdue => Err(Failure::NoAnswerInTime),
        };
        if let Some(peer) = peer {
            call.connected(peer);
        }
        let mut response = answer.inspect_err(|failure| call.failed(*failure))?;
        call.answered(&response);
        match upgraded {
            Some(upgraded) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                switch(upgraded, &mut response, sender.under_way);
            }
            _ if response.status().is_informational() => {
                call.failed(Failure::InvalidAnswer);
                return Err(Failure::InvalidAnswer);
            }
            _ => remove_hop_by_hop(response.headers_mut()),
        }
        *response.version_mut() = Version::HTTP_11;
        Ok((response.map(|body| TimeoutBody::new(body, route.idle_timeout)), call))
    }
}

impl Handler for Proxy {
    type Body = ResponseBody;

    fn limits(&self) -> Limits {
        self.settings.load().limits
    }

    /// Forwards a request, or answers it with its failure. The span ends with the body.
    async fn handle(&self, client: Peer, request: Request<Incoming>) -> Response<ResponseBody> {
        let settings = self.settings.load_full();
        let route = settings.routes.find(request.uri().path());
        // The route of all requests is no name for one.
        let name = route.map(|route| route.prefix.as_str()).filter(|prefix| *prefix != "/");
        let mut span = settings.tracer.serve(&client, &request, name);
        let (response, call) = match settings.forward(route, client, request, &span).await {
            Ok((response, call)) => (response.map(Either::Left), Some(call)),
            Err(failure) => {
                span.failed(failure);
                (refusal(failure).map(Either::Right), None)
            }
        };
        span.answered(&response);
        response.map(|body| SpanBody::new(body, call, span))
    }
}

/// Returns the options of connections to a route's upstream.
fn connect_options(route: &Route) -> ConnectOptions {
    ConnectOptions {
        authority: route.upstream.authority().clone(),
        http2: route.http2,
        connect_timeout: route.connect_timeout,
        retries: route.retries,
        header_bytes: route.header_bytes,
        header_fields: route.header_fields,
        liveness: LivenessOptions {
            ping_interval: route.ping_interval,
            ping_timeout: route.ping_timeout,
            idle_timeout: route.pool_idle_timeout,
        },
    }
}

/// Returns whether a client's connections are those that a route's upstream needs.
fn serves(client: &Client<RequestBody>, route: &Route) -> bool {
    let options = client.options();
    options.authority == *route.upstream.authority() && *options == connect_options(route)
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
