//! A service of actix-web that takes part in traces, with the core alone: actix-web is no tower service, and its header map is that
//! of `http` 0.2. The middleware and `traced` are all that a service needs.
//!
//! `cargo run` in this folder serves two requests and ends.

use std::{
    error::Error,
    net::{SocketAddr, TcpListener},
};

use actix_web::{
    App, HttpMessage, HttpServer,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error::ErrorBadGateway,
    http::header::HeaderValue,
    middleware::{Next, from_fn},
    web::{Data, ReqData, get},
};
use awc::{Client, ClientRequest};
use traceparent::{Incoming, Outgoing, Percent, Policy, RandomIdGenerator, sampler::ProbabilitySampler};

/// The span that serves a request.
type Span = Outgoing<'static>;

/// Continues the caller's trace, or starts one, and hands the span to the handlers.
async fn trace(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    // Callers decide about sampling. Of the traces that start here, one in ten is sampled.
    const POLICY: Policy<ProbabilitySampler> =
        Policy::new(ProbabilitySampler::from_percent(Percent::from_static("10")));

    let fields = |name| request.headers().get_all(name).map(HeaderValue::as_bytes);
    let incoming = Incoming::from_fields(fields("traceparent"), fields("tracestate"));
    if let Some(error) = incoming.error() {
        eprintln!("{} {}: {error}", request.method(), request.path());
    }
    let span: Span = POLICY.apply(incoming, &RandomIdGenerator).into_owned();
    request.extensions_mut().insert(span);
    next.call(request).await
}

/// Gives a call a span of its own, below the one that serves the request.
fn traced(mut call: ClientRequest, span: &Span) -> ClientRequest {
    for (name, value) in span.child(&RandomIdGenerator).fields() {
        match value {
            Some(value) => call = call.insert_header((name, value.to_string())),
            None => drop(call.headers_mut().remove(name)),
        }
    }
    call
}

/// Calls the other handler.
async fn order(span: ReqData<Span>, client: Data<Client>, own: Data<SocketAddr>) -> actix_web::Result<String> {
    let call = client.get(format!("http://{}/stock", **own));
    let mut response = traced(call, &span).send().await.map_err(ErrorBadGateway)?;
    let stock = response.body().await.map_err(ErrorBadGateway)?;
    Ok(format!("{}\n{}", line("order", &span), String::from_utf8_lossy(&stock)))
}

async fn stock(span: ReqData<Span>) -> String {
    line("stock", &span)
}

/// A line for the log, with the IDs of a span.
fn line(name: &str, span: &Span) -> String {
    let parent = span.parent_id().map_or_else(|| "none".to_owned(), |id| id.to_string());
    format!("{name} {} parent {parent} tracestate {}", span.traceparent(), span.tracestate())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = HttpServer::new(move || {
        App::new()
            .wrap(from_fn(trace))
            .app_data(Data::new(Client::default()))
            .app_data(Data::new(address))
            .route("/order", get().to(order))
            .route("/stock", get().to(stock))
    });
    let server = server.workers(1).disable_signals().listen(listener)?.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);

    let get = async |traceparent: &str, tracestate: &str| -> Result<String, Box<dyn Error>> {
        let call = Client::default().get(format!("http://{address}/order"));
        let call = call.insert_header(("traceparent", traceparent)).insert_header(("tracestate", tracestate));
        let mut response = call.send().await?;
        Ok(String::from_utf8(response.body().await?.to_vec())?)
    };

    let continued = get("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "congo=t61rcWkgMzE").await?;
    println!("{continued}");
    // Both spans are the caller's trace, one below the other, and the list goes on.
    assert_eq!(continued.matches(" 00-4bf92f3577b34da6a3ce929d0e0e4736-").count(), 2);
    assert!(continued.starts_with("order ") && continued.contains(" parent 00f067aa0ba902b7 "));
    assert_eq!(continued.matches(" tracestate congo=t61rcWkgMzE").count(), 2);

    // An invalid header starts another trace, and its list is not sent.
    let restarted = get("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "congo=t61rcWkgMzE").await?;
    println!("{restarted}");
    let traces: Vec<_> = restarted.lines().filter_map(|line| line.get(9..41)).collect();
    assert_eq!(traces.first(), traces.last());
    assert!(
        restarted.contains("order ") && !restarted.to_lowercase().contains("4bf92f35") && !restarted.contains("congo")
    );

    handle.stop(true).await;
    Ok(())
}
