//! W3C Trace Context: `traceparent`, `tracestate`, and the response context.

use traceparent::{
    Field, Incoming, Member, OtValue, ParseError, Threshold, TraceFlags, TraceParent, TraceResponse, TraceState,
};

use super::{Entry, Refusal};
use crate::{
    headers::{Header, Headers},
    rule,
    terminal::visible,
};

const FORMAT: &str = "tracecontext";

fn entry(headers: &Headers, name: &str) -> Option<Entry> {
    let fields: Vec<_> = headers.all.iter().filter(|header| header.name == name).collect();
    (!fields.is_empty()).then(|| Entry::new(FORMAT, &fields))
}

fn refusal(error: ParseError, field: usize, byte: usize) -> Refusal {
    Refusal {
        message: error.to_string(),
        part: error.field().as_str(),
        kind: error.kind().as_str(),
        offset: error.offset(),
        field,
        byte,
        rule: rule::of_core(error.field(), error.kind()),
    }
}

/// Explains the `traceparent` fields.
pub(super) fn traceparent(headers: &Headers) -> Option<Entry> {
    let mut entry = entry(headers, TraceParent::NAME)?;
    let incoming = Incoming::from_fields(headers.get(TraceParent::NAME), std::iter::empty::<&[u8]>());
    if let Some(error) = incoming.error() {
        // Of several, the second one is too many.
        entry.refuse(refusal(error, usize::from(entry.fields.len() > 1), error.offset()));
        if let [field] = entry.fields.as_slice() {
            entry.notes.extend(hint(&field.value));
        }
    }
    if let Some(context) = incoming.context() {
        let sent = entry.fields.first().map(|field| visible(&field.value)).unwrap_or_default();
        parts(&mut entry, context.traceparent, "parent-id", "the caller's span", &sent);
    }
    Some(entry)
}

/// Returns a note on values that are no `traceparent` but something known.
fn hint(value: &[u8]) -> Option<String> {
    let is_hex = !value.is_empty() && value.iter().all(u8::is_ascii_hexdigit);
    match value.len() {
        32 if is_hex => Some("this is a trace-id alone: `traceparent sample` says which shares keep it".to_owned()),
        16 if is_hex => Some("this is a span-id alone".to_owned()),
        _ => None,
    }
}

fn parts(entry: &mut Entry, traceparent: TraceParent, id: &'static str, span: &str, sent: &str) {
    let version = traceparent.version();
    let meaning = match version.to_u8() {
        0 => "the only version there is",
        _ => "a later version: read by the rules of 00 and sent on as 00 (W3C 30, 32)",
    };
    entry.add("version", version, meaning);
    let short = traceparent.trace_id().to_u128() >> 64 == 0;
    let meaning = if short { "64 bits, with zeroes in front (W3C 76)" } else { "the trace, in every service" };
    entry.add("trace-id", traceparent.trace_id(), meaning);
    entry.add(id, traceparent.parent_id(), span);
    entry.add("flags", sent.get(53..55).unwrap_or_default(), flags(traceparent.flags(), sent));
}

fn flags(flags: TraceFlags, sent: &str) -> String {
    let sampled = if flags.is_sampled() { "sampled" } else { "not sampled" };
    let random = if flags.is_random() { "the trace-id is random" } else { "no word on the trace-id's randomness" };
    let bits = sent.get(53..55).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or_default();
    match bits & !flags.bits() {
        0 => format!("{sampled}; {random}"),
        reserved => format!("{sampled}; {random}; reserved bits {reserved:02x}, sent on as zero (W3C 27)"),
    }
}

/// Explains the `tracestate` fields, joined as a service joins them.
pub(super) fn tracestate(headers: &Headers) -> Option<Entry> {
    let mut entry = entry(headers, TraceState::NAME)?;
    let traceparent = Incoming::from_fields(headers.get(TraceParent::NAME), std::iter::empty::<&[u8]>());
    match TraceState::parse_fields(headers.get(TraceState::NAME)) {
        Err(error) => {
            let (field, byte) = place(&entry, error.offset());
            entry.refuse(refusal(error, field, byte));
            if traceparent.context().is_some() {
                entry.notes.push("the list is discarded and the trace goes on (W3C 40, 71)".to_owned());
            }
        }
        Ok(list) => {
            if entry.fields.len() > 1 {
                entry.notes.push(format!("{} fields are one list, in order (W3C 43)", entry.fields.len()));
            }
            if list.is_empty() {
                entry.notes.push("empty: allowed, and not sent on (W3C 49)".to_owned());
            }
            members(&mut entry, &list);
        }
    }
    match traceparent {
        Incoming::Absent => entry.notes.push("discarded, because there is no traceparent (W3C 67)".to_owned()),
        Incoming::Invalid(_) => {
            entry.notes.push("not looked at, because traceparent is invalid (W3C 39)".to_owned());
        }
        _ => {}
    }
    Some(entry)
}

