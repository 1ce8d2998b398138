use std::{any::type_name, fmt, sync::Arc};

use opentelemetry::{
    Array, Context, KeyValue, Value,
    trace::{self as otel, Link, TraceContextExt},
};
use opentelemetry_sdk::trace as sdk;
use traceparent::{
    OtValue, SpanId, TraceContext, TraceFlags, TraceId, TraceParent, TraceState, TraceStateEdit,
    sampler::{AttributeValue, Attributes, Parent, Sampler, SamplingDecision, SamplingInput, SpanDetails, SpanKind},
};

use crate::{
    convert,
    received::{Received, SpanInTrace},
};

/// Any of our samplers as one of OpenTelemetry's SDK.
///
/// The sampler is handed the parent with its whole `tracestate` (what [`TraceContextPropagator`] carries
/// beside OpenTelemetry's types included), the trace-id, and the span's name, kind, attributes and links, without
/// those of links. A condition on an attribute that is an array is met if any item meets it. Its threshold goes into the `ot` member, and leaves it
/// where the span is dropped or the parent's threshold cannot be true.
///
/// Clones share the sampler, so a rate limit is one for all of them.
///
/// [`TraceContextPropagator`]: crate::TraceContextPropagator
///
/// [OpenTelemetry: sampler](https://opentelemetry.io/docs/specs/otel/trace/sdk/#sampler)
///
/// ```
/// use opentelemetry_sdk::trace::SdkTracerProvider;
/// use traceparent::sampler::{ParentBased, ProbabilitySampler};
/// use traceparent_opentelemetry::SdkSampler;
///
/// let tenth = ProbabilitySampler::from_ratio(1, 10).unwrap();
/// let provider = SdkTracerProvider::builder()
///     .with_sampler(SdkSampler::new(ParentBased::new(tenth)))
///     .build();
/// ```
pub struct SdkSampler<S> {
    sampler: Arc<S>,
}

impl<S> SdkSampler<S> {
    /// Creates a sampler of the SDK from one of `traceparent`.
    pub fn new(sampler: S) -> Self {
        Self { sampler: Arc::new(sampler) }
    }
}

impl<S: Sampler + Send + Sync + 'static> sdk::ShouldSample for SdkSampler<S> {
    fn should_sample(
        &self,
        parent_context: Option<&Context>,
        trace_id: otel::TraceId,
        name: &str,
        span_kind: &otel::SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> sdk::SamplingResult {
        let Some(trace_id) = convert::trace_id(trace_id) else {
            return result(sdk::SamplingDecision::Drop, otel::TraceState::NONE);
        };
        let attributes = KeyValues(attributes);
        let links: Vec<_> = links.iter().filter_map(|link| convert::traceparent(&link.span_context)).collect();
        let span = SpanDetails::new(name).with_kind(kind(span_kind)).with_attributes(&attributes).with_links(&links);
        let parent_span = parent_context.map(|cx| (cx, cx.span()));
        let parent = parent_span.as_ref().and_then(|(cx, span)| {
            let span = span.span_context();
            Some((convert::span_id(span.span_id())?, SpanInTrace::new(cx, span))).filter(|_| span.is_valid())
        });
        let Some((parent_id, parent)) = parent else {
            return self.ask_about_root(trace_id, parent_context, span);
        };
        let given = parent.span.trace_state();
        if parent.is_deferred() {
            return self.ask(&SamplingInput::root(trace_id).with_span(span), given);
        }
        let list = parent.list();
        let list = TraceState::parse(list.as_bytes()).unwrap_or_default();
        let context = TraceContext::new(TraceParent::new(trace_id, parent_id, parent.flags(false)), list);
        let remote = parent.span.is_remote();
        let parent = if remote { Parent::Remote(&context) } else { Parent::Local(&context) };
        self.ask(&SamplingInput::child_of(parent).with_span(span), given)
    }
}

impl<S: Sampler> SdkSampler<S> {
    /// Returns the answer about a span without a parent. A caller's decision without one is followed as a parent's.
    fn ask_about_root(&self, id: TraceId, cx: Option<&Context>, span: SpanDetails<'_>) -> sdk::SamplingResult {
        let decision = cx.and_then(Received::root).and_then(Received::decision);
        // Samplers go by a parent's flags. Its ID is seen by none of them and goes nowhere.
        let parent = decision.zip(SpanId::from_u64(1)).map(|(sampled, placeholder)| {
            let flags = TraceFlags::NONE.with_sampled(sampled);
            TraceContext::new(TraceParent::new(id, placeholder, flags), TraceState::EMPTY)
        });
        let input = match &parent {
            Some(parent) => SamplingInput::child_of(Parent::Remote(parent)),
            None => SamplingInput::root(id),
        };
        self.ask(&input.with_span(span), &otel::TraceState::NONE)
    }

