//! Contexts of other formats through both layers, and a boundary that lets none of them past.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};
use traceparent::{
    RandomIdGenerator, Trust,
    sampler::{AlwaysOff, AlwaysOn},
};
use traceparent_formats::{FormatError, KNOWN_FIELDS};
use traceparent_tower::{
    Egress, ExtractTraceContextLayer, Format, InjectTraceContextLayer, Propagators, SpanContext, StripTrailers,
};

use crate::common::{Seen, TRACE_ID, continued, echo, request};

#[allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "the tests of the formats use all of it")]
#[path = "../../traceparent-formats/tests/common/vectors.rs"]
mod vectors;

const ALL: Propagators = Propagators::new(&Format::ALL, &Format::ALL);

/// Serves a request, and returns what the service saw of it.
async fn serve(layer: ExtractTraceContextLayer<AlwaysOn>, request: Request<()>) -> Seen {
    layer.layer(echo()).oneshot(request).await.unwrap().into_body().into_inner()
}

/// Calls with this parent, and returns the fields of the call.
async fn call(layer: InjectTraceContextLayer, parent: &SpanContext, mut request: Request<()>) -> HeaderMap {
    request.extensions_mut().insert(parent.clone());
    layer.layer(echo()).oneshot(request).await.unwrap().into_body().headers
}

fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

/// A request with two fields of every name, and one of no format.
fn every() -> Request<()> {
    let mut fields = vec![("accept", "*/*")];
    for name in KNOWN_FIELDS {
        fields.extend([(name, "1"), (name, "2")]);
    }
    request(&fields)
}

#[tokio::test]
async fn every_vector_has_its_verdict_in_a_service() {
    let mut served = 0;
    for vector in vectors::read() {
        let mut request = request(&[]);
        let mut is_field = true;
        for (name, value) in &vector.fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            match HeaderValue::from_bytes(value) {
                // White space around a value is the carrier's.
                Ok(field) if value.trim_ascii() == value => drop(request.headers_mut().append(name, field)),
                _ => is_field = false,
            }
        }
        if !is_field {
            continue;
        }
        let layer = ExtractTraceContextLayer::new(AlwaysOn).propagators(Propagators::new(&[vector.format], &[]));
        let span = serve(layer, request).await.extension.unwrap();
        let found = match (span.format(), span.format_error()) {
            (None, None) => "absent".to_owned(),
            (None, Some(error)) => format!("err {} {} {}", error.kind().as_str(), error.part(), error.offset()),
            (Some(_), _) => {
                let ours = span.traceparent().trace_id().to_string();
                let trace_id = if vector.verdict.starts_with('-') { "-" } else { &ours };
                let parent_id = span.parent_id().map_or("-".to_owned(), |id| id.to_string());
                let debug = span.carried().is_debug();
                let state = match (span.follows_caller(), span.decision().is_sampled()) {
                    (true, true) if debug => "debug",
                    (true, true) => "accept",
                    (true, false) => "deny",
                    (false, _) => "defer",
                };
                format!("{trace_id} {parent_id} {state}")
            }
        };
        let verdict = vector.verdict.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
        let verdict = if vector.verdict.starts_with("err") { vector.verdict.as_str() } else { &verdict };
        assert_eq!(found, verdict, "line {}", vector.line);
        served += 1;
    }
    assert!(served > 230, "{served}");
}

