//! The complete set-up of a service on `tracing`, with everything from the variables that all of OpenTelemetry's SDKs read.
//!
//! `cargo run -p traceparent-opentelemetry --example complete` starts a receiver of OTLP and this service with the variables for
//! it, and looks at the spans that arrive. With a collector of your own, the service alone:
//!
//! ```sh
//! export OTEL_PROPAGATORS=tracecontext,b3,baggage OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=0.5
//! export OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 OTEL_SERVICE_NAME=orders
//! cargo run -p traceparent-opentelemetry --example complete
//! ```

mod receiver;

use std::{env, error::Error};

use http::HeaderMap;
use opentelemetry::{global, trace::TracerProvider};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::SdkTracerProvider;
use traceparent::{RandomIdGenerator, sampler::SamplerConfig};
use traceparent_opentelemetry::{SdkIdGenerator, SdkSampler, propagator_from_env};
use tracing::{Instrument, Span, info, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// Sets up propagation, sampling, IDs, export and logs. Shut the provider down before the process ends.
fn init() -> Result<SdkTracerProvider, Box<dyn Error>> {
    // A misspelt propagator is an error. The specification wants a misspelt sampler to be reported and ignored.
    global::set_text_map_propagator(propagator_from_env()?);
    let sampler = SamplerConfig::from_env().unwrap_or_else(|error| {
        eprintln!("{error}");
        error.sampler()
    });
    let provider = SdkTracerProvider::builder()
        .with_sampler(SdkSampler::new(sampler))
        .with_id_generator(SdkIdGenerator::new(RandomIdGenerator))
        .with_batch_exporter(SpanExporter::builder().with_tonic().build()?)
        .build();
    global::set_tracer_provider(provider.clone());
    // Below this level, the exporter would export spans about itself.
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("orders")))
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr))
        .try_init()?;
    Ok(provider)
}

/// Serves a request and returns the headers of the call it makes.
async fn serve(request: &HeaderMap) -> HeaderMap {
    let span = info_span!("GET /orders", otel.kind = "server");
    let parent = global::get_text_map_propagator(|propagator| propagator.extract(&HeaderExtractor(request)));
    if let Err(error) = span.set_parent(parent) {
        eprintln!("the span has no parent: {error}");
    }
    async {
        info!("an order is on its way");
        info_span!("GET /stock", otel.kind = "client").in_scope(call)
    }
    .instrument(span)
    .await
}

/// Somewhere deep in the service.
fn call() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let cx = Span::current().context();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&cx, &mut HeaderInjector(&mut headers)));
    headers
}

/// Serves one request, as a server would for each.
async fn service() -> Result<(), Box<dyn Error>> {
    let provider = init()?;
    let mut request = HeaderMap::new();
    request.append("b3", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1".parse()?);
    request.append("baggage", "user=42".parse()?);
    for (name, value) in &serve(&request).await {
        println!("{name}: {}", value.to_str()?);
    }
    // Without a collector, the spans are lost, and the service is not.
    if let Err(error) = provider.shutdown() {
        eprintln!("{error}");
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT") {
        Some(_) => service().await,
        None => receiver::main().await,
    }
}
