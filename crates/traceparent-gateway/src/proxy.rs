//! A request's way through the gateway.

use std::{fmt, future::pending, net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use http_body_util::{Either, Full};
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::{Body, Bytes},
    http::request::Parts,
    upgrade::OnUpgrade,
};
use tokio::select;
use traceparent::Trust;
use traceparent_http::{Egress, TRACEPARENT, TRACESTATE, strip};

use self::{
    access::{LogEntry, LoggedBody},
    body::{RequestBody, ResponseBody, UpstreamBody},
    refusal::RefusalForm,
    upgrade::switch,
};
use crate::{
    config::{Baggage, EgressRule, Forwarded, Http2, Limits, Listener, RequestTracing, Route, Routes},
    http::{
        Client, ClientBody, ConnectOptions, Connector, ExpectBody, Failure, FieldRules, ForwardOptions, GuardedBody,
        Handler, LivenessOptions, Peer, Pseudonym, TimeoutBody, TlsClient, TlsError, TlsServer, TrailersBody,
        UpstreamPlaces, answer_last_hop, check_coding, check_target, encode_target, forward_request, is_asked_for,
        remove_hop_by_hop, upgrade,
    },
    span::Attributes,
    telemetry::AccessLog,
    tracer::{OpenSpan, SpanBody, Tracer},
};

mod access;
mod body;
mod refusal;
mod upgrade;

/// Forwards the requests of one listener, with a span for each.
pub(crate) struct Proxy {
    pseudonym: Pseudonym,
    access_log: Option<AccessLog>,
    /// The places of connections to upstreams, which all listeners share.
    places: UpstreamPlaces,
    settings: ArcSwap<Settings>,
}

/// The settings of a request from its beginning to its end.
pub(crate) struct Settings {
    tracer: Tracer,
    forwarded: Forwarded,
    /// The tracing of requests without a route.
    tracing: RequestTracing,
    limits: Limits,
    routes: Routes,
    tls: Option<TlsServer>,
    /// One for each route, in their order.
    ways: Vec<Way>,
}

/// The way of the requests of a route.
#[derive(Clone)]
struct Way {
    /// Routes with the same upstream share one.
    client: Client<RequestBody>,
    /// The rules for fields of requests.
    rules: Arc<FieldRules>,
    /// The attributes that the spans of all requests to the upstream share.
    attributes: Attributes,
}

impl Proxy {
    /// Creates a proxy, with the certificates and keys of its upstreams.
    pub(crate) fn new(tracer: Tracer, listener: Listener, places: UpstreamPlaces) -> Result<Self, TlsError> {
        let settings = ArcSwap::from_pointee(Settings::new(tracer, listener, &places, &[])?);
        Ok(Self { pseudonym: Pseudonym::random(), access_log: None, places, settings })
    }

    /// Sets the access log.
    pub(crate) fn with_access_log(self, access_log: Option<AccessLog>) -> Self {
        Self { access_log, ..self }
    }

    /// Checks the certificates and keys of a listener and its upstreams.
    pub(crate) fn check(listener: &Listener) -> Result<(), TlsError> {
        listener.tls.as_ref().map(TlsServer::load).transpose()?;
        listener.routes.iter().try_for_each(|route| connect_options(route).map(drop))
    }

    /// Returns the settings of a changed listener, which share connections to the same upstreams.
    pub(crate) fn prepare(&self, tracer: Tracer, listener: Listener) -> Result<Settings, TlsError> {
        Settings::new(tracer, listener, &self.places, &self.settings.load().ways)
    }

    /// Replaces the settings of later requests. Connections to clients and to upstreams stay open.
    pub(crate) fn change(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }
}

