use std::{net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::{Body, Bytes},
    header::{CONTENT_TYPE, HeaderValue},
};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use traceparent::Trust;

use crate::{
    config::{Forwarded, Listener, RequestTracing, Route, Tracing},
    error::Error,
    http::{ClientBody, Handler, Peer, Server, UpstreamPlaces},
    proxy::Proxy,
    span::Span,
    telemetry::{Metrics, Recorder, SpanFilter, Telemetry},
    tracer::{OpenSpan, SpanBody, Tracer},
};

/// The question of the customer.
pub(super) const QUESTION: &str = "My router is dead. Is my contract paid, and can you send a new one?";

/// The time limit of the scene, which takes about a tenth of a second.
const LIMIT: Duration = Duration::from_secs(30);

/// Room for more spans than the scene has.
const SPANS: usize = 64;

/// The time limit for connections to close when the scene is over.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Creates the tracers of all services, which sample everything.
#[derive(Clone, Debug)]
struct Tracers {
    recorder: Recorder,
    metrics: Arc<Metrics>,
}

impl Tracers {
    fn tracer(&self, service: &str) -> Tracer {
        let tracing = Tracing::of_service(service);
        let (recorder, metrics) = (self.recorder.clone(), Arc::clone(&self.metrics));
        Tracer::new(&tracing, Trust::Continue, recorder, metrics, Forwarded::default())
    }
}

/// A client of every service in the scene.
type Client = legacy::Client<HttpConnector, Full<Bytes>>;

fn client() -> Client {
    legacy::Client::builder(TokioExecutor::new()).build_http()
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// The answer and the spans of a played scene.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) answer: String,
    /// In the order in which they ended.
    pub(super) spans: Vec<Span>,
}

/// A service of the scene.
#[derive(Clone, Copy, Debug)]
enum Actor {
    Main,
    Support,
    Orders,
    Payment,
    Technical,
    Inventory,
}

impl Actor {
    const fn service(self) -> &'static str {
        match self {
            Self::Main => "agent 1 main",
            Self::Support => "agent 2 support",
            Self::Orders => "agent 3 orders",
            Self::Payment => "payment service",
            Self::Technical => "technical support",
            Self::Inventory => "inventory",
        }
    }

    const fn operation(self) -> &'static str {
        match self {
            Self::Main => "answer the customer",
            Self::Support => "solve the problem",
            Self::Orders => "order a new router",
            Self::Payment => "verify the payment",
            Self::Technical => "test the line",
            Self::Inventory => "reserve a router",
        }
    }
}

/// The addresses of the actors: the agents' are those of their gateways.
#[derive(Debug)]
struct Places {
    main: SocketAddr,
    support: SocketAddr,
    orders: SocketAddr,
    payment: SocketAddr,
    technical: SocketAddr,
    inventory: SocketAddr,
}

/// Starts all services, asks the customer's question, and stops them again.
pub(super) async fn play(telemetry: &mut Telemetry) -> Result<Recording, Error> {
    let mut outlet = telemetry.collect("demo", SpanFilter::All, SPANS);
    let tracers = Tracers { recorder: telemetry.recorder(), metrics: Arc::clone(telemetry.metrics()) };
    let (stop, stopped) = watch::channel(());
    let mut stage = Stage { tracers: tracers.clone(), stopped, servers: JoinSet::new() };

    let [main, support, orders] = [bind().await?, bind().await?, bind().await?];
    let [payment, technical, inventory] = [bind().await?, bind().await?, bind().await?];
    let places = Arc::new(Places {
        main: stage.gateway("agent 1 gateway", main.address()).await?,
        support: stage.gateway("agent 2 gateway", support.address()).await?,
        orders: stage.gateway("agent 3 gateway", orders.address()).await?,
        payment: payment.address(),
        technical: technical.address(),
        inventory: inventory.address(),
    });
    stage.enter(Actor::Main, main, &places);
    stage.enter(Actor::Support, support, &places);
    stage.enter(Actor::Orders, orders, &places);
    stage.enter(Actor::Payment, payment, &places);
    stage.enter(Actor::Technical, technical, &places);
    stage.enter(Actor::Inventory, inventory, &places);

    let answer = timeout(LIMIT, ask(&tracers, places.main)).await;
    drop(stop);
    while stage.servers.join_next().await.is_some() {}
    let answer = answer.map_err(|elapsed| Error::Scene(elapsed.into()))?.map_err(Error::Scene)?;
    // All connections are closed, so all spans have ended.
    let spans = std::iter::from_fn(|| outlet.try_recv().ok()).map(Arc::unwrap_or_clone).collect();
    Ok(Recording { answer, spans })
}

/// The customer's side.
async fn ask(tracers: &Tracers, main: SocketAddr) -> Result<String, Failed> {
    let target = target(main, "/agents/main")?;
    let mut span = tracers.tracer("customer").start(&Method::POST, &target);
    span.rename("ask for help");
    let (response, answer) = call(&client(), &span, target, &json!({ "contract": 1042, "question": QUESTION })).await?;
    span.answered(&response);
    Ok(text(&answer, "answer")?.to_owned())
}

/// One actor at work.
#[derive(Debug)]
struct Desk {
    actor: Actor,
    tracer: Tracer,
    places: Arc<Places>,
    client: Client,
}

