//! Two functions of AWS Lambda that take part in traces: one behind API Gateway, and one behind a queue of SQS.
//!
//! `cargo run` in this folder calls both as Lambda does and ends: `local.rs` is the runtime API in place of Lambda's. On Lambda,
//! the name of the handler is `api` or `queue`.

mod local;

use std::{collections::BTreeMap, env};

use lambda_http::{Request, Response};
use lambda_runtime::{Context, Error, LambdaEvent, service_fn, tower::Layer};
use serde_json::{Value, json};
use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::AlwaysOn};
use traceparent_tower::{ExtractTraceContextLayer, Format, Propagators, SpanContext};

/// Callers that send W3C Trace Context are continued. The others get the trace that X-Ray has started for them.
const PROPAGATORS: Propagators = Propagators::new(&[Format::TraceContext, Format::XRay], &[]);

#[tokio::main]
async fn main() -> Result<(), Error> {
    match env::var("_HANDLER").as_deref() {
        // The requests of API Gateway are those of `http`. `lambda_http` writes the value of `_X_AMZN_TRACE_ID` into their header
        // `x-amzn-trace-id`, so the layer finds both.
        Ok("api") => {
            let layer = ExtractTraceContextLayer::new(AlwaysOn).propagators(PROPAGATORS);
            lambda_http::run(layer.layer(service_fn(order))).await
        }
        Ok("queue") => lambda_runtime::run(service_fn(receive)).await,
        _ => local::main().await,
    }
}

/// Serves a request of API Gateway.
async fn order(_: Request) -> Result<Response<String>, Error> {
    // A client below `InjectTraceContextLayer` would find it, too.
    let span = SpanContext::current().ok_or("no layer around the function")?;
    Ok(Response::new(span.traceparent().to_string()))
}

/// Handles a batch of messages: one span, with a link to the sender of each.
async fn receive(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let invocation = xray(&event.context);
    let extracted =
        PROPAGATORS.extract(|name| invocation.as_deref().filter(|_| name == "x-amzn-trace-id").map(str::as_bytes));
    let span = Policy::new(AlwaysOn).apply(extracted.into_incoming(), &RandomIdGenerator);

    let records = event.payload["Records"].as_array().ok_or("not an event of SQS")?;
    let links = records.iter().filter_map(|record| {
        let sender = sender(record).context()?.traceparent;
        Some((sender.trace_id().to_string(), sender.parent_id().to_string()))
    });
    Ok(json!({ "traceparent": span.traceparent().to_string(), "links": links.collect::<BTreeMap<_, _>>() }))
}

/// Returns the context in the attributes of a message: those that its sender has set, or else that of the queue.
fn sender(record: &Value) -> Incoming<'_> {
    PROPAGATORS
        .extract(|name| {
            let value = match name {
                "x-amzn-trace-id" => &record["attributes"]["AWSTraceHeader"],
                name => &record["messageAttributes"][name]["stringValue"],
            };
            value.as_str().map(str::as_bytes)
        })
        .into_incoming()
}

/// Returns the value of `_X_AMZN_TRACE_ID`. The variable is one for all invocations, so a runtime that has several at a time hands
/// the value over with each.
fn xray(context: &Context) -> Option<String> {
    context.xray_trace_id.clone().or_else(|| env::var("_X_AMZN_TRACE_ID").ok())
}