#[tokio::test]
async fn what_a_caller_sent_beside_its_ids_goes_out_with_calls() {
    let server = |propagators| ExtractTraceContextLayer::new(AlwaysOff).propagators(propagators);
    let client = |propagators| InjectTraceContextLayer::new().propagators(propagators);
    let serve = async |layer: ExtractTraceContextLayer<AlwaysOff>, fields: &[(&str, &str)]| {
        layer.layer(echo()).oneshot(request(fields)).await.unwrap().into_body().into_inner().extension.unwrap()
    };

    let xray = Propagators::new(&[Format::XRay], &[Format::XRay]);
    let root = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736";
    let value = format!("{root};Parent=00f067aa0ba902b7;Sampled=1;Lineage=a87bd80c:1");
    let span = serve(server(xray), &[("x-amzn-trace-id", &value)]).await;
    // A span of our own in between, as of a database, loses nothing.
    let sent = call(client(xray), &span.child(&RandomIdGenerator), request(&[])).await;
    let parent = &values(&sent, "traceparent")[0][36..52];
    assert_eq!(values(&sent, "x-amzn-trace-id"), [format!("{root};Parent={parent};Sampled=1;Lineage=a87bd80c:1")]);

    let datadog = Propagators::new(&[Format::Datadog], &[Format::Datadog]);
    let span = serve(
        server(datadog),
        &[
            ("x-datadog-trace-id", "11803532876627986230"),
            ("x-datadog-parent-id", "67667974448284343"),
            ("x-datadog-sampling-priority", "2"),
            ("x-datadog-tags", "_dd.p.tid=4bf92f3577b34da6,_dd.p.dm=-4"),
            ("x-datadog-origin", "synthetics"),
        ],
    )
    .await;
    let sent = call(client(datadog), &span, request(&[])).await;
    assert_eq!(values(&sent, "x-datadog-sampling-priority"), ["2"]);
    assert_eq!(values(&sent, "x-datadog-tags"), ["_dd.p.tid=4bf92f3577b34da6,_dd.p.dm=-4"]);
    assert_eq!(values(&sent, "x-datadog-origin"), ["synthetics"]);

    let b3 = Propagators::new(&[Format::B3], &[Format::B3, Format::B3Multi]);
    let span = serve(server(b3), &[("b3", &format!("{TRACE_ID}-00f067aa0ba902b7-d"))]).await;
    let sent = call(client(b3), &span, request(&[])).await;
    assert!(values(&sent, "b3")[0].ends_with("-d"), "{sent:?}");
    assert_eq!((values(&sent, "x-b3-flags"), values(&sent, "x-b3-sampled")), (vec!["1"], vec![]));
    assert!(values(&sent, "traceparent")[0].ends_with("-01"), "{sent:?}");
}

#[tokio::test]
async fn stale_fields_of_configured_formats_are_replaced_and_others_stay() {
    // F 12
    let propagators = Propagators::new(&[Format::TraceContext, Format::Jaeger], &[Format::B3]);
    let layer = InjectTraceContextLayer::new().propagators(propagators);
    let sent = call(layer, &continued("a=1"), every()).await;
    let traceparent = values(&sent, "traceparent");
    assert_eq!((traceparent.len(), values(&sent, "tracestate")), (1, vec!["a=1"]));
    assert_eq!(values(&sent, "b3"), [format!("{}-1", &traceparent[0][3..52])]);
    assert!(values(&sent, "uber-trace-id").is_empty());
    for name in ["x-b3-traceid", "x-datadog-origin", "x-amzn-trace-id", "baggage"] {
        assert_eq!(values(&sent, name), ["1", "2"], "{name}");
    }
}

#[tokio::test]
async fn no_field_of_any_format_passes_a_boundary() {
    for trust in [Trust::Restart, Trust::Ignore] {
        for propagators in [Propagators::NONE, Propagators::TRACE_CONTEXT, ALL] {
            let edge = ExtractTraceContextLayer::new(AlwaysOn).trust(trust).propagators(propagators);
            let seen = serve(edge.clone(), every()).await;
            assert_eq!(seen.headers, *request(&[("accept", "*/*")]).headers(), "{trust:?}");
            let seen = serve(edge.skip(|_| true), every()).await;
            assert_eq!(seen.headers.len(), 1, "{trust:?}");
            assert!(seen.extension.is_none());
        }
    }
    for trust in [Trust::Continue, Trust::Resample] {
        let seen = serve(ExtractTraceContextLayer::new(AlwaysOn).trust(trust).propagators(ALL), every()).await;
        assert_eq!(seen.headers, *every().headers(), "{trust:?}");
    }
    for propagators in [Propagators::NONE, Propagators::TRACE_CONTEXT, ALL] {
        let layer = InjectTraceContextLayer::new().egress(Egress::Strip).propagators(propagators);
        let sent = call(layer.clone(), &continued("a=1"), every()).await;
        assert_eq!(sent, *request(&[("accept", "*/*")]).headers());
        let sent = layer.layer(echo()).oneshot(every()).await.unwrap().into_body();
        assert_eq!((sent.headers.len(), sent.extension.is_none()), (1, true));
    }
}

