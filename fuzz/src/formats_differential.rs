//! The formats beside the propagators of other crates.

use older_opentelemetry as older;
use opentelemetry::{propagation::TextMapPropagator, trace::TraceContextExt};
use opentelemetry_propagator_b3::B3Encoding;
use traceparent::{SpanId, TraceId};
use traceparent_formats::Format;

use crate::{
    differential::unless_it_panics,
    foreign::vectors::{Message, values},
    formats::message_of,
    verdict::{Answer, Fields, Verdict},
};

mod known;

pub use self::known::{FORMATS_DIFFERENCES, FormatsDifference};

/// A propagator of another crate, with the format that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// `opentelemetry-propagator-b3` 0.33, for one field.
    B3,
    /// `opentelemetry-propagator-b3` 0.33, for several fields.
    B3Multi,
    /// `opentelemetry-aws` 0.21.
    XRay,
    /// `opentelemetry-datadog` 0.20.
    Datadog,
    /// `opentelemetry-jaeger-propagator` 0.32.
    Jaeger,
}

impl Library {
    /// Every library.
    pub const ALL: [Self; 5] = [Self::B3, Self::B3Multi, Self::XRay, Self::Datadog, Self::Jaeger];

    const fn format(self) -> Format {
        match self {
            Self::B3 => Format::B3,
            Self::B3Multi => Format::B3Multi,
            Self::XRay => Format::XRay,
            Self::Datadog => Format::Datadog,
            Self::Jaeger => Format::Jaeger,
        }
    }

    /// Returns the fields of this format in an input, or `None` if a text map cannot hold them.
    pub fn fields(self, input: &[u8]) -> Option<Fields> {
        let message = message_of(input);
        let field = |name: &&'static str| {
            let mut values = values(&message, name);
            let first = values.next()?;
            Some(match (std::str::from_utf8(first), values.next()) {
                (Ok(value), None) => Some(((*name).to_owned(), value.to_owned())),
                _ => None,
            })
        };
        self.format().field_names().iter().filter_map(field).collect()
    }

    /// Returns where this library differs from ours.
    pub fn differs(self, fields: &Fields) -> Option<Verdict> {
        Verdict::between(&self.ours(fields), &unless_it_panics(|| self.theirs(fields)))
    }

    fn ours(self, fields: &Fields) -> Option<Answer> {
        let message: Message = fields.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
        let context = self.format().read(|name| values(&message, name)).ok().flatten()?;
        let ids = context.trace_id().map(|id| (id.to_u128(), context.span_id().map_or(0, SpanId::to_u64)));
        Some(Answer { ids, state: context.state().as_str() })
    }

    #[allow(deprecated, reason = "people still run what their authors have given up")]
    fn theirs(self, fields: &Fields) -> Option<Answer> {
        let b3 = opentelemetry_propagator_b3::Propagator::with_encoding;
        match self {
            Self::B3 => answer(&b3(B3Encoding::SingleHeader), fields),
            Self::B3Multi => answer(&b3(B3Encoding::MultipleHeader), fields),
            Self::XRay => answer(&opentelemetry_aws::trace::XrayPropagator::new(), fields),
            Self::Datadog => older_answer(&opentelemetry_datadog::DatadogPropagator::new(), fields),
            Self::Jaeger => older_answer(&opentelemetry_jaeger_propagator::Propagator::new(), fields),
        }
    }
}

/// Every library gives the same answer as ours, except for what is on the list of known differences.
///
/// Each line of the input is a field, `name: value`.
pub fn formats_differential(input: &[u8]) {
    for library in Library::ALL {
        let Some(fields) = library.fields(input).filter(|fields| !fields.is_empty()) else { continue };
        if let Some(seen) = library.differs(&fields) {
            let known = |row: &FormatsDifference| row.library == library && row.seen == seen && (row.applies)(&fields);
            let answers = || (library.ours(&fields), unless_it_panics(|| library.theirs(&fields)));
            assert!(FORMATS_DIFFERENCES.iter().any(known), "{library:?}, {seen:?}: {fields:?}: {:?}", answers());
        }
    }
}

/// Returns the state that these libraries keep in the flags: `02` is deferred, `04` is debug.
const fn state(flags: u8) -> &'static str {
    match flags {
        0 => "deny",
        1 => "accept",
        2 => "defer",
        5 => "debug",
        4 => "debug that is not sampled",
        _ => "other",
    }
}

fn ids(trace_id: [u8; 16], span_id: [u8; 8]) -> Option<(u128, u64)> {
    Some((TraceId::from_bytes(trace_id)?.to_u128(), SpanId::from_bytes(span_id)?.to_u64()))
}

fn answer(propagator: &impl TextMapPropagator, fields: &Fields) -> Option<Answer> {
    let cx = propagator.extract_with_context(&opentelemetry::Context::new(), fields);
    let span = cx.span().span_context().clone();
    // Without a span-id, an SDK starts another trace.
    let ids = ids(span.trace_id().to_bytes(), span.span_id().to_bytes())?;
    Some(Answer { ids: Some(ids), state: state(span.trace_flags().to_u8()) })
}

fn older_answer(propagator: &impl older::propagation::TextMapPropagator, fields: &Fields) -> Option<Answer> {
    let cx = propagator.extract_with_context(&older::Context::new(), fields);
    let span = older::trace::TraceContextExt::span(&cx).span_context().clone();
    let ids = ids(span.trace_id().to_bytes(), span.span_id().to_bytes())?;
    Some(Answer { ids: Some(ids), state: state(span.trace_flags().to_u8()) })
}
