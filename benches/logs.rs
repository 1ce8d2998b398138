use std::{hint::black_box, io};

use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::AlwaysOn};
use traceparent_tower::{SpanContext, TraceContextFormat};
use tracing::{Dispatch, dispatcher::with_default, info};

use crate::{OURS, Operation};

/// The same without the IDs, in the tables.
const WITHOUT: &str = "tracing-subscriber, no IDs";

/// One event with two fields, formatted and thrown away, within a request.
fn line(name: &str, library: &'static str, subscriber: impl Into<Dispatch>) -> Operation {
    let dispatch = subscriber.into();
    let span = SpanContext::from(Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator));
    Operation::new(name, library, move || {
        span.clone().sync_scope(|| {
            with_default(&dispatch, || info!(order = black_box(42), status = "shipped", "an order has left"));
        });
    })
}

/// What the IDs on each line cost: the same line with them and without.
pub(crate) fn operations() -> Vec<Operation> {
    let json = || tracing_subscriber::fmt().json().flatten_event(true).with_writer(io::sink);
    let text = || tracing_subscriber::fmt().with_ansi(false).with_writer(io::sink);
    vec![
        line("log line in JSON", OURS, json().map_event_format(TraceContextFormat::json).finish()),
        line("log line in JSON", WITHOUT, json().finish()),
        line("log line of text", OURS, text().map_event_format(TraceContextFormat::text).finish()),
        line("log line of text", WITHOUT, text().finish()),
    ]
}
