//! What Lambda does for a function on this machine: it starts the program, hands it an event, and takes its answer.

use std::{
    convert::Infallible,
    env,
    sync::{Arc, Mutex},
};

use http_body_util::{BodyExt, Full};
use hyper::{Method, body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use lambda_runtime::Error;
use serde_json::{Value, json};
use tokio::{net::TcpListener, process::Command, sync::oneshot};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The trace of X-Ray, in its own spelling and in that of W3C Trace Context.
const XRAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a87bd80c:0";
const XRAY_TRACE: &str = "5759e988bd862e3fe1be46a994272793";

pub(crate) async fn main() -> Result<(), Error> {
    // A caller of one's own services, which sends W3C Trace Context.
    let answer = invoke("api", &request(&json!({ "traceparent": TRACEPARENT }))).await?;
    println!("api, traceparent:     {}", answer["body"]);
    assert_eq!(trace_id(&answer["body"]), Some(TRACE));

    // Any other caller: the trace is X-Ray's.
    let answer = invoke("api", &request(&json!({}))).await?;
    println!("api, x-amzn-trace-id: {}", answer["body"]);
    assert_eq!(trace_id(&answer["body"]), Some(XRAY_TRACE));

    // Three messages: a sender with W3C Trace Context, one with X-Ray alone, and one without either.
    let attribute = |value: &str| json!({ "stringValue": value, "dataType": "String" });
    let header = "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1";
    let batch = json!({ "Records": [
        { "messageAttributes": { "traceparent": attribute(TRACEPARENT), "tracestate": attribute("congo=1") }, "attributes": {} },
        { "messageAttributes": {}, "attributes": { "AWSTraceHeader": header } },
        { "messageAttributes": {}, "attributes": {} },
    ] });
    let answer = invoke("queue", &batch).await?;
    println!("queue:                {answer}");
    assert_eq!(trace_id(&answer["traceparent"]), Some(XRAY_TRACE));
    let links = json!({ (TRACE): "00f067aa0ba902b7", "67891233abcdef012345678912345678": "463ac35c9f6413ad" });
    assert_eq!(answer["links"], links);
    Ok(())
}

fn trace_id(traceparent: &Value) -> Option<&str> {
    traceparent.as_str()?.get(3..35)
}

/// A request of an HTTP API, as API Gateway hands it over.
fn request(headers: &Value) -> Value {
    let http =
        json!({ "method": "GET", "path": "/order", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "" });
    let context = json!({ "accountId": "1", "apiId": "1", "stage": "$default", "http": http, "timeEpoch": 0, "routeKey": "$default" });
    json!({ "version": "2.0", "rawPath": "/order", "headers": headers, "requestContext": context, "isBase64Encoded": false })
}

/// Starts this program as the function of a handler, and returns its answer to one event.
async fn invoke(handler: &str, event: &Value) -> Result<Value, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut function = Command::new(env::current_exe()?)
        .env("_HANDLER", handler)
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "orders")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .kill_on_drop(true)
        .spawn()?;
    let (sender, answer) = oneshot::channel();
    let (event, sender) = (Arc::new(Mutex::new(Some(event.to_string()))), Arc::new(Mutex::new(Some(sender))));
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (event, sender) = (event.clone(), sender.clone());
            let api = service_fn(move |request| runtime_api(request, event.clone(), sender.clone()));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), api));
        }
    });
    // A function that has answered waits for its next event.
    let answer = tokio::select! {
        answer = answer => answer?,
        status = function.wait() => return Err(format!("the function ended: {}", status?).into()),
    };
    server.abort();
    function.kill().await?;
    Ok(serde_json::from_slice(&answer)?)
}

/// [Lambda: runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html)
async fn runtime_api(
    request: hyper::Request<hyper::body::Incoming>,
    event: Arc<Mutex<Option<String>>>,
    answer: Arc<Mutex<Option<oneshot::Sender<Bytes>>>>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let take = |event: &Mutex<Option<String>>| event.lock().ok().and_then(|mut event| event.take());
    if request.method() == Method::GET {
        // There is one event. For the next one, the function waits for ever.
        let Some(event) = take(&event) else { std::future::pending().await };
        let mut response = hyper::Response::new(Full::new(event.into()));
        for (name, value) in [
            ("lambda-runtime-aws-request-id", "1"),
            ("lambda-runtime-deadline-ms", "4102444800000"),
            ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:1:function:orders"),
            ("lambda-runtime-trace-id", XRAY),
        ] {
            response.headers_mut().insert(name, hyper::header::HeaderValue::from_static(value));
        }
        return Ok(response);
    }
    if let (Ok(body), Some(answer)) =
        (request.into_body().collect().await, answer.lock().ok().and_then(|mut answer| answer.take()))
    {
        answer.send(body.to_bytes()).ok();
    }
    Ok(hyper::Response::new(Full::default()))
}
