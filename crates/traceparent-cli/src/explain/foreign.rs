//! The formats of others.

use traceparent_formats::{Format, FormatError, Part, RemoteContext, SamplingState};

use super::{Entry, Refusal, time};
use crate::{headers::Headers, rule, terminal::visible};

/// Explains all fields of a format.
pub(super) fn foreign(format: Format, headers: &Headers) -> Entry {
    let fields: Vec<_> = headers.all.iter().filter(|header| format.field_names().contains(&header.name)).collect();
    let mut entry = Entry::new(format.as_str(), &fields);
    match format.read(|name| headers.get(name)) {
        Ok(Some(context)) => {
            parts(&mut entry, format, &context, headers);
            if let Some(error) = context.tags_error() {
                let rule = rule::of_format(format, error.part(), error.kind());
                let note = "the upper half of the trace-id is lost, the rest counts";
                entry.notes.push(format!("{error}: {note} ({}: {})", rule.requirement, rule.text));
            }
        }
        Ok(None) => entry.notes.push("these fields alone are no context".to_owned()),
        Err(error) => {
            let refusal = refusal(&entry, error);
            entry.refuse(refusal);
        }
    }
    if matches!(format, Format::Jaeger | Format::OtTracer) {
        entry.notes.push("the format is deprecated".to_owned());
    }
    entry
}

fn refusal(entry: &Entry, error: FormatError) -> Refusal {
    let name = field_name(error.format(), error.part());
    let mut places = entry.fields.iter().enumerate().filter(|(_, field)| name.is_none_or(|name| field.name == name));
    let first = places.next();
    let (field, byte) = match (first, places.next()) {
        // Of several, the second one is too many.
        (Some(_), Some((second, _))) if error.kind() == traceparent::ErrorKind::Repeated => (second, 0),
        (Some((first, _)), _) => (first, error.offset()),
        // The field that is missing has no place; the end of the last one stands for it.
        (None, _) => entry.fields.last().map_or((0, 0), |last| (entry.fields.len() - 1, last.value.len())),
    };
    Refusal {
        message: error.to_string(),
        part: error.part().as_str(),
        kind: error.kind().as_str(),
        offset: error.offset(),
        field,
        byte,
        rule: rule::of_format(error.format(), error.part(), error.kind()),
    }
}

/// Returns the name of the field that holds a part, of formats with several fields.
fn field_name(format: Format, part: Part) -> Option<&'static str> {
    Some(match (format, part) {
        (Format::B3Multi, Part::TraceId) => "x-b3-traceid",
        (Format::B3Multi, Part::SpanId) => "x-b3-spanid",
        (Format::B3Multi, Part::SamplingState) => "x-b3-sampled",
        (Format::Datadog, Part::TraceId) => "x-datadog-trace-id",
        (Format::Datadog, Part::SpanId) => "x-datadog-parent-id",
        (Format::Datadog, Part::SamplingState) => "x-datadog-sampling-priority",
        (Format::Datadog, Part::UpperTraceId | Part::Tags) => "x-datadog-tags",
        (Format::Datadog, Part::Origin) => "x-datadog-origin",
        (Format::OtTracer, Part::TraceId) => "ot-tracer-traceid",
        (Format::OtTracer, Part::SpanId) => "ot-tracer-spanid",
        (Format::OtTracer, Part::SamplingState) => "ot-tracer-sampled",
        _ => return None,
    })
}

fn parts(entry: &mut Entry, format: Format, context: &RemoteContext<'_>, headers: &Headers) {
    if let Some(trace_id) = context.trace_id() {
        let meaning = match format {
            Format::XRay => {
                let seconds = (trace_id.to_u128() >> 96) as u32;
                format!("begun at {}, if its first 8 digits are a time (F 24)", time::utc(seconds))
            }
            Format::Datadog => {
                let (upper, lower) = ((trace_id.to_u128() >> 64) as u64, trace_id.to_u128() as u64);
                match upper {
                    0 => format!("{lower} in decimal, and no upper half"),
                    _ => format!("{upper:016x} of _dd.p.tid, then {lower} in decimal"),
                }
            }
            _ if context.is_short() => "64 bits, with zeroes in front (F 6)".to_owned(),
            _ => "the trace, in every service".to_owned(),
        };
        entry.add("trace-id", trace_id, meaning);
        match context.span_id() {
            Some(span_id) if matches!(format, Format::Datadog | Format::CloudTrace) => {
                entry.add("span-id", span_id, format!("the caller's span, {} in decimal", span_id.to_u64()));
            }
            Some(span_id) => entry.add("span-id", span_id, "the caller's span"),
            None => entry.add("span-id", "-", "none: the trace goes on with a root span (F 4)"),
        }
    }
    entry.add("state", context.state(), state(context.state(), context.trace_id().is_none()));
    let carried = context.carried();
    if let Some(priority) = carried.datadog_priority() {
        entry.add("priority", priority, priority_meaning(priority));
    }
    for (key, value) in carried.xray_pairs() {
        entry.add(key.to_owned(), value, "goes on with the trace (F 27)");
    }
    for (key, value) in carried.datadog_tags() {
        let meaning = if key == "_dd.p.dm" { "who decided, and how" } else { "goes on with the trace (F 34)" };
        entry.add(key.to_owned(), value, meaning);
    }
    if let Some(origin) = carried.datadog_origin() {
        entry.add("origin", origin, "the product that began the trace");
    }
    let ignored = match format {
        Format::B3Multi => headers.get("x-b3-parentspanid").next().map(visible),
        Format::B3 => headers.get("b3").next().and_then(b3_parent),
        Format::Jaeger => headers.get("uber-trace-id").next().and_then(|value| jaeger_parent(&visible(value))),
        _ => None,
    };
    if let Some(parent) = ignored {
        entry.add("parent", parent, "the caller's own parent, not used");
    }
}

fn b3_parent(value: &[u8]) -> Option<String> {
    value.split(|&byte| byte == b'-').skip(2).find(|piece| piece.len() == 16).map(visible)
}

fn jaeger_parent(value: &str) -> Option<String> {
    let value = value.replace("%3A", ":").replace("%3a", ":");
    value.split(':').nth(2).filter(|parent| !parent.is_empty() && *parent != "0").map(str::to_owned)
}

fn state(state: SamplingState, is_alone: bool) -> &'static str {
    match (state, is_alone) {
        (SamplingState::Accept, false) => "sampled",
        (SamplingState::Deny, false) => "not sampled",
        (SamplingState::Debug, _) => "sampled, and every service should (F 3)",
        (SamplingState::Defer, _) => "the decision is left to the service that reads this (F 3)",
        (SamplingState::Accept, true) => "a trace that starts here is sampled (F 5)",
        (SamplingState::Deny, true) => "a trace that starts here is not sampled (F 5)",
    }
}

fn priority_meaning(priority: i64) -> &'static str {
    match priority {
        2.. => "kept by the user",
        1 => "kept by the sampler",
        0 => "dropped by the sampler",
        _ => "dropped by the user",
    }
}