    fn ask(&self, input: &SamplingInput<'_>, list: &otel::TraceState) -> sdk::SamplingResult {
        let answer = self.sampler.should_sample(input);
        let decision = match answer.decision {
            SamplingDecision::Drop => sdk::SamplingDecision::Drop,
            SamplingDecision::RecordOnly => sdk::SamplingDecision::RecordOnly,
            SamplingDecision::RecordAndSample => sdk::SamplingDecision::RecordAndSample,
        };
        let edit = answer.tracestate(input);
        let mut result = result(decision, if edit.untouched().is_some() { list.clone() } else { edited(list, edit) });
        if answer.decision.is_recorded() {
            self.sampler.annotate(input, &mut |key, value| {
                result.attributes.extend(self::value(value).map(|value| KeyValue::new(key.to_owned(), value)));
            });
        }
        result
    }
}

/// The list with the `ot` member of the edit, which is all that a decision changes.
fn edited(list: &otel::TraceState, edit: TraceStateEdit<'_>) -> otel::TraceState {
    let edited = edit.into_owned();
    let ot = edited.get(OtValue::KEY).map(|value| (OtValue::KEY, value));
    let others = list.into_iter().filter(|(key, _)| *key != OtValue::KEY);
    // Both parts come from lists that OpenTelemetry's type has accepted, or that are stricter than it is.
    otel::TraceState::from_key_value(ot.into_iter().chain(others)).unwrap_or_default()
}

fn result(decision: sdk::SamplingDecision, trace_state: otel::TraceState) -> sdk::SamplingResult {
    sdk::SamplingResult { decision, attributes: Vec::new(), trace_state }
}

const fn kind(kind: &otel::SpanKind) -> SpanKind {
    match kind {
        otel::SpanKind::Internal => SpanKind::Internal,
        otel::SpanKind::Server => SpanKind::Server,
        otel::SpanKind::Client => SpanKind::Client,
        otel::SpanKind::Producer => SpanKind::Producer,
        otel::SpanKind::Consumer => SpanKind::Consumer,
    }
}

fn value(value: AttributeValue<'_>) -> Option<Value> {
    Some(match value {
        AttributeValue::Str(value) => value.to_owned().into(),
        AttributeValue::Bool(value) => value.into(),
        AttributeValue::I64(value) => value.into(),
        AttributeValue::F64(value) => value.into(),
        _ => return None,
    })
}

/// A span's attributes; of several with the same key, the last counts.
struct KeyValues<'a>(&'a [KeyValue]);

impl Attributes for KeyValues<'_> {
    fn attribute(&self, key: &str) -> Option<AttributeValue<'_>> {
        let attribute = self.0.iter().rev().find(|attribute| attribute.key.as_str() == key)?;
        match &attribute.value {
            Value::String(value) => Some(value.as_str().into()),
            Value::Bool(value) => Some((*value).into()),
            Value::I64(value) => Some((*value).into()),
            Value::F64(value) => Some((*value).into()),
            _ => None,
        }
    }

    fn any(&self, key: &str, accept: &mut dyn FnMut(AttributeValue<'_>) -> bool) -> bool {
        match self.0.iter().rev().find(|attribute| attribute.key.as_str() == key).map(|attribute| &attribute.value) {
            Some(Value::Array(Array::String(items))) => items.iter().any(|item| accept(item.as_str().into())),
            Some(Value::Array(Array::Bool(items))) => items.iter().any(|item| accept((*item).into())),
            Some(Value::Array(Array::I64(items))) => items.iter().any(|item| accept((*item).into())),
            Some(Value::Array(Array::F64(items))) => items.iter().any(|item| accept((*item).into())),
            _ => self.attribute(key).is_some_and(accept),
        }
    }
}

impl<S> Clone for SdkSampler<S> {
    fn clone(&self) -> Self {
        Self { sampler: Arc::clone(&self.sampler) }
    }
}

impl<S> fmt::Debug for SdkSampler<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SdkSampler").field(&format_args!("{}", type_name::<S>())).finish()
    }
}
