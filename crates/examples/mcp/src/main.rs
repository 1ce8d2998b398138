//! A client, a server that calls another server, and that other server: three parties of the Model Context Protocol in one
//! process, and one trace for each call of a tool.

mod meta;

use std::{error::Error, io};

use rmcp::{
    ErrorData, Peer, RoleClient, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, RequestMetaObject, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};
use traceparent::{Policy, RandomIdGenerator, sampler::AlwaysOn};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A server that passes each call on to another server.
struct Front {
    policy: Policy<AlwaysOn>,
    back: Peer<RoleClient>,
}

impl ServerHandler for Front {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        // rmcp has moved `_meta` from the parameters to the context.
        let incoming = meta::extract(&context.meta);
        if let Some(error) = incoming.error() {
            println!("  front: {error}");
        }
        let span = self.policy.apply(incoming, &RandomIdGenerator);
        println!("  front: {}, {} {}", params.name, span.origin(), span.traceparent());

        // The call to the other server has a span of its own. Its `_meta` starts empty, because a progress token belongs to
        // the request that has it.
        let mut sent = RequestMetaObject::new();
        meta::inject(&span.child(&RandomIdGenerator), &mut sent);
        if let Some(baggage) = context.meta.get_baggage() {
            sent.set_baggage(baggage);
        }
        let mut params = params;
        params.meta = Some(sent);
        let result = self.back.call_tool(params).await;
        result.map(CallToolResponse::Complete).map_err(|error| ErrorData::internal_error(error.to_string(), None))
    }
}

/// A server that answers with the `_meta` that it received.
struct Back {
    policy: Policy<AlwaysOn>,
}

impl ServerHandler for Back {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let span = self.policy.apply(meta::extract(&context.meta), &RandomIdGenerator);
        println!("  back: {}, {} {}", params.name, span.origin(), span.traceparent());
        Ok(CallToolResponse::Complete(CallToolResult::structured(Value::Object(context.meta.0.0))))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let policy = Policy::new(AlwaysOn);
    let (near, far) = duplex(4096);
    tokio::spawn(serve(Back { policy }, far));
    let back = ().serve(near).await?;

    let (near, far) = duplex(4096);
    tokio::spawn(serve(Front { policy, back: back.peer().clone() }, far));
    let client = ().serve(near).await?;

    println!("a call in a trace, with baggage");
    let meta =
        json!({ "traceparent": TRACEPARENT, "tracestate": "congo=1", "baggage": "tenant=7", "progressToken": 3 });
    let received = call(&client, meta).await?;
    assert_eq!(received["traceparent"].as_str().map(|value| &value[..35]), Some(&TRACEPARENT[..35]));
    assert_ne!(received["traceparent"], TRACEPARENT);
    assert_eq!((&received["tracestate"], &received["baggage"]), (&json!("congo=1"), &json!("tenant=7")));

    println!("a call without a context");
    let received = call(&client, json!({})).await?;
    assert!(received["traceparent"].is_string() && received.get("tracestate").is_none());

    println!("an invalid traceparent with a list that is left over");
    let received = call(&client, json!({ "traceparent": &TRACEPARENT[..54], "tracestate": "stale=1" })).await?;
    assert_ne!(received["traceparent"].as_str().map(|value| &value[..35]), Some(&TRACEPARENT[..35]));
    assert!(received.get("tracestate").is_none());

    println!("a traceparent that is a number, and a list that is an array");
    let received = call(&client, json!({ "traceparent": 0, "tracestate": ["congo=1"] })).await?;
    assert!(received["traceparent"].is_string() && received.get("tracestate").is_none());

    println!("a `_meta` that is no object");
    let (near, far) = duplex(4096);
    tokio::spawn(serve(Back { policy }, far));
    let mut line = BufReader::new(near);
    let hello =
        json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "raw", "version": "0" } });
    send(&mut line, json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello })).await?;
    answer(&mut line).await?;
    send(&mut line, json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
    // rmcp refuses such a request, and goes on with the next. In place of an object, null is nothing.
    for meta in [json!("x"), json!([TRACEPARENT]), Value::Null, json!({ "traceparent": TRACEPARENT })] {
        let params = json!({ "name": "weather", "_meta": meta });
        send(&mut line, json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params })).await?;
        let answer = answer(&mut line).await?;
        match meta {
            Value::Null => assert_eq!(answer["result"]["structuredContent"], json!({})),
            Value::Object(_) => assert_eq!(answer["result"]["structuredContent"], meta),
            _ => assert_eq!(answer["error"]["code"], -32600),
        }
    }
    Ok(())
}

/// Serves one connection until it ends.
async fn serve(server: impl ServerHandler, line: DuplexStream) -> Result<(), Box<dyn Error + Send + Sync>> {
    server.serve(line).await?.waiting().await?;
    Ok(())
}

/// Sends a message as it is.
async fn send(line: &mut BufReader<DuplexStream>, message: Value) -> io::Result<()> {
    line.write_all(format!("{message}\n").as_bytes()).await
}

/// Reads a message as it is.
async fn answer(line: &mut BufReader<DuplexStream>) -> Result<Value, Box<dyn Error>> {
    let mut text = String::new();
    line.read_line(&mut text).await?;
    Ok(serde_json::from_str(&text)?)
}

/// Calls a tool with this `_meta`, and returns the `_meta` that the last server received.
async fn call(client: &Peer<RoleClient>, meta: Value) -> Result<Value, Box<dyn Error>> {
    let mut params = CallToolRequestParams::new("weather");
    params.meta = Some(serde_json::from_value(meta)?);
    Ok(client.call_tool(params).await?.structured_content.unwrap_or_default())
}