impl Settings {
    fn new(tracer: Tracer, listener: Listener, places: &UpstreamPlaces, known: &[Way]) -> Result<Self, TlsError> {
        let mut ways: Vec<Way> = Vec::new();
        for route in listener.routes.iter() {
            let options = connect_options(route)?;
            let mut clients = ways.iter().chain(known).map(|way| &way.client);
            let client = clients.find(|client| *client.options() == options).cloned();
            let connector = || Connector { tls: options.tls.clone(), places: Some(places.clone()) };
            let client = client.unwrap_or_else(|| Client::new(connector(), options.clone()));
            let rules = Arc::new(rules(&listener, route, tracer.is_disabled()));
            let attributes = tracer.of_upstream(route.upstream.scheme(), Some(route.upstream.authority()));
            ways.push(Way { client, rules, attributes });
        }
        let tls = listener.tls.as_ref().map(TlsServer::load).transpose()?;
        let Listener { forwarded, tracing, limits, routes, .. } = listener;
        Ok(Self { tracer, forwarded, tracing, limits, routes, tls, ways })
    }

    /// Checks the head of a request, and answers it if it has reached its last hop.
    fn admit(&self, parts: &mut Parts, pseudonym: &Pseudonym) -> Result<Option<Response<Full<Bytes>>>, Failure> {
        if parts.method == Method::CONNECT {
            return Err(Failure::Tunnel);
        }
        if parts.headers.len() > self.limits.header_fields.into() {
            return Err(Failure::TooManyFields);
        }
        check_coding(&parts.headers)?;
        check_target(parts)?;
        if pseudonym.is_in(&parts.headers) {
            return Err(Failure::Loop);
        }
        answer_last_hop(parts)
    }

    async fn forward(
        &self,
        route: Option<(usize, &Route)>,
        sender: &Peer,
        pseudonym: &Pseudonym,
        (parts, body): (&mut Parts, ClientBody),
        span: &OpenSpan,
        entry: &mut LogEntry,
    ) -> Result<(Response<UpstreamBody>, OpenSpan), Failure> {
        let (place, route) = route.ok_or(Failure::NoRoute)?;
        let Way { client, rules, attributes } = self.ways.get(place).ok_or(Failure::NoRoute)?;

        let upgrade = if route.http2 == Http2::Always { None } else { upgrade(parts) };
        let options = ForwardOptions {
            client: &sender.name,
            scheme: sender.scheme(),
            forwarded: self.forwarded,
            upgrade: upgrade.as_ref(),
            rules,
            pseudonym,
        };
        forward_request(parts, options);
        parts.uri = route.upstream.join(&parts.uri).ok_or(Failure::TargetTooLong)?;
        let upgraded = upgrade.and_then(|asked| Some((asked, parts.extensions.remove::<OnUpgrade>()?)));
        parts.extensions.clear();

        let mut call = span.call(&parts.method, &parts.uri, attributes);
        match &route.egress {
            EgressRule::Inject => call.inject(&mut parts.headers),
            EgressRule::Only(keys) => {
                call.inject_trace_context(&mut parts.headers);
                Egress::only(keys).apply(&mut parts.headers);
            }
            // The rules for fields have removed all others.
            EgressRule::Strip => strip(&mut parts.headers),
        }
        // An absent body cannot be late.
        let limit = Some(self.limits.idle_timeout).filter(|_| !body.is_end_stream());
        let body = TrailersBody::of_request(TimeoutBody::new(body, limit), Arc::clone(rules));
        let (body, progress) = RequestBody::new(ExpectBody::new(body, &sender.interim));
        entry.called(&progress);
        let overdue = async {
            match route.timeout {
                Some(limit) => progress.overdue(limit).await,
                None => pending().await,
            }
        };
        let mut peer = None;
        let answer = select! {
            biased;
            answer = client.request(parts, body, &sender.interim, &mut peer) => match answer {
                _ if sender.interim.is_exceeded() => Err(Failure::InvalidAnswer),
                answer => answer.map_err(|failure| progress.failure().unwrap_or(failure)),
            },
            () = overdue => Err(Failure::NoAnswerInTime),
        };
        if let Some(peer) = peer {
            call.connected(peer);
            entry.connected(peer);
        }
        let mut response = answer.inspect_err(|failure| call.failed(*failure))?;
        call.answered(&response);
        let answered = sender.interim.answered();
        entry.upstream_answered();
        match upgraded {
            Some((asked, upgraded))
                if response.status() == StatusCode::SWITCHING_PROTOCOLS && is_asked_for(&asked, response.headers()) =>
            {
                switch(upgraded, &mut response, self.limits.idle_timeout, sender.under_way.clone());
            }
            _ if response.status().is_informational() => {
                call.failed(Failure::InvalidAnswer);
                return Err(Failure::InvalidAnswer);
            }
            _ => remove_hop_by_hop(response.headers_mut()),
        }
        *response.version_mut() = Version::HTTP_11;
        let forwarded = |body| TrailersBody::of_response(TimeoutBody::new(body, route.idle_timeout));
        Ok((response.map(|body| GuardedBody::new(forwarded(body), answered)), call))
    }
}