/// F 5.
#[tokio::test]
async fn a_caller_that_is_not_trusted_leaves_nothing_in_calls() {
    let caller = [
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("tracestate", "rojo=caller"),
        ("b3", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-d"),
        ("x-amzn-trace-id", "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1;L=caller"),
        ("x-datadog-trace-id", "11803532876627986230"),
        ("x-datadog-sampling-priority", "2"),
        ("x-datadog-tags", "_dd.p.tid=4bf92f3577b34da6,_dd.p.usr=caller"),
        ("x-datadog-origin", "caller"),
    ];
    for trust in [Trust::Restart, Trust::Ignore] {
        let edge = ExtractTraceContextLayer::new(AlwaysOff).trust(trust).propagators(ALL);
        // The service forwards all the fields that it was given.
        let proxy = edge.layer(service_fn(async |request: Request<()>| {
            let client = InjectTraceContextLayer::new().propagators(ALL).layer(echo());
            client.oneshot(request).await
        }));
        let sent = proxy.oneshot(request(&caller)).await.unwrap().into_body().into_inner().headers;
        assert_eq!(values(&sent, "x-datadog-sampling-priority"), ["0"]);
        for (name, value) in &sent {
            let value = value.to_str().unwrap();
            assert!(!value.contains("caller") && !value.contains("4bf92f35"), "{trust:?}: {name}: {value}");
        }
    }
}

#[tokio::test]
async fn baggage_is_stripped_alone() {
    let seen = serve(ExtractTraceContextLayer::new(AlwaysOn).strip_baggage(true), every()).await;
    let sent = call(InjectTraceContextLayer::new().strip_baggage(true), &continued("a=1"), every()).await;
    for headers in [seen.headers, sent] {
        for name in KNOWN_FIELDS {
            assert_eq!(headers.contains_key(name), name != "baggage", "{name}");
        }
    }
    let layer = InjectTraceContextLayer::new().strip_baggage(true);
    let without_parent = layer.layer(echo()).oneshot(every()).await.unwrap().into_body();
    assert!(!without_parent.headers.contains_key("baggage"));
}

#[tokio::test]
async fn a_third_party_gets_ids_and_decision_and_nothing_beside_them() {
    let value = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1;Lineage=secret";
    let seen = serve(ExtractTraceContextLayer::new(AlwaysOn).propagators(ALL), request(&[("x-amzn-trace-id", value)]));
    let span = seen.await.extension.unwrap();
    assert!(span.carried().xray_pairs().eq([("Lineage", "secret")]));
    let layer = InjectTraceContextLayer::new().egress(Egress::only(&["partner"])).propagators(ALL);
    let sent = call(layer, &span, request(&[])).await;
    let value = values(&sent, "x-amzn-trace-id")[0];
    assert!(value.starts_with("Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=") && value.ends_with(";Sampled=1"));
}

#[tokio::test]
async fn refused_and_conflicting_formats_are_known_to_the_service() {
    let fields = [
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0"),
        ("b3", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1"),
        ("uber-trace-id", "1:1:0:1"),
    ];
    let span = serve(ExtractTraceContextLayer::new(AlwaysOn).propagators(ALL), request(&fields)).await;
    let span = span.extension.unwrap();
    assert_eq!(span.format(), Some(Format::B3));
    assert_eq!(span.format_error().map(FormatError::format), Some(Format::TraceContext));
    assert_eq!(span.conflict(), Some(Format::Jaeger));
    assert_eq!(span.child(&RandomIdGenerator).conflict(), None);
}

/// A body of two trailers for each name.
struct Trailers(Option<HeaderMap>);

impl Body for Trailers {
    type Data = &'static [u8];
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Infallible>>> {
        Poll::Ready(self.0.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }
}

#[tokio::test]
async fn no_field_of_any_format_passes_a_boundary_in_trailers() {
    let edge = ExtractTraceContextLayer::new(AlwaysOn)
        .trust(Trust::Restart)
        .layer(service_fn(async |request: Request<StripTrailers<Trailers>>| {
            let body = request.into_body().collect().await?;
            Ok::<_, Infallible>(Response::new(body.trailers().cloned()))
        }))
        .map_request(|request: Request<Trailers>| request.map(StripTrailers::new));
    let body = Trailers(Some(every().headers().clone()));
    let trailers = edge.oneshot(Request::new(body)).await.unwrap().into_body().into_inner().unwrap();
    assert_eq!(trailers, *request(&[("accept", "*/*")]).headers());
}
