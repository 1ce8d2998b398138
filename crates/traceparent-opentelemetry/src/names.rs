use std::env;

use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use opentelemetry_sdk::propagation::BaggagePropagator;
use traceparent_formats::{Propagators, PropagatorsError};

use crate::FormatsPropagator;

/// The variable of the environment that names the propagators.
const OTEL_PROPAGATORS: &str = "OTEL_PROPAGATORS";

/// Creates the propagator that the environment variable `OTEL_PROPAGATORS` names, baggage included.
///
/// An empty or missing variable is `tracecontext,baggage`; see [`propagator_from_names`].
///
/// [OpenTelemetry: environment variables](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration)
///
/// # Errors
///
/// Returns an error if a name is unknown, or if `none` stands beside others.
///
/// ```
/// use opentelemetry::global;
///
/// global::set_text_map_propagator(traceparent_opentelemetry::propagator_from_env()?);
/// # Ok::<(), traceparent_formats::PropagatorsError>(())
/// ```
pub fn propagator_from_env() -> Result<TextMapCompositePropagator, PropagatorsError> {
    // Bytes that are not text are no name.
    propagator_from_names(&env::var_os(OTEL_PROPAGATORS).unwrap_or_default().to_string_lossy())
}

/// Creates the propagator that a list of names describes, spelled as in `OTEL_PROPAGATORS`.
///
/// The formats are read in the order of the list, and W3C Trace Context is written beside them; see [`Propagators`].
/// `baggage` adds OpenTelemetry's [`BaggagePropagator`]. An empty list is `tracecontext,baggage`.
///
/// # Errors
///
/// Returns an error if a name is unknown, or if `none` stands beside others.
///
/// ```
/// use opentelemetry::propagation::TextMapPropagator;
/// use traceparent_formats::PropagatorsError;
/// use traceparent_opentelemetry::propagator_from_names;
///
/// let propagator = propagator_from_names("xray,tracecontext,baggage")?;
/// let mut fields: Vec<_> = propagator.fields().collect();
/// fields.sort();
/// assert_eq!(fields, ["baggage", "traceparent", "tracestate", "x-amzn-trace-id"]);
///
/// assert_eq!(propagator_from_names("b3,sw8").err(), Some(PropagatorsError::Unknown { position: 2 }));
/// # Ok::<(), PropagatorsError>(())
/// ```
pub fn propagator_from_names(list: &str) -> Result<TextMapCompositePropagator, PropagatorsError> {
    let formats: Propagators = list.parse()?;
    let mut propagators: Vec<Box<dyn TextMapPropagator + Send + Sync>> = Vec::new();
    if formats != Propagators::NONE {
        propagators.push(Box::new(FormatsPropagator::new(formats)));
    }
    let names = || list.split(',').map(str::trim);
    if names().any(|name| name == "baggage") || names().all(str::is_empty) {
        propagators.push(Box::new(BaggagePropagator::new()));
    }
    Ok(TextMapCompositePropagator::new(propagators))
}