impl Handler for Proxy {
    type Body = ResponseBody;

    fn limits(&self) -> Limits {
        self.settings.load().limits
    }

    fn tls(&self) -> Option<TlsServer> {
        self.settings.load().tls.clone()
    }

    /// Counts and logs a request that was refused before its head had ended. It has no span: neither its method nor its
    /// target nor its trace is known, and each probe of a port would be a trace.
    fn refused(&self, client: SocketAddr, failure: Failure) {
        self.settings.load().tracer.refused(failure);
        if let Some(log) = &self.access_log {
            LogEntry::refused(log, client, failure);
        }
    }

    /// Forwards a request, or answers it with its failure. The span ends with the body.
    async fn handle(&self, client: Peer, mut request: Request<ClientBody>) -> Response<ResponseBody> {
        let settings = self.settings.load_full();
        let encoded = encode_target(request.uri_mut());
        let route = settings.routes.find(request.uri().path());
        // The route of all requests is no name for one.
        let name = route.map(|(_, route)| route.prefix.as_str()).filter(|prefix| *prefix != "/");
        let tracing = route.map_or(settings.tracing, |(_, route)| route.tracing);
        let mut span = settings.tracer.serve(&client, &request, name, tracing);
        let log = self.access_log.as_ref();
        let mut entry = LogEntry::open(log, &client, settings.forwarded, &request, &span);
        let refusal = RefusalForm::of(request.headers(), request.uri());
        let (mut parts, body) = request.into_parts();
        let answer = match encoded.and_then(|()| settings.admit(&mut parts, &self.pseudonym)) {
            Ok(None) => settings.forward(route, &client, &self.pseudonym, (&mut parts, body), &span, &mut entry).await,
            Ok(Some(answer)) => {
                span.answered(&answer);
                entry.answered(answer.status());
                return answer
                    .map(|body| Box::new(LoggedBody::new(SpanBody::new(Either::Right(body), None, span), entry)));
            }
            Err(failure) => Err(failure),
        };
        let (response, call) = match answer {
            Ok((response, call)) => (response.map(Either::Left), Some(call)),
            Err(failure) => {
                span.failed(failure);
                entry.failed(failure);
                (refusal.answer(failure).map(Either::Right), None)
            }
        };
        span.answered(&response);
        entry.answered(response.status());
        response.map(|body| Box::new(LoggedBody::new(SpanBody::new(body, call, span), entry)))
    }
}

/// Returns the rules for the fields of a route's requests.
fn rules(listener: &Listener, route: &Route, is_disabled: bool) -> FieldRules {
    let follows_caller = matches!(listener.trust, Trust::Continue | Trust::Resample);
    FieldRules {
        ends_trace: !follows_caller || route.egress.ends_trace(),
        spares_trace_context: follows_caller && matches!(route.egress, EgressRule::Only(_)),
        strips_baggage: route.baggage == Baggage::Strip,
        underscores: listener.underscores,
        trace_fields: listener.trace_fields.clone(),
        contexts: match route.egress {
            EgressRule::Strip | EgressRule::Only(_) => vec![TRACEPARENT.as_str(), TRACESTATE.as_str()],
            EgressRule::Inject if is_disabled || !route.tracing.is_traced => Vec::new(),
            EgressRule::Inject => route.tracing.propagators.field_names().collect(),
        },
    }
}

/// Returns the options of connections to a route's upstream.
fn connect_options(route: &Route) -> Result<ConnectOptions, TlsError> {
    Ok(ConnectOptions {
        authority: route.upstream.authority().clone(),
        tls: route.upstream.is_tls().then(|| TlsClient::load(&route.tls)).transpose()?,
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
    })
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").finish_non_exhaustive()
    }
}