impl Desk {
    /// Does the actor's part of the plot within a span.
    async fn work(&self, span: &OpenSpan, asked: &Value) -> Result<Value, Failed> {
        let places = &*self.places;
        match self.actor {
            Actor::Main => {
                take(4).await;
                let payment = self.ask(span, places.payment, "/payments/verify", asked).await?;
                let support = self.ask(span, places.support, "/agents/support", asked).await?;
                let diagnosis = text(&support, "diagnosis")?;
                if payment["verified"] != true {
                    return Ok(json!({ "answer": format!("{diagnosis} Please pay first.") }));
                }
                let order = self.ask(span, places.orders, "/agents/orders", &payment).await?;
                take(3).await;
                Ok(json!({ "answer": format!("{diagnosis} You have paid: {}.", text(&order, "promise")?) }))
            }
            Actor::Support => {
                take(5).await;
                let line = self.ask(span, places.technical, "/lines/test", asked).await?;
                take(4).await;
                let fault =
                    if line["ok"] == true { "Your line works, the router does not." } else { "Your line is broken." };
                Ok(json!({ "diagnosis": fault }))
            }
            Actor::Orders => {
                take(3).await;
                let item = self.ask(span, places.inventory, "/stock/reserve", asked).await?;
                take(6).await;
                let when = if item["reserved"] == true { "tomorrow" } else { "next week" };
                Ok(json!({ "promise": format!("a new router comes {when}") }))
            }
            Actor::Payment => {
                take(18).await;
                Ok(json!({ "contract": asked["contract"], "verified": true }))
            }
            Actor::Technical => {
                take(24).await;
                Ok(json!({ "ok": true }))
            }
            Actor::Inventory => {
                take(11).await;
                Ok(json!({ "reserved": true }))
            }
        }
    }

    async fn ask(&self, span: &OpenSpan, place: SocketAddr, path: &str, body: &Value) -> Result<Value, Failed> {
        Ok(call(&self.client, span, target(place, path)?, body).await?.1)
    }
}

impl Handler for Desk {
    type Body = SpanBody<Full<Bytes>>;

    async fn handle(&self, client: Peer, request: Request<ClientBody>) -> Response<Self::Body> {
        let mut span = self.tracer.serve(&client, &request, None, RequestTracing::default());
        span.rename(self.actor.operation());
        let done = async { self.work(&span, &read(request.into_body()).await?).await };
        let (status, body) = match done.await {
            Ok(answer) => (StatusCode::OK, answer),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": error.to_string() })),
        };
        let mut response = Response::new(json_body(&body));
        *response.status_mut() = status;
        span.answered(&response);
        response.map(|body| SpanBody::new(body, None, span))
    }
}

/// The servers of the scene, which run until it is over.
struct Stage {
    tracers: Tracers,
    stopped: watch::Receiver<()>,
    servers: JoinSet<()>,
}

impl Stage {
    async fn gateway(&mut self, service: &'static str, agent: SocketAddr) -> Result<SocketAddr, Error> {
        let server = bind().await?;
        let address = server.address();
        let upstream = format!("http://{agent}").parse().map_err(|error| Error::Scene(Box::new(error)))?;
        let tracer = self.tracers.tracer(service);
        self.serve(server, Proxy::new(tracer, Listener::new(address, Route::to(upstream)), UpstreamPlaces::default())?);
        Ok(address)
    }

    fn enter(&mut self, actor: Actor, server: Server, places: &Arc<Places>) {
        let tracer = self.tracers.tracer(actor.service());
        self.serve(server, Desk { actor, tracer, places: Arc::clone(places), client: client() });
    }

    fn serve(&mut self, mut server: Server, handler: impl Handler) {
        let mut stopped = self.stopped.clone();
        self.servers.spawn(async move {
            let stop = async {
                // The other end only ever goes away.
                let _ = stopped.changed().await;
            };
            server.serve(Arc::new(handler), stop).await;
            server.drain(sleep(DRAIN_LIMIT)).await;
        });
    }
}

async fn bind() -> Result<Server, Error> {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    Server::bind(address).await.map_err(|error| Error::Scene(error.into()))
}

/// Sends a request with this span as the parent, and returns the head and the body of the response.
async fn call(client: &Client, span: &OpenSpan, target: Uri, body: &Value) -> Result<(Response<()>, Value), Failed> {
    let mut request = Request::new(json_body(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    span.inject(request.headers_mut());

    let (head, body) = client.request(request).await?.into_parts();
    let status = head.status;
    let answer = read(body).await?;
    if status.is_success() {
        Ok((Response::from_parts(head, ()), answer))
    } else {
        Err(format!("{status}: {answer}").into())
    }
}

async fn read<B: Body<Error: Into<Failed>>>(body: B) -> Result<Value, Failed> {
    Ok(serde_json::from_slice(&body.collect().await.map_err(Into::into)?.to_bytes())?)
}

fn json_body(value: &Value) -> Full<Bytes> {
    Full::from(value.to_string())
}

fn target(place: SocketAddr, path: &str) -> Result<Uri, Failed> {
    Ok(format!("http://{place}{path}").parse()?)
}

fn text<'a>(answer: &'a Value, field: &str) -> Result<&'a str, Failed> {
    answer[field].as_str().ok_or_else(|| format!("an answer has no {field}").into())
}

/// Works for a time.
async fn take(milliseconds: u64) {
    sleep(Duration::from_millis(milliseconds)).await;
}