/// Returns the field, and the offset in it, of an offset in the joined list.
fn place(entry: &Entry, offset: usize) -> (usize, usize) {
    let (mut length, mut place) = (0, (0, offset));
    for (i, field) in entry.fields.iter().enumerate() {
        let start = length + usize::from(length > 0);
        if start <= offset {
            place = (i, offset - start);
        }
        if !field.value.is_empty() {
            length = start + field.value.len();
        }
    }
    place
}

fn members(entry: &mut Entry, list: &TraceState<'_>) {
    let mut seen = Vec::new();
    for member in list {
        if seen.contains(&member.key()) {
            entry.add(member.key().to_owned(), member.value(), "repeated: the first one counts (W3C 53)");
            continue;
        }
        seen.push(member.key());
        entry.add(member.key().to_owned(), member.value(), owner(&member));
        if member.key() == OtValue::KEY {
            ot(entry, member.value());
        }
    }
}

fn owner(member: &Member<'_>) -> &'static str {
    match member.key().rsplit_once('@').map_or(member.key(), |(_, system)| system) {
        OtValue::KEY => "OpenTelemetry",
        "dd" => "Datadog",
        "dt" => "Dynatrace",
        "es" => "Elastic",
        "in" => "Instana",
        "nr" => "New Relic",
        "sw" => "SolarWinds",
        _ => "",
    }
}

fn ot(entry: &mut Entry, value: &str) {
    let ot = OtValue::read(value);
    for part in value.split(';') {
        match part.split_once(':') {
            Some(("th", digits)) => match ot.threshold() {
                Some(threshold) => entry.add("  th", digits, share(threshold)),
                None => entry.add("  th", digits, "malformed or repeated, and dropped (OTel 10)"),
            },
            Some(("rv", digits)) => match ot.randomness() {
                Some(_) => entry.add("  rv", digits, "explicit randomness, in place of the trace-id's"),
                None => entry.add("  rv", digits, "malformed or repeated, and dropped (OTel 10)"),
            },
            Some((key, value)) => entry.add(format!("  {key}"), value, "another concern's, and kept"),
            None => {}
        }
    }
    if let Some(error) = ot.error() {
        let rule = rule::of_core(error.field(), error.kind());
        entry.notes.push(format!("in ot: {error} ({}: {})", rule.requirement, rule.text));
    }
}

/// Returns the share of traces that a threshold keeps, and the count that each kept one stands for.
pub(crate) fn share(threshold: Threshold) -> String {
    let percent = significant(threshold.probability() * 100.0);
    format!("{percent} % of traces are kept, each counts for {}", significant(threshold.adjusted_count()))
}

/// Returns a number with six significant digits, without zeroes at the end.
fn significant(number: f64) -> String {
    let whole = number.abs().log10().floor().max(0.0) as usize;
    let leading = (-number.abs().log10().floor()).max(0.0) as usize;
    let text = format!("{number:.*}", (5 + leading).saturating_sub(whole).min(20));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Explains a carrier of the response context.
pub(super) fn response(header: &Header) -> Entry {
    let mut entry = Entry::new("response", &[header]);
    if header.name == "traceresponse" {
        entry.notes.push("earlier drafts had this header; now it is Server-Timing: trace;desc=... (W3C 86)".to_owned());
        match TraceParent::parse(&header.value) {
            Ok(response) => parts(&mut entry, response, "child-id", "the span that served", &visible(&header.value)),
            Err(error) => {
                let field = if error.field() == Field::ParentId { Field::ChildId } else { error.field() };
                let rule = rule::of_core(field, error.kind());
                entry.refuse(Refusal { rule, part: field.as_str(), ..refusal(error, 0, error.offset()) });
            }
        }
        return entry;
    }
    match TraceResponse::parse(&header.value) {
        Ok(Some(response)) => {
            entry.add("trace-id", response.trace_id(), "the trace in which the request was served");
            entry.add("child-id", response.child_id(), "the span that served");
            let text = traceparent::TraceParent::new(response.trace_id(), response.child_id(), response.flags());
            entry.add("flags", response.flags(), flags(response.flags(), &text.to_string()));
        }
        Ok(None) => entry.notes.push("no metric of the name trace: there is no response context (W3C 86)".to_owned()),
        Err(error) => entry.refuse(refusal(error, 0, error.offset())),
    }
    entry
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_six_significant_digits() {
        let share = |digits: &str| share(Threshold::parse(digits.as_bytes()).unwrap());
        assert_eq!(share("0"), "100 % of traces are kept, each counts for 1");
        assert_eq!(share("c"), "25 % of traces are kept, each counts for 4");
        assert_eq!(share("e666"), "10.0006 % of traces are kept, each counts for 9.99939");
        assert_eq!(share("ffbe77"), "0.0999987 % of traces are kept, each counts for 1000.01");
        assert_eq!(
            share("ffffffffffffff"),
            "0.00000000000000138778 % of traces are kept, each counts for 72057594037927936"
        );
    }

    #[test]
    fn an_offset_in_the_joined_list_is_one_of_a_field() {
        let headers = Headers::parse(b"tracestate: a=1\ntracestate:\ntracestate: b=2,C=3");
        let entry = tracestate(&headers).unwrap();
        let error = entry.error.unwrap();
        assert_eq!((error.offset, error.field, error.byte), (8, 2, 4));
    }
}
